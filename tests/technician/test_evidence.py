"""Bundles and findings on the technician's side: names corrected, parameters taken from what was found."""

from pathlib import Path

import pytest

from remote_assist.core.findings import Finding
from remote_assist.errors import AssistError, ContentError, UsageError
from remote_assist.technician.evidence import (
    catalog,
    collect_request,
    copy_bundle,
    evaluate_bundle,
    parameters_for,
    plan_request,
)

FIX = "linux.service.free-port"


def finding(fix: str = FIX, **parameters: str) -> Finding:
    return Finding(
        issue="i",
        version=1,
        digest="d",
        title="t",
        severity="high",
        category="c",
        outcome="fail",
        subject="s",
        message="m",
        fix=fix,
        parameters=parameters,
    )


def test_requests_name_version_and_digest_of_the_own_catalog() -> None:
    bundle = catalog().bundles["first-look"]
    assert collect_request("first-look").digest == bundle.digest
    fix = catalog().fixes[FIX]
    request = plan_request(FIX, {"port": "80"})
    assert (request.version, request.digest, request.parameters) == (fix.version, fix.digest, {"port": "80"})


def test_an_unknown_name_is_corrected() -> None:
    with pytest.raises(UsageError, match="did you mean 'first-look'") as fault:
        collect_request("frist-look")
    assert "first-look" in fault.value.advice
    with pytest.raises(UsageError, match=f"did you mean '{FIX}'"):
        plan_request("linux.service.free-prt", {})


def test_parameters_come_from_the_finding_that_offers_the_fix() -> None:
    found = [finding("other", unit="x"), finding(unit="a", port="80"), finding(unit="a", port="80")]
    assert parameters_for(FIX, found) == {"unit": "a", "port": "80"}
    assert parameters_for("third", found) == {}


def test_several_different_offers_need_a_choice_which_may_settle_it() -> None:
    found = [finding(unit="a", port="80"), finding(unit="b", port="443")]
    with pytest.raises(UsageError, match=r"unit=a port=80; unit=b port=443"):
        parameters_for(FIX, found)
    assert parameters_for(FIX, found, {"unit": "b"}) == {"unit": "b", "port": "443"}
    assert parameters_for(FIX, found, {"unit": "c"}) == {}


def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no bundle"):
        evaluate_bundle(tmp_path / "nowhere")
    (tmp_path / "noise").write_bytes(b"noise")
    with pytest.raises(AssistError):
        evaluate_bundle(tmp_path / "noise")


def test_a_copy_appears_whole_and_private_or_not_at_all(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    copy_bundle(source, target)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ContentError, match="cannot be written"):
        copy_bundle(source, tmp_path / "nowhere" / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]

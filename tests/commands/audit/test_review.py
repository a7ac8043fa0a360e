"""Reviews and reports as a reviewer types them, against a real relay; sign-offs hold for stock ssh-keygen."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_assist import cli
from remote_assist.audit.reports.catalog import REPORTS
from tests.commands.served import Served
from tests.programs import needs


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with Served(tmp_path, monkeypatch) as running:
        yield running


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_session_is_signed_off_and_stock_ssh_keygen_verifies_it(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = served.session()
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "review", "list", "--plain"]) == 0
    assert agent.session in capsys.readouterr().out
    sign = ["audit", "review", "sign", agent.session, "--meaning", "reviewed", "--note", "all in order"]
    assert cli.main(sign) == 0
    assert "signed off: reviewed, Rita Example" in capsys.readouterr().out
    assert cli.main(["audit", "review", "list"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["audit", "review", "list", "--all", "--json"]) == 0
    (due,) = objects(capsys.readouterr().out)
    assert due["state"] == "signed" and "reviewed by Rita Example at" in str(due["signed"])
    folder = tmp_path / "saved"
    assert cli.main(["audit", "review", "save", agent.session, str(folder)]) == 0
    _keygen_verifies(folder)
    assert cli.main(["audit", "show", agent.session]) == 0
    assert "signed off: reviewed by Rita Example" in capsys.readouterr().out
    assert cli.main(["audit", "verify"]) == 0


def _keygen_verifies(folder: Path) -> None:
    text = (folder / "review-1.txt").read_bytes()
    assert b"name Rita Example\n" in text and b"meaning reviewed\n" in text and b"time 20" in text
    keygen = needs("ssh-keygen")
    how = [keygen, "-Y", "verify", "-n", "review@remote-assist", "-I", "reviewer-1", "-f", "signers", "-s"]
    good = subprocess.run([*how, "review-1.txt.sig"], input=text, cwd=folder, capture_output=True)
    assert good.returncode == 0, good.stderr
    forged = text.replace(b"meaning reviewed", b"meaning approved")
    assert subprocess.run([*how, "review-1.txt.sig"], input=forged, cwd=folder, capture_output=True).returncode != 0


def test_a_session_that_goes_on_or_does_not_exist_is_not_signed_off(served: Served) -> None:
    agent = served.session(ended=False)
    served.become("Rita Example", "reviewer")
    absent = "s-" + "a" * 16
    for session, meaning in ((agent.session, "reviewed"), (absent, "reviewed"), (agent.session, "liked")):
        assert cli.main(["audit", "review", "sign", session, "--meaning", meaning]) == 2


def test_every_report_is_complete_says_so_and_holds_no_control_byte(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = served.session()
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "review", "sign", agent.session, "--meaning", "approved"]) == 0
    capsys.readouterr()
    for name in REPORTS:
        assert cli.main(["audit", "report", name]) == 0, name
        told = capsys.readouterr().out
        assert "population 10, missing 0, verified" in told and "tree size 10" in told, name
        assert not [sign for sign in told if ord(sign) < 0x20 and sign != "\n"], f"T21: {name}"
        assert cli.main(["audit", "report", name, "--json"]) == 0
        (said,) = objects(capsys.readouterr().out)
        assert (said["report"], said["population"], said["missing"], said["verified"]) == (name, 10, [], True)
        assert str(said["checkpoint"]).startswith("remote-assist/log/") and said["tree_size"] == 10
    assert cli.main(["audit", "report", "change-list", "-o", str(tmp_path / "changes")]) == 0
    assert "free-port@2" in (tmp_path / "changes").read_text()


def test_reports_tell_what_happened(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    agent = served.session()
    served.session(subject="Printer", ended=False)
    served.become("Rita Example", "reviewer")

    def report(name: str, *more: str) -> dict[str, list[dict[str, str]]]:
        capsys.readouterr()
        assert cli.main(["audit", "report", name, "--json", *more]) == 0
        return dict(json.loads(capsys.readouterr().out)["tables"])

    trail = report("audit-trail")["Records"]
    assert [int(one["leaf"]) for one in trail] == list(range(15))
    fixes = report("change-list")["Fixes"]
    assert [(one["fix"], one["plan"], one["outcome"]) for one in fixes] == [("free-port@2", "cd" * 32, "done")] * 2
    consents = report("consent-receipts")["Consent"]
    assert {(one["consent"], one["scopes"]) for one in consents} == {("granted", "diagnose fix")}
    access = report("access-list")["Access"]
    assert {one["name"] for one in access} == {"Alice Example"}
    ended = report("review-log")["Sessions that ended"]
    assert [(one["session"], one["review"]) for one in ended] == [(agent.session, "to review")]
    found = report("incidents")
    assert [(one["fix"], one["solved"]) for one in found["Incidents"]] == [("free-port@2", "no")] * 2
    assert found["Sums, all"][0]["opened"] == "2"
    capsys.readouterr()
    assert cli.main(["audit", "report", "incidents", "--format", "csv", "--response-within", "1h"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["solved"], one["sessions"], one["response_kept"], one["repair_kept"]) for one in rows] == [
        ("0", "1", "1", "")
    ] * 2
    assert cli.main(["audit", "report", "incidents", "--format", "html", "--repair-within", "8h"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("<svg") == 4 and "Sums, by customer" in shown and "<script" not in shown
    assert cli.main(["audit", "report", "audit-trail", "--format", "csv"]) == 2
    page = report("maintenance-record", "--ticket", fixes[0]["ticket"])
    assert any(title.endswith("work") and len(rows) == 2 for title, rows in page.items())
    failures = report("control-failures")
    assert failures["Does not hold"] == []
    assert {"code": "RA2020E", "event": "break-glass", "count": "0"} in failures["How often"]


def test_a_record_the_relay_keeps_back_is_missed(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from relay.log import sessions

    agent, _ = served.session(), served.session()
    true = sessions.read_summaries

    def hiding(*asked: object) -> object:
        found = true(*asked)  # type: ignore[arg-type]  # the same arguments
        return type(found)(sessions=tuple(one for one in found.sessions if one.id != agent.session))

    monkeypatch.setattr("relay.pages.sessions.read_summaries", hiding)
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "report", "audit-trail"]) == 5
    told = capsys.readouterr().out
    assert "population 16, missing 8, NOT verified" in told and "missing: leaf 0" in told


def test_an_export_of_everything_verifies_as_a_whole_and_a_changed_one_does_not(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = served.session()
    served.become("Rita Example", "reviewer")
    assert cli.main(["audit", "review", "sign", agent.session, "--meaning", "reviewed"]) == 0
    file = tmp_path / "all"
    assert cli.main(["audit", "export", "-o", str(file)]) == 0
    capsys.readouterr()
    assert cli.main(["audit", "verify", str(file), "--whole"]) == 0
    assert "10 records in 2 sessions and other chains" in capsys.readouterr().out
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    assert cli.main(["audit", "verify", str(file), "--whole"]) == 5

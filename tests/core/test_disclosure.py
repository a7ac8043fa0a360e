"""What a disclosure's record may say."""

import msgspec
import pytest

from remote_assist.core.disclosure import catalog_of, check_disclosure, check_outcome
from remote_assist.core.requests import Disclose, Disclosed
from remote_assist.errors import RefusedError

REQUEST = Disclose(
    kind="findings", readers="customer", name="2 findings", size=9, sha256="0a" * 32, where="rt:17", issues=("a.b", "c")
)


def test_the_record_names_kind_readers_and_issues() -> None:
    check_disclosure(REQUEST)
    assert catalog_of(REQUEST) == "findings:customer,a.b,c"
    assert tuple(catalog_of(REQUEST).split(",")[1:]) == REQUEST.issues == ("a.b", "c")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "soul"},
        {"readers": "world"},
        {"sha256": "0A" * 32},
        {"size": -1},
        {"issues": ("A",)},
        {"issues": ("a",) * 51},
        {"name": "x" * 201},
        {"where": "x" * 201},
    ],
)
def test_what_no_record_could_tell_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        check_disclosure(msgspec.structs.replace(REQUEST, **changes))


def test_an_outcome_is_done_or_failed_and_short() -> None:
    assert check_outcome(Disclosed(status="done", remote="36")).remote == "36"
    for said in (Disclosed(status="perhaps"), Disclosed(status="done", remote="x" * 201)):
        with pytest.raises(RefusedError):
            check_outcome(said)

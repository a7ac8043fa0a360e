"""Approvals: another person's, for one plan of one session, and nothing else."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from remote_assist.core.identity.approval import Approval, approval_text, approve, check_approval, read_approval
from remote_assist.core.identity.certificates import Certificate, check_certificate, issue_certificate
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import PrivateKey, new_key, public_line
from remote_assist.errors import RefusedError, VerificationError

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC)
CA, OTHER_CA = new_key(b"c" * 32), new_key(b"d" * 32)
ALICE, BOB = new_key(b"a" * 32), new_key(b"b" * 32)
SESSION, PLAN = "s-abcdefgh23456777", "ab" * 32


def certified(key: PrivateKey, name: str, serial: int, ca: PrivateKey = CA, role: str = "technician") -> str:
    return issue_certificate(
        ca,
        public_line(key),
        name=name,
        role=role,
        serial=serial,
        valid_after=NOW - timedelta(hours=1),
        valid_before=NOW + timedelta(hours=11),
    )


def technician() -> Certificate:
    return check_certificate(certified(ALICE, "Alice Example", 1), ca_line=public_line(CA), now=NOW, role="technician")


BY_BOB = approve(BOB, certified(BOB, "Bob Example", 2), SESSION, PLAN)


def check(approval: Approval | None, *, now: datetime = NOW, revoked: tuple[int, ...] = ()) -> str:
    return check_approval(approval, session=SESSION, plan=PLAN, technician=technician(), now=now, revoked=revoked).name


def test_a_colleagues_approval_holds_and_travels_as_one_line() -> None:
    assert check(BY_BOB) == "Bob Example"
    assert read_approval(approval_text(BY_BOB)) == BY_BOB
    assert approval_text(BY_BOB).count(b"\n") == 1


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        (None, "needs a second technician's approval"),
        (approve(BOB, certified(BOB, "Bob Example", 2), "s-other", PLAN), "another session"),
        (approve(BOB, certified(BOB, "Bob Example", 2), SESSION, "cd" * 32), "another plan"),
        (approve(ALICE, certified(ALICE, "Alice Example", 1), SESSION, PLAN), "technician's own"),
        (approve(ALICE, certified(ALICE, "Alice Example", 9), SESSION, PLAN), "technician's own"),
        (approve(BOB, certified(BOB, "alice example", 2), SESSION, PLAN), "technician's own"),
        (approve(BOB, certified(BOB, "Bob Example", 2, ca=OTHER_CA), SESSION, PLAN), "another CA"),
        (approve(BOB, certified(BOB, "Bob Example", 2, role="reviewer"), SESSION, PLAN), "for reviewer"),
        (approve(ALICE, certified(BOB, "Bob Example", 2), SESSION, PLAN), "does not hold"),
        (msgspec.structs.replace(BY_BOB, certificate="nonsense"), "does not hold"),
        (
            msgspec.structs.replace(BY_BOB, signature=sshsig.sign(BOB, "login", b"remote-assist approve/1")),
            "does not hold",
        ),
    ],
    ids=range(11),
)
def test_every_other_approval_is_refused_with_the_reason(approval: Approval | None, why: str) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        check(approval)
    assert caught.value.reason == "not-approved"
    assert f"remote-assist approve {SESSION} {PLAN}" in caught.value.advice


def test_a_certificate_that_is_over_or_revoked_approves_nothing() -> None:
    with pytest.raises(RefusedError, match="does not hold"):
        check(BY_BOB, now=NOW + timedelta(hours=12))
    with pytest.raises(RefusedError, match="does not hold"):
        check(BY_BOB, revoked=(2,))


@pytest.mark.parametrize("raw", [b"", b"{}", b"x" * 30_000, b'{"session": 1}'])
def test_what_is_no_approval_is_refused(raw: bytes) -> None:
    with pytest.raises(VerificationError, match="this is no approval"):
        read_approval(raw)


def test_replacing_a_field_breaks_the_signature() -> None:
    moved = msgspec.structs.replace(BY_BOB, session="s-other")
    with pytest.raises(RefusedError):
        check_approval(moved, session="s-other", plan=PLAN, technician=technician(), now=NOW, revoked=())

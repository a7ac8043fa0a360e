"""Issuing certificates and what a checked one says; the faults are in tests/security/test_certificates.py."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.identity.certificates import MAX_LIFE, ROLES, ca_of, check_certificate, issue_certificate
from remote_assist.core.signing import keys
from remote_assist.errors import ContentError, UsageError, VerificationError
from tests.core.pairs import ALICE_LINE, CA, CA_LINE, NOW, certificate

LINE = certificate()


def issue(**changes: object) -> str:
    fields: dict[str, object] = {
        "name": "Alice Example",
        "role": "technician",
        "serial": 1,
        "valid_after": NOW,
        "valid_before": NOW + timedelta(hours=12),
    }
    line = str(changes.pop("line", ALICE_LINE))
    return issue_certificate(CA, line, **(fields | changes))  # type: ignore[arg-type]  # tests change one at a time


@pytest.mark.parametrize("role", ROLES)
def test_what_is_issued_is_accepted_for_its_role_and_says_who_it_is(role: str) -> None:
    found = check_certificate(issue(role=role, serial=9), ca_line=f"{CA_LINE} comment", now=NOW, role=role)
    assert (found.name, found.serial, found.roles) == ("Alice Example", 9, (role,))
    assert (found.key_line, found.key_fingerprint) == (ALICE_LINE, keys.fingerprint(ALICE_LINE))
    assert (found.ca_line, found.ca_fingerprint) == (CA_LINE, keys.fingerprint(CA_LINE))
    assert found.valid_after == NOW
    assert found.valid_before == datetime(2026, 3, 2, 0, 0, tzinfo=UTC)


def test_names_of_all_the_world_are_names() -> None:
    line = issue(name="Алиса Пример 例")
    assert check_certificate(line, ca_line=CA_LINE, now=NOW, role="technician").name == "Алиса Пример 例"


def test_a_certificate_holds_from_its_first_second_until_its_last() -> None:
    line = issue()
    for inside in (NOW, NOW + timedelta(hours=12, seconds=-1)):
        check_certificate(line, ca_line=CA_LINE, now=inside, role="technician")
    for outside in (NOW - timedelta(seconds=1), NOW + timedelta(hours=12)):
        with pytest.raises(VerificationError):
            check_certificate(line, ca_line=CA_LINE, now=outside, role="technician")


def test_the_longest_life_is_thirty_days() -> None:
    line = issue(valid_before=NOW + MAX_LIFE)
    check_certificate(line, ca_line=CA_LINE, now=NOW + MAX_LIFE - timedelta(seconds=1), role="technician")


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "no such role": ({"role": "technican"}, "there is no role 'technican'; did you mean 'technician'"),
    "wildcard role": ({"role": "*"}, "there is no role"),
    "no name": ({"name": ""}, "a name is"),
    "name with a newline": ({"name": "Alice\nExample"}, "a name is"),
    "endless name": ({"name": "A" * 129}, "a name is"),
    "serial 0": ({"serial": 0}, "a serial is a positive number"),
    "too long a life": ({"valid_before": NOW + MAX_LIFE + timedelta(seconds=1)}, "at most 30 days"),
    "no life": ({"valid_before": NOW}, "at most 30 days"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_agent_would_accept_is_not_issued(case: str) -> None:
    changes, sentence = REFUSED[case]
    with pytest.raises(UsageError, match=sentence):
        issue(**changes)


def test_a_certificate_is_not_certified_again() -> None:
    with pytest.raises(ContentError, match="this is a certificate"):
        issue(line=LINE)


def test_the_ca_inside_a_certificate_is_read() -> None:
    assert ca_of(LINE) == CA_LINE
    assert ca_of(f"{LINE} Alice Example\n") == CA_LINE
    for line in ("", ALICE_LINE, LINE[:-30], "ssh-new-cert-v01@openssh.com AAAA"):
        with pytest.raises(VerificationError):
            ca_of(line)


@given(st.text(max_size=300))
def test_any_text_is_refused_as_a_certificate(text: str) -> None:
    for line in (text, f"ssh-ed25519-cert-v01@openssh.com {text}"):
        with pytest.raises(VerificationError):
            check_certificate(line, ca_line=CA_LINE, now=NOW, role="technician")


@given(st.data())
def test_a_certificate_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    blob = bytearray(keys.blob_of(LINE))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    line = f"{LINE.split()[0]} {base64.b64encode(blob).decode()}"
    with pytest.raises(VerificationError):
        check_certificate(line, ca_line=CA_LINE, now=NOW, role="technician")

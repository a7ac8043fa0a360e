"""The technician's statement: what an agent checks before it asks the customer, fault by fault."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.codes import session_id
from remote_assist.core.identity.statement import (
    MAX_STATEMENT_BYTES,
    VerifiedTechnician,
    sign_statement,
    verify_envelope,
)
from remote_assist.core.messages import SignedStatement, TechnicianEnvelope
from remote_assist.core.signing import keys, sshsig
from remote_assist.errors import LocalProtocolError, VerificationError
from tests.core.pairs import (
    ALICE,
    ALICE_LINE,
    CA_LINE,
    HOST_KEY,
    NOW,
    OTHER_CA,
    RELAY,
    SESSION_KEY,
    certificate,
    envelope,
    signed_lists,
    statement,
)

TRANSCRIPT = b"\x22" * 32
OTHER_LINE = keys.public_line(OTHER_CA)


def check(sent: TechnicianEnvelope, **changes: object) -> VerifiedTechnician:
    expected: dict[str, object] = {
        "transcript": TRANSCRIPT,
        "host_key_line": HOST_KEY,
        "relay_origin": RELAY,
        "now": NOW,
        "pinned_ca": CA_LINE,
        "floors": {},
    }
    return verify_envelope(sent, **(expected | changes))  # type: ignore[arg-type]  # tests change one at a time


def signed_as_it_is(body: SignedStatement | bytes) -> TechnicianEnvelope:
    """What a misbehaving technician sends: the check of `sign_statement` left out."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return TechnicianEnvelope(
        statement=raw, signature=sshsig.sign(ALICE, "pair", raw), certificate=certificate(), lists=signed_lists()
    )


def test_a_good_envelope_says_who_asks_for_what() -> None:
    sent = envelope(TRANSCRIPT)
    found = check(sent)
    assert found.certificate.name == "Alice Example"
    assert found.certificate.key_line == ALICE_LINE
    assert found.statement == statement(TRANSCRIPT)
    assert found.session == session_id(sent.statement)
    assert found.lists.organisation.name == "Example Support"
    assert (found.statement_bytes, found.signature, found.lists_raw) == (sent.statement, sent.signature, sent.lists)
    assert found.verified


def test_at_first_contact_the_statements_own_ca_is_used_and_nothing_is_called_verified() -> None:
    assert not check(envelope(TRANSCRIPT), pinned_ca=None).verified


def test_a_pinned_ca_may_carry_a_comment() -> None:
    assert check(envelope(TRANSCRIPT), pinned_ca=f"{CA_LINE} remote-assist CA\n").verified


def test_a_changed_ca_for_a_known_relay_refuses() -> None:
    with pytest.raises(VerificationError, match="another organisation") as caught:
        check(envelope(TRANSCRIPT), pinned_ca=OTHER_LINE)
    assert keys.fingerprint(CA_LINE) in caught.value.message
    assert keys.fingerprint(OTHER_LINE) in caught.value.message


EXPECTED_OTHERWISE: dict[str, tuple[dict[str, object], str]] = {
    "other pairing": ({"transcript": b"\x23" * 32}, "made for another pairing"),
    "other machine": ({"host_key_line": SESSION_KEY}, "names another host key"),
    "other relay": (
        {"relay_origin": "https://other.example.com:443"},
        "made at the relay https://relay.example.com:443",
    ),
    "expired certificate": ({"now": NOW + timedelta(hours=13)}, "the certificate is refused: it expired"),
    "older lists": ({"floors": {"revocations": 2}}, "number 1 is older than number 2"),
    "pinned CA is none": ({"pinned_ca": "x"}, "the CA known here is no plain public key"),
}


@pytest.mark.parametrize("case", EXPECTED_OTHERWISE)
def test_an_envelope_made_for_something_else_is_refused(case: str) -> None:
    changes, sentence = EXPECTED_OTHERWISE[case]
    with pytest.raises(VerificationError, match=sentence):
        check(envelope(TRANSCRIPT), **changes)


SAID_WRONGLY: dict[str, tuple[dict[str, object], str]] = {
    "unknown scope": ({"scopes": ("diagnose", "everything")}, "there is no scope .everything"),
    "place in two spellings": ({"scopes": ("forward=DB.example.com:1",)}, "is not written as forward=db.example.com:1"),
    "forward anywhere": ({"scopes": ("forward",)}, "forward needs a place"),
    "no scope": ({"scopes": ()}, "no scope, or for one twice"),
    "scope twice": ({"scopes": ("fix", "fix")}, "no scope, or for one twice"),
    "no time": ({"seconds": 0}, "0 seconds"),
    "negative time": ({"seconds": -1}, "-1 seconds"),
    "two days": ({"seconds": 172800}, "172800 seconds"),
    "no ticket": ({"ticket": ""}, "ticket or subject is missing or too long"),
    "endless ticket": ({"ticket": "4" * 201}, "ticket or subject is missing or too long"),
    "endless subject": ({"subject": "x" * 2001}, "ticket or subject is missing or too long"),
    "no session key": ({"session_key": ""}, "not a plain Ed25519 key"),
    "session key with a comment": ({"session_key": f"{SESSION_KEY} x"}, "not a plain Ed25519 key"),
    "certificate as session key": ({"session_key": certificate()}, "not a plain Ed25519 key"),
}
BOUND_WRONGLY: dict[str, tuple[dict[str, object], str]] = {
    "other version": ({"version": 2}, "it is of version 2, not 1"),
    "session key is the certificate's": ({"session_key": ALICE_LINE}, "the certificate's own key"),
    "CA is no key": ({"organisation_ca": "x"}, "the CA it names is no plain public key"),
    "CA is a certificate": ({"organisation_ca": certificate(OTHER_CA)}, "the CA it names is no plain public key"),
    "other CA": ({"organisation_ca": OTHER_LINE}, "another organisation"),
}


@pytest.mark.parametrize("case", SAID_WRONGLY)
def test_a_statement_nobody_may_make_is_neither_signed_nor_accepted(case: str) -> None:
    changes, sentence = SAID_WRONGLY[case]
    with pytest.raises(LocalProtocolError, match=sentence):
        envelope(TRANSCRIPT, **changes)
    with pytest.raises(VerificationError, match=sentence):
        check(signed_as_it_is(statement(TRANSCRIPT, **changes)))


@pytest.mark.parametrize("case", BOUND_WRONGLY)
def test_a_statement_that_does_not_fit_is_refused(case: str) -> None:
    changes, sentence = BOUND_WRONGLY[case]
    with pytest.raises(VerificationError, match=sentence):
        check(signed_as_it_is(statement(TRANSCRIPT, **changes)))


GOOD = envelope(TRANSCRIPT)
CHANGED: dict[str, Callable[[], tuple[TechnicianEnvelope, str]]] = {
    "statement changed": lambda: (
        msgspec.structs.replace(GOOD, statement=GOOD.statement.replace(b"1800", b"9999")),
        "not signed by the key of the certificate",
    ),
    "statement is none": lambda: (signed_as_it_is(b"{}"), "it cannot be read"),
    "endless statement": lambda: (signed_as_it_is(bytes(MAX_STATEMENT_BYTES + 1)), "it cannot be read"),
    "signed by another key": lambda: (
        sign_statement(OTHER_CA, certificate(), statement(TRANSCRIPT), signed_lists()),
        "not signed by the key of the certificate",
    ),
    "signed for another purpose": lambda: (
        msgspec.structs.replace(GOOD, signature=sshsig.sign(ALICE, "login", GOOD.statement)),
        "made for another purpose",
    ),
    "reviewer's certificate": lambda: (
        msgspec.structs.replace(GOOD, certificate=certificate(role="reviewer")),
        "it is for reviewer, not for technician",
    ),
    "another CA's certificate": lambda: (
        msgspec.structs.replace(GOOD, certificate=certificate(OTHER_CA)),
        "signed by another CA",
    ),
    "revoked certificate": lambda: (
        msgspec.structs.replace(GOOD, lists=signed_lists(serials=(7,))),
        "it is revoked: serial 7",
    ),
    "another CA's lists": lambda: (
        msgspec.structs.replace(GOOD, lists=signed_lists(OTHER_CA)),
        "a list of the organisation is refused",
    ),
    "no revocations": lambda: (
        msgspec.structs.replace(GOOD, lists=signed_lists()[:3]),
        "the revocations list is refused: it is missing",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_changed_envelope_is_refused_by_the_sentence_of_its_fault(case: str) -> None:
    sent, sentence = CHANGED[case]()
    with pytest.raises(VerificationError, match=sentence):
        check(sent)


@given(raw=st.binary(max_size=200), text=st.text(max_size=200))
def test_any_envelope_of_nonsense_is_refused(raw: bytes, text: str) -> None:
    nonsense = TechnicianEnvelope(statement=raw, signature=text, certificate=text, lists=(raw,))
    for sent in (
        nonsense,
        msgspec.structs.replace(nonsense, statement=GOOD.statement),
        msgspec.structs.replace(GOOD, certificate=text),
        msgspec.structs.replace(GOOD, signature=text),
    ):
        with pytest.raises(VerificationError):
            check(sent, pinned_ca=None)

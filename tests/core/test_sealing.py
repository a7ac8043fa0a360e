"""Sealed fields: only a reviewer opens them, nobody moves or changes them, and one opened helps with no other."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from remote_assist.core.identity.lists import ReviewerKey
from remote_assist.core.log.sealing import (
    ContentKey,
    Disclosure,
    check_disclosure,
    disclose,
    new_content_key,
    open_sealed,
    seal,
    unwrap,
    wrap,
)
from remote_assist.core.messages import Wrap
from remote_assist.core.records import SealedField
from remote_assist.core.signing.reviewer_keys import reviewer_public
from remote_assist.errors import LocalProtocolError, VerificationError

VECTORS = Path(__file__).parent.parent / "vectors" / "sealed"

SESSION = "s-abcdefghijklmnop"
KEY = new_content_key(lambda count: bytes(range(count)))
RECORD_KEY = hashlib.sha256(b"record key").digest()
PRIVATE = hashlib.sha256(b"reviewer").digest()
REVIEWER = ReviewerKey(id="reviewers-1", public=reviewer_public(PRIVATE))


def sealed(value: bytes, name: str = "arguments", nonce: bytes = b"n" * 12) -> SealedField:
    return seal(KEY, value, session=SESSION, name=name, record_key=RECORD_KEY, nonce=nonce)


@given(st.binary(max_size=2000))
def test_what_was_sealed_opens(value: bytes) -> None:
    assert open_sealed(KEY, sealed(value), session=SESSION, name="arguments") == value


def test_vectors_of_a_sealed_field_and_its_wrap_hold() -> None:
    vector = json.loads((VECTORS / "arguments.json").read_text())
    key = new_content_key(lambda count: bytes.fromhex(vector["content_key"]))
    field = seal(
        key,
        vector["value"].encode(),
        session=vector["session"],
        name=vector["name"],
        record_key=bytes.fromhex(vector["record_key"]),
        nonce=bytes.fromhex(vector["nonce"]),
    )
    assert (key.id, field.commitment) == (vector["key_id"], vector["commitment"])
    assert field.ciphertext.hex() == vector["ciphertext"]
    wrapped = Wrap(key_id=key.id, reviewer=vector["reviewer"], sealed=bytes.fromhex(vector["wrap"]))
    assert unwrap(wrapped, bytes.fromhex(vector["reviewer_private"])) == key


def test_the_commitment_is_hmac_sha256_of_the_value_and_hides_equal_values() -> None:
    field = sealed(b"secret")
    opened = disclose(KEY, field, session=SESSION, name="arguments")
    assert hmac.new(opened.commitment_key, b"secret", "sha256").hexdigest() == field.commitment
    assert sealed(b"secret", "before").commitment != sealed(b"secret", "after").commitment
    assert disclose(KEY, sealed(b"x", "after"), session=SESSION, name="after").commitment_key != opened.commitment_key


def test_every_changed_byte_is_found() -> None:
    field = sealed(b"ls -l /root")
    for position in range(len(field.ciphertext)):
        changed = bytearray(field.ciphertext)
        changed[position] ^= 1
        with pytest.raises(VerificationError, match="does not open"):
            open_sealed(KEY, replace(field, ciphertext=bytes(changed)), session=SESSION, name="arguments")
    for length in (0, 11, 12, 20):
        with pytest.raises(VerificationError):
            open_sealed(KEY, replace(field, ciphertext=field.ciphertext[:length]), session=SESSION, name="arguments")
    with pytest.raises(VerificationError, match="commitment"):
        open_sealed(KEY, replace(field, commitment="0" * 64), session=SESSION, name="arguments")


def test_a_field_moved_to_another_session_or_name_does_not_open() -> None:
    field = sealed(b"ls")
    for session, name in (("s-" + "b" * 16, "arguments"), (SESSION, "parameters")):
        with pytest.raises(VerificationError, match="does not open"):
            open_sealed(KEY, field, session=session, name=name)


def test_another_key_is_named() -> None:
    other = new_content_key(lambda count: b"\1" * count)
    with pytest.raises(VerificationError, match=f"sealed with the key {KEY.id}"):
        open_sealed(other, sealed(b"ls"), session=SESSION, name="arguments")


def test_a_false_disclosure_is_refused() -> None:
    field = sealed(b"ls")
    true = disclose(KEY, field, session=SESSION, name="arguments")
    check_disclosure(true, field, name="arguments")
    for lie in (
        replace(true, value=b"id"),
        Disclosure(value=b"ls", commitment_key=b""),
        replace(true, commitment_key=b"\0" * 32),
    ):
        with pytest.raises(VerificationError, match="not what its commitment says"):
            check_disclosure(lie, field, name="arguments")


def test_a_wrap_opens_with_the_reviewers_key_only() -> None:
    wrapped = wrap(KEY, REVIEWER)
    assert unwrap(wrapped, PRIVATE) == KEY
    with pytest.raises(VerificationError, match="does not open"):
        unwrap(wrapped, hashlib.sha256(b"other").digest())


@pytest.mark.parametrize("change", [{"key_id": "k-other"}, {"reviewer": "reviewers-2"}, {"sealed": b""}], ids=str)
def test_a_wrap_that_names_something_else_does_not_open(change: dict[str, object]) -> None:
    with pytest.raises(VerificationError):
        unwrap(replace(wrap(KEY, REVIEWER), **change), PRIVATE)


def test_a_wrap_of_another_key_than_it_names_is_refused() -> None:
    lie = ContentKey(KEY.id, b"\1" * 32)
    with pytest.raises(VerificationError, match="another key than it names"):
        unwrap(wrap(lie, REVIEWER), PRIVATE)


def test_keys_never_show_in_a_repr() -> None:
    assert repr(KEY) == f"ContentKey(id='{KEY.id}')"


def test_sealing_without_enough_randomness_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        seal(KEY, b"", session=SESSION, name="a", record_key=b"short", nonce=b"n" * 12)

"""One log key after another: signed by both or refused, and only what joins on to a known key is believed."""

import hashlib
from datetime import UTC, datetime

import pytest

from remote_assist.core.log.succession import connects, follow, open_succession, sign_succession
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.signing.signed_note import log_origin, sign_note, split_note, to_base64
from remote_assist.core.tree import TreeHead
from remote_assist.errors import VerificationError

FIRST, SECOND, THIRD, STRANGER = (new_key(bytes([seed] * 32)) for seed in range(1, 5))
ONE, TWO, THREE = (public_line(key) for key in (FIRST, SECOND, THIRD))
HEAD = TreeHead(5, hashlib.sha256(b"root").digest())
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
NOTE = sign_succession(FIRST, SECOND, HEAD, NOW)
LATER = sign_succession(SECOND, THIRD, HEAD, NOW)
PINNED = "9a8bd61b27f3ab51692e14ab974f628c"
"""SHA-256 of the note, first half: Ed25519 signs the same way for ever, so a change of form shows."""


def test_a_succession_keeps_its_form() -> None:
    assert hashlib.sha256(NOTE.encode()).hexdigest()[:32] == PINNED


def test_who_trusts_the_old_key_learns_the_new_one() -> None:
    found = open_succession(NOTE, [ONE])
    assert (found.old, found.new, found.new_key) == (log_origin(ONE), log_origin(TWO), TWO)
    assert (found.head, found.time, found.note) == (HEAD, NOW, NOTE)


@pytest.mark.parametrize("kept", [0, 1])
def test_one_signature_of_two_is_refused(kept: int) -> None:
    text, signatures = split_note(NOTE, "here")
    name, blob = signatures[kept]
    half = f"{text}\n\N{EM DASH} {name} {to_base64(blob)}\n"
    with pytest.raises(VerificationError, match="has not signed"):
        open_succession(half, [ONE])


def test_a_stranger_cannot_hand_over_in_the_old_keys_name() -> None:
    text, _ = split_note(NOTE, "here")
    with pytest.raises(VerificationError, match="has not signed"):
        open_succession(sign_note(text, STRANGER, SECOND), [ONE])


def test_a_succession_from_a_key_nobody_vouched_for_is_refused() -> None:
    with pytest.raises(VerificationError, match="another log"):
        open_succession(NOTE, [public_line(STRANGER)])


@pytest.mark.parametrize(
    ("line", "other", "fault"),
    [
        (0, "remote-assist/1 rollback accepted", "no succession"),
        (2, "no key", "no key, or no time"),
        (3, "05", "no checkpoint"),
        (4, "AAAA", "32 bytes"),
        (5, "yesterday", "no key, or no time"),
        (5, "2026-05-04T03:02:01Z\nmore", "no succession"),
    ],
)
def test_a_note_of_another_form_is_refused(line: int, other: str, fault: str) -> None:
    lines = split_note(NOTE, "here")[0].split("\n")
    lines[line] = other
    with pytest.raises(VerificationError, match=fault):
        open_succession(sign_note("\n".join(lines), FIRST, SECOND), [ONE])


def test_a_chain_is_followed_in_any_order_and_what_does_not_join_on_is_left_out() -> None:
    stray = sign_succession(STRANGER, FIRST, HEAD, NOW)
    found = follow([ONE], [LATER, stray, NOTE, NOTE])
    assert [one.new_key for one in found] == [TWO, THREE]
    assert follow([public_line(STRANGER)], [NOTE]) == ()


def test_origins_are_joined_in_both_directions_and_by_nothing_else() -> None:
    chain = follow([ONE], [NOTE, LATER])
    first, third = log_origin(ONE), log_origin(THREE)
    assert connects(chain, first, third) and connects(chain, third, first) and connects((), first, first)
    assert not connects(chain, first, log_origin(public_line(STRANGER)))
    assert not connects((), first, third)

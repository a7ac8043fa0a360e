"""Closing notes: none without words, none with a support code."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as some

from remote_assist.core.codes import choose_words, looks_like_code
from remote_assist.core.words import WORDS
from remote_assist.errors import RefusedError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.ending import MAX_NOTE_CHARS, Ending


def ending(*live: str) -> Ending:
    return Ending(RelayApi("http://127.0.0.1:8470"), lambda: live)


@given(some.lists(some.sampled_from(WORDS), min_size=3, max_size=3), some.integers(0, 999_999), some.text(max_size=20))
def test_a_support_code_is_found_wherever_it_stands(words: list[str], number: int, around: str) -> None:
    text = f"{around} use {number:06d}-{'-'.join(words)} {around}"
    assert looks_like_code(text)
    assert looks_like_code(f"{around} {number:06d} {' '.join(words).upper()}")
    assert looks_like_code(f"code: {'-'.join(words)}.")


@pytest.mark.parametrize(
    "text",
    [
        "Port 80 was taken; freed and verified.",
        "Restarted nginx.service at 14:03, error 417203 is gone",
        "state-of-the-art mail-server-setup",
        "",
        "417203",
    ],
)
def test_ordinary_notes_are_not_codes(text: str) -> None:
    assert not looks_like_code(text)


def test_a_live_code_is_refused_however_it_is_written() -> None:
    words = choose_words(secrets.token_bytes(8))
    spaced = " - ".join(words.split("-")).upper()
    with pytest.raises(RefusedError) as refusal:
        ending(words).check_note(f"tell them {spaced}")
    assert refusal.value.reason == "live-code"


def test_a_note_has_words_but_not_too_many() -> None:
    with pytest.raises(UsageError, match="needed"):
        ending().check_note("  \n")
    with pytest.raises(UsageError, match="at most"):
        ending().check_note("x" * (MAX_NOTE_CHARS + 1))
    ending().check_note("Port freed.")

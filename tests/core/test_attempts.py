"""One code is one guess, and guesses are few: the memory, on a clock that is turned by hand."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.attempts import MAX_REMEMBERED, AttemptMemory, is_recent
from remote_assist.errors import CodeBurned, ContentError, RefusedError
from tests.core.pairs import NOW

MINUTE = timedelta(minutes=1)


def failed(times: int) -> AttemptMemory:
    memory = AttemptMemory()
    for count in range(times):
        memory = memory.after_failure(NOW + count * MINUTE)
    return memory


def test_an_empty_memory_refuses_nothing() -> None:
    assert AttemptMemory().refuses(NOW, "417203") is None


def test_a_code_is_burned_once_our_mac_goes_out_even_when_the_pairing_held() -> None:
    sent = AttemptMemory().after_sending("417203", NOW)
    for memory in (sent, sent.after_success(), AttemptMemory.from_bytes(sent.to_bytes())):
        refusal = memory.refuses(NOW + 9 * MINUTE, "417203")
        assert isinstance(refusal, CodeBurned)
        assert refusal.reason == "used"
        assert memory.refuses(NOW + 9 * MINUTE, "417204") is None


def test_the_third_failure_within_an_hour_locks_for_an_hour_from_then() -> None:
    assert failed(2).refuses(NOW + 2 * MINUTE) is None
    locked = failed(3)
    refusal = locked.refuses(NOW + 3 * MINUTE)
    assert isinstance(refusal, RefusedError)
    assert refusal.reason == "too-many-failures"
    assert "59 minutes" in refusal.advice
    assert locked.refuses(NOW + 59 * MINUTE) is not None
    assert locked.refuses(NOW + 61 * MINUTE) is None


def test_a_drop_after_our_mac_counts_as_a_failure_and_a_pairing_that_held_does_not() -> None:
    dropped = failed(2).after_sending("417203", NOW + 2 * MINUTE)
    assert dropped.refuses(NOW + 3 * MINUTE) is not None
    assert dropped.after_success().refuses(NOW + 3 * MINUTE) is None


def test_failures_far_apart_never_lock() -> None:
    memory = AttemptMemory()
    for count in range(20):
        memory = memory.after_failure(NOW + count * 31 * MINUTE)
        assert memory.refuses(NOW + count * 31 * MINUTE) is None


@pytest.mark.parametrize("back", [MINUTE, 30 * MINUTE])
def test_a_clock_turned_back_a_little_frees_nothing_and_one_turned_back_far_does_not_lock_for_ever(
    back: timedelta,
) -> None:
    memory = failed(3).after_sending("417203", NOW)
    assert memory.refuses(NOW - back) is not None
    assert memory.refuses(NOW - back, "417203") is not None
    assert memory.refuses(NOW - timedelta(days=365), "417203") is None


def test_the_memory_is_bounded() -> None:
    memory = AttemptMemory()
    for count in range(MAX_REMEMBERED + 50):
        memory = memory.after_sending(f"{count:06}", NOW)
    assert len(memory.used) == len(memory.failures) == MAX_REMEMBERED
    assert memory.refuses(NOW, f"{MAX_REMEMBERED + 49:06}") is not None
    later = memory.after_sending("417203", NOW + 61 * MINUTE)
    assert len(later.used) == len(later.failures) == 1


def test_the_memory_survives_its_file() -> None:
    memory = failed(2).after_sending("417203", NOW)
    assert AttemptMemory.from_bytes(memory.to_bytes()) == memory


@given(st.binary(max_size=100))
def test_a_damaged_file_never_passes_for_an_empty_memory(raw: bytes) -> None:
    with pytest.raises(ContentError):
        AttemptMemory.from_bytes(raw)


@pytest.mark.parametrize(("minutes", "recent"), [(0, True), (59, True), (60, False), (-59, True), (-61, False)])
def test_an_hour_counts_to_either_side(minutes: int, recent: bool) -> None:
    assert is_recent(int(NOW.timestamp()), NOW + minutes * MINUTE) is recent

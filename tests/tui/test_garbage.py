"""The collector looks at everything when the keys rest, and only then."""

import gc
from collections.abc import Iterator

import pytest

from remote_assist.tui.garbage import ENOUGH, QUIET_SECONDS, QuietCollector


@pytest.fixture
def looks() -> Iterator[list[int]]:
    """The generations that were looked at meanwhile."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            seen.append(info["generation"])

    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(1_000_000_000)
    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)
    gc.set_threshold(*before)


def leave_enough() -> None:
    """So many looks at what was left over as are counted by themselves in a while of work."""
    gc.set_threshold(1, 1, 1_000_000)
    kept: list[list[int]] = []
    while gc.get_count()[2] < ENOUGH:
        kept.append([])
    gc.set_threshold(1_000_000_000)


def test_everything_is_looked_at_only_when_the_keys_rest(looks: list[int]) -> None:
    now = [0.0]
    collector = QuietCollector(lambda: now[0])
    leave_enough()
    collector.note_key()
    now[0] += QUIET_SECONDS / 2
    collector.look()
    assert 2 not in looks
    now[0] += QUIET_SECONDS
    collector.look()
    assert looks.count(2) == 1
    collector.look()
    assert looks.count(2) == 1, "there was nothing new to look at"

"""Low-water marks: which level begins where, and what may still be written at the last one."""

import pytest

from remote_assist.core.records import Actor, Outcome, Record
from remote_assist.core.room import Marks, Room, all_conclude, concludes, room_of

MARKS = Marks(warn_bytes=100, refuse_bytes=50, end_bytes=10)


@pytest.mark.parametrize(
    ("free", "room"),
    [
        (None, Room.FINE),
        (100, Room.FINE),
        (99, Room.WARN),
        (50, Room.WARN),
        (49, Room.REFUSE),
        (10, Room.REFUSE),
        (9, Room.END),
        (0, Room.END),
    ],
)
def test_a_level_begins_below_its_mark(free: int | None, room: Room) -> None:
    assert MARKS.room(free) is room
    assert room_of(room.word) is room
    assert room_of("something newer") is Room.WARN


def test_marks_out_of_order_never_hide_the_end() -> None:
    assert Marks(warn_bytes=1, refuse_bytes=1, end_bytes=100).room(50) is Room.END


def record(code: str, action: str = "") -> Record:
    return Record(
        code=code,
        actor=Actor(kind="agent"),
        action=action,
        outcome=Outcome(status="done") if code.endswith("O") else None,
        session="s-abcdefghijklmnop",
        seq=1,
        prev="1" * 64,
        time="2026-03-01T09:30:00.000000Z",
    )


def test_outcomes_revocations_and_ends_conclude() -> None:
    assert [concludes(code) for code in ("RA1400O", "RA1003E", "RA1990E", "RA1901E", "RA1400I", "RA1001E")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_an_intent_may_use_the_reserve_only_beside_its_own_end() -> None:
    assert all_conclude([record("RA1400I", "a1"), record("RA1901E", "a1")])
    assert all_conclude([record("RA1400O", "a1"), record("RA1410E", "a2"), record("RA1990E")])
    assert not all_conclude([record("RA1400I", "a1"), record("RA1400O", "a2")])
    assert not all_conclude([record("RA1001E")])
    assert all_conclude([record("RA1001E"), record("RA1900R"), record("RA1990E")])
    assert all_conclude([record("RA1900R")])
    assert not all_conclude([record("RA1400I", "a1")])

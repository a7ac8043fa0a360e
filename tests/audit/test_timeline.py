"""The timeline: every record a line people can read; sealed fields stay sealed unless opened."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.timeline import span_words, timeline
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Actor, Outcome, Record, decode_record
from tests.audit.world import World, new_world, play

SESSION = "s-" + "a" * 16


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = new_world(tmp_path / "journal")
    await play(made)
    return made


GOOD_TIME = "2026-03-01T09:30:00.000000Z"


def records(world: World) -> list[Record]:
    return [decode_record(one.record) for one in world.logged()]


def record(code: str, **fields: object) -> Record:
    whole = {"session": SESSION, "seq": 1, "prev": "1" * 64, "time": "2026-03-01T09:30:00.000000Z", **fields}
    return Record(code=code, actor=Actor(kind="agent"), **whole)  # type: ignore[arg-type]


def test_a_session_reads_as_a_story(world: World) -> None:
    lines = timeline(records(world), names={world.technician.key: "Alice Example"})
    told = [f"{line.mark} {line.who}: {line.what}" for line in lines]
    assert told[0] == "· agent: The session was opened: ticket T-1042, Web server does not start"
    assert told[2] == "→ Alice Example: Collects a diagnostic bundle: first-look@1; scope diagnose"
    assert told[6] == "✗ Alice Example: An action was refused; nothing was done: /etc/shadow; scope files:read"
    assert lines[5].outcome == "done, exit 2"
    assert lines[9].outcome == "ended, customer"
    assert lines[0].text().startswith("2026-03-01 09:30:00  ·  agent: ")


def test_sealed_fields_show_their_commitment_until_they_are_opened(world: World) -> None:
    commitment = records(world)[4].sealed["arguments"].commitment
    assert timeline(records(world))[4].sealed == (("arguments", f"sealed {commitment[:12]}"),)
    opened = timeline(records(world), opened={(4, "arguments"): b'["ls"]\xff'})
    assert opened[4].sealed == (("arguments", '["ls"]\\xff'),)
    assert "[arguments: sealed " in timeline(records(world))[4].text()


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_words(code: str) -> None:
    (line,) = timeline([record(code)])
    assert line.what.startswith(CODES[code].sentence) and line.code == code


@pytest.mark.parametrize("times", [("\x1b[2J", GOOD_TIME), (GOOD_TIME, "2026-02-30T00:00:00.000000Z"), ("", "")])
def test_a_time_that_cannot_be_read_costs_the_duration_and_nothing_else(times: tuple[str, str]) -> None:
    pair = [record("RA1400I", time=times[0]), record("RA1401I", time=times[1])]
    assert [(line.time, line.seconds) for line in timeline(pair)] == [(times[0], None), (times[1], None)]
    assert span_words(*times) == "an unknown time"


def test_long_lists_and_values_are_shortened() -> None:
    (line,) = timeline([record("RA1200I", paths=tuple(f"/p{n}" for n in range(9)), sizes={"entries": 12345})])
    assert "/p4 and 4 more" in line.what and "entries 12,345" in line.what


def test_who_acts_for_whom_is_said() -> None:
    one = record("RA1400O", outcome=Outcome(status="failed", exit=1, size=1, reason="timeout"), target="db1")
    acting = replace(one, actor=Actor(kind="agent", on_behalf_of="T-1"))
    (line,) = timeline([acting])
    assert line.who == "agent for T-1"
    assert line.outcome == "failed, exit 1, 1 byte, timeout"
    assert line.what.endswith(": on db1")


def test_hostile_names_reach_a_screen_only_as_visible_escapes() -> None:
    (line,) = timeline([record("RA1201I", paths=("/tmp/\x1b]52;c;ZXZpbA==\x07\u202e",))])
    shown = safe_text(HostileStr(line.text()))
    assert "\x1b" not in shown and "\u202e" not in shown and "\x07" not in shown


def test_an_opening_that_cannot_be_read_is_said_to_be_so(world: World) -> None:
    first = records(world)[0]
    assert first.opening is not None
    broken = replace(first, opening=replace(first.opening, statement=b"{}"))
    assert "a statement that cannot be read" in timeline([broken])[0].what

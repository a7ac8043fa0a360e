"""One record, one harmless line: time, who, what, on what, how it ended."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.record_codes import CODES
from remote_assist.core.records import NO_RECORD, Actor, Outcome, Record
from remote_assist.tickets.lines import MAX_LINE_CHARS, event_id, line_of


def record(code: str = "RA1201I", **fields: Any) -> Record:
    place = {"session": "s-aaaaaaaaaaaaaaaa", "seq": 1, "prev": NO_RECORD, "time": "2026-03-01T09:30:00.000000Z"}
    return Record(code=code, **{"actor": Actor(kind="technician"), **place, **fields})


def test_a_line_reads_as_a_person_would_say_it() -> None:
    line = line_of(
        record("RA1400O", program="uname", outcome=Outcome(status="done", size=60)), technician="Alice Example"
    )
    assert line == "2026-03-01 09:30:00 Alice Example: The program ended; uname; done, exit 0, 60 bytes"


def test_somebody_acting_for_another_is_named_with_the_other() -> None:
    actor = Actor(kind="technician", on_behalf_of="Bob Example")
    assert "Alice Example for Bob Example:" in line_of(record(actor=actor), technician="Alice Example")


def test_the_customer_and_the_agent_are_named_by_their_part() -> None:
    for kind in ("customer", "agent"):
        assert f" {kind}: " in line_of(record(actor=Actor(kind=kind)), technician="Alice Example")


def test_many_paths_are_counted_not_listed() -> None:
    paths = tuple(f"/var/log/{number}" for number in range(1000))
    assert line_of(record(paths=paths), technician="A").endswith("/var/log/4 and 995 more")


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_line(code: str) -> None:
    assert CODES[code].sentence in line_of(record(code), technician="A")


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=300), max_size=8))
def test_whatever_a_peer_says_a_record_is_one_printable_line(name: str, program: str, paths: list[str]) -> None:
    said = record("RA1201O", program=program, paths=tuple(paths), outcome=Outcome(status=name, reason=program))
    line = line_of(said, technician=name)
    assert "\n" not in line and "\x1b" not in line and len(line.splitlines()) == 1
    assert len(line) <= MAX_LINE_CHARS + 100


def test_a_record_is_named_by_session_and_number() -> None:
    assert event_id("s-aaaaaaaaaaaaaaaa", 7) == "s-aaaaaaaaaaaaaaaa/7"

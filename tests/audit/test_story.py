"""The story of an incident: in order, from verified records, with the times management asks for."""

from dataclasses import replace
from typing import Any

import pytest

from remote_assist.audit.story import ALARM, VERIFIED, lines, page, tell
from remote_assist.audit.verify import SessionReport
from remote_assist.core.api import Ticket, TicketNote
from remote_assist.core.records import NO_RECORD, Actor, Outcome, Record

SESSION = "s-abcdefghijklmnop"
REPORT = SessionReport(
    session=SESSION,
    records=6,
    head="",
    technician="Alice Example",
    technician_key="SHA256:x",
    names={},
    certificate_serial=1,
    ca_fingerprint="",
    ca_checked=True,
    ticket="1001",
    subject="disk",
    relay="https://relay.example.com",
    opened="2026-11-22T10:10:00.000000Z",
    last="2026-11-22T10:40:00.000000Z",
    ended=True,
    end_reason="technician",
    unacknowledged=0,
    first_index=0,
    last_index=5,
    incomplete=(),
    notes=(),
)


def note(time: str, text: str, author: str = "remote-assist", events: tuple[str, ...] = ()) -> TicketNote:
    return TicketNote(id=1, time=time, author=author, text=text, visibility="internal", events=events)


TICKET = Ticket(
    id="1001",
    subject="DiskFull: <b>/var</b> is full",
    description="",
    state="closed",
    opened="2026-11-22T10:00:01.000000Z",
    opened_by="alarm site-1",
    notes=(
        note("2026-11-22T10:00:02.000000Z", "Alarm: DiskFull"),
        note("2026-11-22T10:30:01.000000Z", "told from records", events=(f"{SESSION}/0",)),
        note("2026-11-22T10:41:00.000000Z", "Log rotation mended.\x1b[2J", author="Alice Example"),
    ),
)


def record(seq: int, minute: int, code: str, **fields: Any) -> Record:
    time = f"2026-11-22T10:{minute:02d}:00.000000Z"
    actor = Actor(kind="technician", serial=1)
    return Record(session=SESSION, seq=seq, prev=NO_RECORD, time=time, code=code, actor=actor, **fields)


def records(status: str = "resolved") -> list[Record]:
    return [
        record(1, 11, "RA1100I", action="1", catalog="first-look"),
        record(2, 12, "RA1100O", action="1", catalog="first-look", outcome=Outcome(status="done")),
        record(3, 20, "RA1301I", action="2", catalog="linux.logs.rotate"),
        record(4, 25, "RA1301O", action="2", catalog="linux.logs.rotate", outcome=Outcome(status=status)),
        record(5, 40, "RA1990E", outcome=Outcome(status="ended", reason="technician")),
    ]


def test_steps_are_in_order_and_those_of_records_name_them() -> None:
    story = tell(TICKET, [(REPORT, records())])
    assert [step.time for step in story.steps] == sorted(step.time for step in story.steps)
    assert [step.kind for step in story.steps] == ["ticket", "alarm", "findings", "verification", "end", "ticket"]
    (verified,) = [step for step in story.steps if step.kind == VERIFIED]
    assert (verified.proof, verified.who) == (f"{SESSION}/4", "Alice Example")
    assert all(not step.proof for step in story.steps if step.kind in {ALARM, "ticket"})


def test_response_counts_to_the_session_and_repair_to_the_verified_fix() -> None:
    story = tell(TICKET, [(REPORT, records())])
    assert (story.first_response_seconds, story.repair_seconds) == (599.0, 1499.0)
    assert story.solved and story.mechanically


@pytest.mark.parametrize(("state", "repair"), [("closed", 2399.0), ("open", None)])
def test_what_no_fix_solved_counts_to_the_end_of_the_session_on_a_closed_ticket(
    state: str, repair: float | None
) -> None:
    ticket = Ticket(**{name: getattr(TICKET, name) for name in Ticket.__struct_fields__} | {"state": state})
    story = tell(ticket, [(REPORT, records("failed"))])
    assert (story.repair_seconds, story.mechanically, story.solved) == (repair, False, state == "closed")


def test_a_ticket_without_a_session_is_a_story_too() -> None:
    story = tell(TICKET, [])
    assert (story.first_response_seconds, story.solved) == (None, False)
    assert lines(story)[-1] == "not repaired yet"


def test_a_page_holds_texts_and_no_markup_of_others() -> None:
    made = page(tell(TICKET, [(replace(REPORT, technician="<img src=x>"), records())]))
    assert "<b>/var" not in made and "&lt;b&gt;/var" in made
    assert "<img" not in made and "<script" not in made and "http" not in made.replace("http-equiv", "")
    assert "\x1b" not in made

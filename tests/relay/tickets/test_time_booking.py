"""Time on tickets: what a note names is said, booked once and recorded; a session's own is corrected or left alone."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from remote_assist.core.api import NewNote, Ticket
from remote_assist.core.records import decode_record
from tests.relay.linked import Linked, ended, linked_world
from tests.relay.world import RelayWorld


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[Linked]:
    async with linked_world(tmp_path) as one:
        one.tracker.ticket()
        yield one


def booked(linked: Linked) -> list[int]:
    return [note.minutes for note in linked.tracker.tickets["1"].notes if note.minutes]


def recorded(world: RelayWorld) -> list[dict[str, Any]]:
    rows = world.sql("SELECT record FROM records WHERE code = 'RA2040E' ORDER BY seq")
    found = [decode_record(bytes(row[0])) for row in rows]
    return [{"about": one.about, **one.details} for one in found]


async def test_time_of_a_note_is_said_booked_once_and_recorded(linked: Linked) -> None:
    await linked.world.get("/v1/tickets/rt:1", Ticket, linked.token)
    for _ in range(2):  # a repeat is harmless
        await linked.note("rt:1", "Called the provider.", minutes=65)
    await linked.empty()
    assert booked(linked) == [65]
    assert any("Time spent: 1 h 5 min" in note.content for note in linked.tracker.tickets["1"].notes)
    assert recorded(linked.world) == [{"about": "ticket rt:1", "technician": "Alice Example", "minutes": "65"}]


async def test_a_closing_note_corrects_what_its_session_is_booked_with(linked: Linked) -> None:
    agent = await linked.session("rt:1")
    linked.world.clock.turn(minutes=12)
    await ended(agent)
    await linked.note("rt:1", "Fixed.", session=agent.session, closing=True, minutes=5)
    await linked.note("rt:1", "Fixed, really.", session=agent.session, closing=True)
    await linked.empty()
    assert booked(linked) == [5]
    assert [one["minutes"] for one in recorded(linked.world)] == ["5"]


async def test_none_is_booked_for_a_session_when_its_closing_note_says_so(linked: Linked) -> None:
    agent = await linked.session("rt:1")
    await ended(agent)
    await linked.note("rt:1", "Wrong machine.", session=agent.session, closing=True, minutes=0)
    await linked.empty()
    assert booked(linked) == []
    assert not any("Time spent" in note.content for note in linked.tracker.tickets["1"].notes)


async def test_time_booked_by_itself_is_recorded_too(linked: Linked) -> None:
    agent = await linked.session("rt:1")
    linked.world.clock.turn(minutes=12)
    await ended(agent)
    for _ in range(2):
        await linked.note("rt:1", "Fixed.", session=agent.session, closing=True)
    await linked.empty()
    (minutes,) = booked(linked)
    assert minutes in {12, 13}
    (record,) = recorded(linked.world)
    assert record["minutes"] == str(minutes) and record["session"] == agent.session


async def test_a_ticket_says_whether_its_system_keeps_time(linked: Linked) -> None:
    ticket = await linked.world.get("/v1/tickets/rt:1", Ticket, linked.token)
    assert ticket.keeps_time and ticket.books_time
    number = await linked.world.ticket(linked.token)
    if number.isdecimal():
        own = await linked.world.get(f"/v1/tickets/{number}", Ticket, linked.token)
        assert not own.keeps_time and not own.books_time


async def test_where_sessions_are_not_booked_by_themselves_a_note_still_is(tmp_path: Path) -> None:
    async with linked_world(tmp_path, books_time=False) as linked:
        linked.tracker.ticket()
        agent = await linked.session("rt:1")
        await ended(agent)
        await linked.note("rt:1", "Fixed.", session=agent.session, closing=True)
        await linked.empty()
        assert booked(linked) == []
        ticket = await linked.world.get("/v1/tickets/rt:1", Ticket, linked.token)
        assert ticket.keeps_time and not ticket.books_time
        await linked.note("rt:1", "Wrote to them.", minutes=3)
        await linked.empty()
        assert booked(linked) == [3]


async def test_the_own_book_says_it_in_the_note(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path) as world:
        _, token = await world.technician()
        ticket = await world.ticket(token)
        body = NewNote(text="Called.", key="k", minutes=15)
        assert (await world.call("POST", f"/v1/tickets/{ticket}/notes", body, token=token))[0] == 201
        (note,) = (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).notes
        assert note.text == "Called.\n\nTime spent: 15 min"
        assert recorded(world)[0]["about"] == f"ticket {ticket}"


@pytest.mark.parametrize("minutes", [-1, 1441])
async def test_impossible_times_are_refused(tmp_path: Path, minutes: int) -> None:
    async with RelayWorld(tmp_path) as world:
        _, token = await world.technician()
        ticket = await world.ticket(token)
        body = NewNote(text="Called.", key="k", minutes=minutes)
        status, raw = await world.call("POST", f"/v1/tickets/{ticket}/notes", body, token=token)
        assert status == 400 and re.search(rb"0 to 1440 minutes", raw)
        assert recorded(world) == []

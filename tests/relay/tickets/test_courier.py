"""Notes on another system's ticket: every event id exactly once, whatever that system does."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remote_assist.core.api import Reconciled, Sessions, Ticket, Tickets
from tests.relay.linked import PATIENT_SECONDS, Linked, acted, ended, linked_world


@pytest.fixture
async def linked(tmp_path: Path) -> AsyncIterator[Linked]:
    async with linked_world(tmp_path) as one:
        yield one


async def test_a_session_on_a_foreign_ticket_is_told_there_in_full_and_once(linked: Linked) -> None:
    number = linked.tracker.ticket()
    agent = await linked.session(f"rt:{number}")
    await acted(agent, 3)
    await ended(agent)
    await linked.until(lambda: len(linked.tracker.events(number)) == agent.seq)
    assert set(linked.tracker.events(number).values()) == {1}
    assert {note.kind for note in linked.tracker.tickets[number].notes} == {"comment"}
    shown = await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    assert (shown.id, shown.status, shown.state, shown.replies) == (f"rt:{number}", "open", "open", ())
    assert sum(len(note.events) for note in shown.notes) == agent.seq


async def test_actions_wait_for_the_digest_and_consent_brings_them_along(linked: Linked) -> None:
    number = linked.tracker.ticket()
    agent = await linked.session(f"rt:{number}")
    await linked.until(lambda: len(linked.tracker.events(number)) == 1)
    await acted(agent, 2)
    await asyncio.sleep(0.3)
    assert len(linked.tracker.events(number)) == 1
    linked.world.clock.turn(seconds=31)
    await linked.until(lambda: len(linked.tracker.events(number)) == 5)
    assert len(linked.tracker.tickets[number].notes) == 2


@pytest.mark.parametrize("fault", ["+500", "+cut", "+503", "500", "cut"])
async def test_after_an_unclear_failure_the_note_is_looked_for_and_there_once(linked: Linked, fault: str) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    linked.tracker.fail_next = [fault, fault]
    for words in ("first", "second", "third"):
        await linked.note(f"rt:{number}", words)
    await linked.empty()
    notes = linked.tracker.tickets[number].notes
    assert [note.content.splitlines()[1] for note in notes] == ["first", "second", "third"]
    assert set(linked.tracker.marks(number).values()) == {1}
    assert {note.kind for note in notes} == {"correspond"}


async def test_an_hour_without_the_system_loses_nothing_and_blocks_nobody(linked: Linked) -> None:
    number = linked.tracker.ticket()
    agent = await linked.session(f"rt:{number}")
    await linked.until(lambda: len(linked.tracker.events(number)) == 1)
    linked.tracker.down = True
    await acted(agent, 5)
    for _ in range(60):
        linked.world.clock.turn(minutes=1)
        await acted(agent)
        await asyncio.sleep(0.03)
    held = await linked.outbox()
    assert held.deliveries and all(one.attempts == 0 or one.state != "dead" for one in held.deliveries)
    shown = await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    assert "cannot be asked now" in shown.fault
    linked.tracker.down = False
    await ended(agent)
    linked.world.clock.turn(minutes=20)
    await linked.empty()
    assert len(linked.tracker.events(number)) == agent.seq
    assert set(linked.tracker.events(number).values()) == {1}


async def test_a_429_is_waited_out_as_long_as_it_says(linked: Linked) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    linked.tracker.fail_next, linked.tracker.retry_after = ["429"], "600"
    await linked.note(f"rt:{number}", "words")
    async with asyncio.timeout(PATIENT_SECONDS):
        while not (held := await linked.outbox()).paused:
            await asyncio.sleep(0.02)
    assert "too many requests" in held.paused["rt"]
    asked = len(linked.tracker.peer.requests)
    linked.world.clock.turn(seconds=500)
    await asyncio.sleep(0.3)
    assert len(linked.tracker.peer.requests) == asked
    linked.world.clock.turn(seconds=101)
    await linked.empty()
    assert len(linked.tracker.tickets[number].notes) == 1


async def test_a_wrong_key_waits_for_the_right_one_and_counts_against_no_note(linked: Linked) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    linked.tracker.token = "1-27-fedcba9876543210"
    await linked.note(f"rt:{number}", "words")
    for _ in range(20):
        linked.world.clock.turn(minutes=6)
        await asyncio.sleep(0.05)
    (waiting,) = (await linked.outbox()).deliveries
    assert (waiting.state, waiting.attempts) == ("waiting", 0)
    assert "does not know us" in waiting.fault
    linked.credential.write_text("1-27-fedcba9876543210")
    linked.world.clock.turn(minutes=6)
    await linked.empty()
    assert len(linked.tracker.tickets[number].notes) == 1


async def test_a_deleted_ticket_leaves_dead_letters_that_can_be_retried_when_it_is_back(linked: Linked) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    held = linked.tracker.tickets.pop(number)
    await linked.note(f"rt:{number}", "one")
    await linked.note(f"rt:{number}", "two")
    async with asyncio.timeout(PATIENT_SECONDS):
        while len((await linked.outbox("dead")).deliveries) < 2:
            await asyncio.sleep(0.02)
    linked.tracker.tickets[number] = held
    status, raw = await linked.world.call("POST", "/v1/outbox/retry", b"{}", token=linked.token)
    assert (status, json.loads(raw)) == (200, {"count": 2})
    await linked.empty()
    assert sorted(note.content.splitlines()[1] for note in held.notes) == ["one", "two"]


async def test_a_note_that_always_fails_unclearly_is_put_aside_and_the_next_one_goes(linked: Linked) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    linked.tracker.fail_next = ["500"] * 4
    await linked.note(f"rt:{number}", "poison")
    await linked.note(f"rt:{number}", "behind it")
    for _ in range(4):
        await asyncio.sleep(0.1)
        linked.world.clock.turn(minutes=16)
    await linked.until(lambda: len(linked.tracker.tickets[number].notes) == 1)
    (dead,) = (await linked.outbox("dead")).deliveries
    assert dead.attempts == 4


async def test_a_relay_that_stopped_in_mid_delivery_looks_before_it_sends_again(linked: Linked) -> None:
    number = linked.tracker.ticket()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    linked.tracker.slow = 0.5
    await linked.note(f"rt:{number}", "words")
    await linked.until(lambda: any(one.path.endswith("/correspond") for one in linked.tracker.peer.requests))
    await linked.world.relay.stop()
    await linked.until(lambda: len(linked.tracker.tickets[number].notes) == 1)
    linked.tracker.slow = 0.0
    await linked.world.start()
    await linked.empty()
    assert len(linked.tracker.tickets[number].notes) == 1


async def test_reconcile_shows_what_is_missing_twice_or_strange_and_repairs_what_is_missing(linked: Linked) -> None:
    number = linked.tracker.ticket()
    agent = await linked.session(f"rt:{number}")
    await linked.until(lambda: len(linked.tracker.events(number)) == 1)
    await acted(agent, 2)
    await ended(agent)
    await linked.until(lambda: len(linked.tracker.events(number)) == agent.seq)
    await linked.empty()
    path = f"/v1/tickets/rt:{number}/reconcile"
    clean = await linked.world.get(path, Reconciled, linked.token)
    assert (clean.told, clean.differences) == (agent.seq, ())
    notes = linked.tracker.tickets[number].notes
    lost = notes.pop(0)
    notes.append(notes[0])
    found = await linked.world.get(path, Reconciled, linked.token)
    assert [one.kind for one in found.differences] == ["missing", "twice"]
    status, raw = await linked.world.call("POST", path, token=linked.token)
    assert status == 200 and json.loads(raw)["repaired"] == 1
    await linked.until(lambda: len(linked.tracker.events(number)) == agent.seq)
    assert lost.content in [note.content for note in notes]


async def test_tickets_are_searched_opened_and_listed_where_they_are(linked: Linked) -> None:
    number = linked.tracker.ticket("printer in hall 3")
    found = await linked.world.get("/v1/tickets?find=printer&system=rt", Tickets, linked.token)
    assert [(one.id, one.subject) for one in found.tickets] == [(f"rt:{number}", "printer in hall 3")]
    assert (await linked.world.get("/v1/tickets", Tickets, linked.token)).tickets == ()
    await linked.world.get(f"/v1/tickets/rt:{number}", Ticket, linked.token)
    assert [one.id for one in (await linked.world.get("/v1/tickets", Tickets, linked.token)).tickets] == [
        f"rt:{number}"
    ]
    assert await linked.world.ticket(linked.token, "in the book") == "1001"


@pytest.mark.parametrize("ticket", ["rt:404", "nope:1", "1000000001"])
async def test_a_ticket_nobody_has_is_absent(linked: Linked, ticket: str) -> None:
    status, raw = await linked.world.call("GET", f"/v1/tickets/{ticket}", token=linked.token)
    assert (status, json.loads(raw)["reason"]) == (404, "absent")


async def test_sessions_of_a_foreign_ticket_are_found_by_its_id(linked: Linked) -> None:
    number = linked.tracker.ticket()
    agent = await linked.session(f"rt:{number}")
    for ticket, found in ((f"rt:{number}", [agent.session]), ("rt:404", []), ("1001", [])):
        listed = await linked.world.get(f"/v1/sessions?ticket={ticket}", Sessions, linked.token)
        assert [one.id for one in listed.sessions] == found

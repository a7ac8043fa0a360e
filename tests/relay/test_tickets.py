"""The ticket book, and what the log writes into it: each record once, in order, as harmless lines."""

import asyncio
import json
from typing import Any

import pytest

from remote_assist.core.api import NewNote, NewTicket, Ticket, TicketNote, Tickets
from remote_assist.core.codec import decode
from remote_assist.core.messages import Acknowledged
from remote_assist.core.records import Actor, Outcome
from tests.relay.world import Agent, RelayWorld

CUSTOMER = Actor(kind="customer")


async def opened(world: RelayWorld) -> tuple[Agent, str, str]:
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    agent = world.agent(alice, ticket)
    await agent.open()
    return agent, token, ticket


async def note(world: RelayWorld, token: str, ticket: str, text: str, key: str, **more: Any) -> TicketNote:
    status, raw = await world.call(
        "POST", f"/v1/tickets/{ticket}/notes", NewNote(text=text, key=key, **more), token=token
    )
    assert status == 201, raw
    return decode(raw, TicketNote)


async def events(world: RelayWorld, token: str, ticket: str, count: int) -> list[str]:
    """Event ids of all notes, once there are `count` of them."""
    async with asyncio.timeout(10):
        while True:
            found = await world.get(f"/v1/tickets/{ticket}", Ticket, token)
            ids = [event for one in found.notes for event in one.events]
            if len(ids) >= count:
                return ids
            await asyncio.sleep(0.02)


async def test_tickets_are_numbered_from_1001_and_listed_newest_first(world: RelayWorld) -> None:
    _, token = await world.technician()
    assert [await world.ticket(token, subject) for subject in ("one", "two")] == ["1001", "1002"]
    listed = (await world.get("/v1/tickets", Tickets, token)).tickets
    assert [(one.id, one.subject, one.state, one.opened_by) for one in listed] == [
        ("1002", "two", "open", "Alice Example"),
        ("1001", "one", "open", "Alice Example"),
    ]


@pytest.mark.parametrize(
    ("subject", "description"),
    [
        ("", ""),
        ("   ", ""),
        ("x" * 201, ""),
        ("two\nlines", ""),
        ("red \x1b[31m", ""),
        ("ok", "\x07"),
        ("ok", "\u202eevil"),
        ("ok", "x" * (64 << 10) + "x"),
    ],
)
async def test_texts_with_control_characters_or_beyond_the_limits_are_refused(
    world: RelayWorld, subject: str, description: str
) -> None:
    _, token = await world.technician()
    new = NewTicket(subject=subject, description=description)
    status, raw = await world.call("POST", "/v1/tickets", new, token=token)
    assert (status, json.loads(raw)["reason"]) == (400, "usage")


@pytest.mark.parametrize(("text", "key"), [("", "k"), ("\x00", "k"), ("x" * 65537, "k"), ("x", ""), ("x", "k" * 129)])
async def test_a_note_that_may_not_be_kept_is_refused(world: RelayWorld, text: str, key: str) -> None:
    _, token = await world.technician()
    ticket = await world.ticket(token)
    status, _ = await world.call("POST", f"/v1/tickets/{ticket}/notes", NewNote(text=text, key=key), token=token)
    assert status == 400


async def test_a_note_that_names_a_malformed_session_is_refused(world: RelayWorld) -> None:
    _, token = await world.technician()
    ticket = await world.ticket(token)
    new = NewNote(text="x", key="k", session="s-\x1b[31m")
    assert (await world.call("POST", f"/v1/tickets/{ticket}/notes", new, token=token))[0] == 400


async def test_a_note_sent_again_with_its_key_is_the_same_note(world: RelayWorld) -> None:
    _, token = await world.technician()
    ticket = await world.ticket(token)
    first = await note(world, token, ticket, "Asked for the log.\nÜber das Telefon.", "k-1")
    assert await note(world, token, ticket, "something else", "k-1") == first
    assert (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).notes == (first,)
    assert (first.author, first.events) == ("Alice Example", ())


async def test_keys_of_two_technicians_do_not_meet(world: RelayWorld) -> None:
    _, alices = await world.technician()
    _, bobs = await world.technician("Bob Example")
    ticket = await world.ticket(alices)
    await note(world, alices, ticket, "mine", "k-1")
    await note(world, bobs, ticket, "mine", "k-1")
    assert len((await world.get(f"/v1/tickets/{ticket}", Ticket, alices)).notes) == 2


@pytest.mark.parametrize("ticket", ["1002", "0", "x", "9" * 13, "-1"])
async def test_a_ticket_that_is_not_there_is_404(world: RelayWorld, ticket: str) -> None:
    _, token = await world.technician()
    await world.ticket(token)
    assert (await world.call("GET", f"/v1/tickets/{ticket}", token=token))[0] == 404
    status, _ = await world.call("POST", f"/v1/tickets/{ticket}/notes", NewNote(text="x", key="k"), token=token)
    assert status == 404


async def test_every_record_is_told_in_exactly_one_note_in_order(world: RelayWorld) -> None:
    agent, token, ticket = await opened(world)
    for number in range(40):
        await agent.append(
            agent.record("RA1100I", action=str(number), scope="diagnose", catalog="first-look"),
            agent.record("RA1100O", action=str(number), outcome=Outcome(status="done", size=10)),
        )
    await agent.append(agent.ending())
    expected = [f"{agent.session}/{seq}" for seq in range(82)]
    assert await events(world, token, ticket, 82) == expected


async def test_lines_say_when_who_what_and_how_it_ended(world: RelayWorld) -> None:
    agent, token, ticket = await opened(world)
    await agent.append(
        agent.record("RA1001E", actor=CUSTOMER, scope="diagnose"),
        agent.record("RA1400I", action="1", scope="terminal", program="uname"),
        agent.record("RA1400O", action="1", program="uname", outcome=Outcome(status="failed", exit=3, size=7)),
        agent.record(
            "RA1900R", scope="files:read", paths=("/etc/shadow",), outcome=Outcome(status="refused", reason="expired")
        ),
    )
    await events(world, token, ticket, 5)
    found = await world.get(f"/v1/tickets/{ticket}", Ticket, token)
    lines = "\n".join(one.text for one in found.notes).split("\n")
    assert [line.split(" ", 2)[2] for line in lines] == [
        "Alice Example: The session was opened",
        "customer: The customer allowed scopes; scope diagnose",
        "Alice Example: Runs a program; scope terminal; uname",
        "Alice Example: The program ended; uname; failed, exit 3, 7 bytes",
        "Alice Example: An action was refused; nothing was done; scope files:read; /etc/shadow; refused (expired)",
    ]
    assert {one.author for one in found.notes} == {"remote-assist"}


async def test_hostile_names_in_records_stay_one_harmless_line(world: RelayWorld) -> None:
    agent, token, ticket = await opened(world)
    evil = "/tmp/\x1b]52;c;ZXZpbA==\x07\n2026-01-01 00:00:00 customer: all is well\u202e"
    answer = await agent.append(
        agent.record("RA1201I", action="1", scope="files:read", paths=(evil,) * 9, program="a\rb")
    )
    assert isinstance(answer, Acknowledged)
    await events(world, token, ticket, 2)
    found = await world.get(f"/v1/tickets/{ticket}", Ticket, token)
    text = "\n".join(one.text for one in found.notes)
    assert len(text.split("\n")) == 2
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "and 4 more" in text


async def test_a_ticket_is_active_while_a_session_is_live_and_closed_by_a_closing_note(world: RelayWorld) -> None:
    agent, token, ticket = await opened(world)

    async def state() -> str:
        return (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).state

    assert await state() == "active"
    await agent.append(agent.ending())
    assert await state() == "open"
    await note(world, token, ticket, "Port 80 was taken.", "end", closing=True, session=agent.session)
    assert await state() == "closed"


async def test_the_closing_note_of_one_session_does_not_cut_the_other_sessions_of_its_ticket(world: RelayWorld) -> None:
    first, token, ticket = await opened(world)
    second = world.agent(first.person, ticket)
    await second.open()
    await first.append(first.ending())
    await note(world, token, ticket, "My part is done.", "first", closing=True, session=first.session)
    assert (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).state == "active"
    assert isinstance(await second.append(second.record("RA1006E")), Acknowledged)
    await second.append(second.ending())
    await note(world, token, ticket, "All is done.", "second", closing=True, session=second.session)
    assert (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).state == "closed"


async def test_a_session_nobody_ended_keeps_its_ticket_open_only_until_its_consent_is_over(world: RelayWorld) -> None:
    first, token, ticket = await opened(world)
    lost = world.agent(first.person, ticket, seconds=60)
    await lost.open()
    await first.append(first.ending())
    world.clock.turn(seconds=61)
    await note(world, token, ticket, "Done.", "first", closing=True, session=first.session)
    assert world.sql("SELECT count(*) FROM tickets WHERE closed IS NOT NULL") == [(1,)]


async def test_a_closing_note_comes_after_everything_that_happened(world: RelayWorld) -> None:
    world.settings["outbox_interval_seconds"] = 3600.0
    await world.relay.stop()
    await world.start()
    agent, token, ticket = await opened(world)
    await agent.append(agent.record("RA1006E", actor=CUSTOMER))
    closing = await note(world, token, ticket, "Solved.", "end", closing=True)
    notes = (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).notes
    assert [one.events for one in notes] == [(f"{agent.session}/0", f"{agent.session}/1"), ()]
    assert notes[-1] == closing


async def test_the_end_of_a_session_is_told_at_once(world: RelayWorld) -> None:
    world.settings["outbox_interval_seconds"] = 3600.0
    await world.relay.stop()
    await world.start()
    agent, token, ticket = await opened(world)
    await agent.append(agent.ending())
    assert len(await events(world, token, ticket, 2)) == 2


async def test_records_that_were_not_told_before_a_stop_are_told_after_the_start(world: RelayWorld) -> None:
    world.settings["outbox_interval_seconds"] = 3600.0
    await world.relay.stop()
    await world.start()
    agent, token, ticket = await opened(world)
    await agent.append(agent.record("RA1006E", actor=CUSTOMER))
    await world.relay.stop()
    world.settings["outbox_interval_seconds"] = 0.02
    await world.start()
    assert await events(world, token, ticket, 2) == [f"{agent.session}/0", f"{agent.session}/1"]


async def test_two_sessions_of_one_ticket_have_notes_of_their_own(world: RelayWorld) -> None:
    agent, token, ticket = await opened(world)
    other = world.agent(agent.person, ticket)
    await other.open()
    for _ in range(5):
        for one in (agent, other):
            await one.append(one.record("RA1006E", actor=CUSTOMER))
    ids = await events(world, token, ticket, 12)
    assert sorted(ids) == sorted(f"{one.session}/{seq}" for one in (agent, other) for seq in range(6))
    for found in (await world.get(f"/v1/tickets/{ticket}", Ticket, token)).notes:
        assert {event.split("/")[0] for event in found.events} == {found.session}

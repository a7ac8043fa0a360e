"""No session without an open ticket of one's own; closing the ticket burns its codes and ends its sessions."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from relay.tickets.courier import Courier
from remote_assist.cli import main
from remote_assist.core.api import NewTicket, Ticket
from remote_assist.core.messages import AppendRefused, NameplateAssigned, PeerLeft, TicketClosed
from remote_assist.core.messages import Rendezvous as Said
from remote_assist.errors import Exit
from remote_assist.settings import TicketRules
from tests.relay.linked import Linked, acted, ended, linked_world
from tests.relay.world import RelayWorld, understood


async def refused(one: Linked, ticket: str) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as no:
        await one.world.socket(f"/v1/nameplate?ticket={ticket}", token=one.token)
    response = no.value.response
    return response.status_code, str(json.loads(response.body or b"{}")["reason"])


async def test_a_code_is_given_for_an_open_ticket_and_for_no_other(tmp_path: Path) -> None:
    async with linked_world(tmp_path) as one:
        number = one.tracker.ticket()
        async with one.world.socket(f"/v1/nameplate?ticket=rt:{number}", token=one.token) as socket:
            assert isinstance(understood(await socket.recv(), Said), NameplateAssigned)
        one.tracker.tickets[number].status = "resolved"
        assert await refused(one, f"rt:{number}") == (403, "closed-ticket")
        assert await refused(one, "rt:404") == (404, "absent")
        assert await refused(one, "9999") == (404, "absent")


@pytest.mark.parametrize(
    ("rule", "owner", "given"),
    [
        ("any", "bob", True),
        ("self", "alice", True),
        ("self", "bob", False),
        ("self", "Nobody", False),
        ("self-or-nobody", "Nobody", True),
        ("self-or-nobody", "bob", False),
    ],
)
async def test_whose_ticket_it_must_be_is_a_rule(tmp_path: Path, rule: str, owner: str, given: bool) -> None:
    async with linked_world(tmp_path, rules=TicketRules(assignee=rule), people={"Alice Example": "alice"}) as one:
        number = one.tracker.ticket()
        one.tracker.tickets[number].owner = owner
        if given:
            async with one.world.socket(f"/v1/nameplate?ticket=rt:{number}", token=one.token) as socket:
                assert isinstance(understood(await socket.recv(), Said), NameplateAssigned)
        else:
            assert await refused(one, f"rt:{number}") == (403, "assignee")


@pytest.mark.parametrize("rule", ["allow", "refuse"])
async def test_a_system_that_is_down_stops_sessions_only_where_the_rule_says_so(tmp_path: Path, rule: str) -> None:
    async with linked_world(tmp_path, rules=TicketRules(unreachable=rule)) as one:
        number = one.tracker.ticket()
        await one.world.get(f"/v1/tickets/rt:{number}", Ticket, one.token)
        one.tracker.down = True
        if rule == "refuse":
            assert await refused(one, f"rt:{number}") == (403, "unreachable")
            return
        agent = await one.session(f"rt:{number}")
        await acted(agent)


async def test_a_first_record_on_a_closed_ticket_is_refused(world: RelayWorld) -> None:
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    await closing(world, token, ticket, "closing")
    agent = world.agent(alice, ticket)
    await agent.connect()
    answer = await agent.append(agent.opening())
    assert isinstance(answer, AppendRefused) and answer.reason == "closed-ticket"
    await closing(world, token, ticket, "reopening")
    await world.agent(alice, ticket).open()


async def closing(world: RelayWorld, token: str, ticket: str, what: str) -> None:
    body = json.dumps({"text": what, "key": what, what: True}).encode()
    status, raw = await world.call("POST", f"/v1/tickets/{ticket}/notes", body, token=token)
    assert status == 201, raw


@pytest.mark.slow
async def test_closing_the_ticket_burns_its_code_and_ends_its_session(world: RelayWorld) -> None:
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    agent = world.agent(alice, ticket)
    await agent.open()
    async with world.socket(f"/v1/nameplate?ticket={ticket}", token=token) as socket:
        assert isinstance(understood(await socket.recv(), Said), NameplateAssigned)
        await closing(world, token, ticket, "closing")
        assert understood(await socket.recv(), Said) == PeerLeft(reason="closed")
    assert await agent.receive() == TicketClosed(session=agent.session)


@pytest.mark.slow
async def test_a_ticket_closed_in_its_own_system_ends_the_session_too(tmp_path: Path) -> None:
    async with linked_world(tmp_path, watch_seconds=1) as one:
        number = one.tracker.ticket()
        agent = await one.session(f"rt:{number}")
        one.tracker.tickets[number].status = "resolved"
        assert await agent.receive() == TicketClosed(session=agent.session)


async def test_a_closing_note_brings_time_fields_survey_and_the_end(tmp_path: Path) -> None:
    async with linked_world(
        tmp_path,
        closes=True,
        resolution_field="Resolution",
        issues_field="Issues",
        survey_url="https://s.example.com/{ticket}",
    ) as one:
        number = one.tracker.ticket()
        agent = await one.session(f"rt:{number}")
        one.world.clock.turn(minutes=12)
        await ended(agent)
        issues = ("linux.service.port-taken", "linux.disk.full")
        await one.note(f"rt:{number}", "Port freed.", session=agent.session, closing=True, issues=issues)
        held = one.tracker.tickets[number]
        await one.until(lambda: held.status == "resolved")
        await one.empty()
    assert sum(note.minutes for note in held.notes) in {12, 13}
    assert held.fields == {"Resolution": "Port freed.", "Issues": "linux.service.port-taken, linux.disk.full"}
    (words,) = [note for note in held.notes if note.kind == "correspond"]
    assert f"https://s.example.com/{number}" in words.content


async def test_break_glass_opens_a_ticket_in_the_book_whose_subject_says_so(tmp_path: Path) -> None:
    async with linked_world(tmp_path, rules=TicketRules(default="rt")) as one:
        new = NewTicket(subject="hospital down, RT unreachable", break_glass=True)
        status, raw = await one.world.call("POST", "/v1/tickets", new, token=one.token)
        assert status == 201
        assert (json.loads(raw)["id"], json.loads(raw)["subject"]) == ("1001", f"Break-glass: {new.subject}")
        assert one.tracker.tickets == {}
        ((record,),) = one.world.sql("SELECT record FROM records WHERE code = 'RA2020E'")
        assert (json.loads(record)["about"], json.loads(record)["details"]) == (
            "ticket 1001",
            {"technician": "Alice Example"},
        )


async def test_a_look_at_a_ticket_that_has_its_link_wakes_no_courier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noticed, real = 0, Courier.notice

    def notice(courier: Courier) -> None:
        nonlocal noticed
        noticed += 1
        real(courier)

    monkeypatch.setattr(Courier, "notice", notice)
    async with linked_world(tmp_path, start_link=True) as one:
        number = one.tracker.ticket()
        for _ in range(3):
            await one.world.get(f"/v1/tickets/rt:{number}", Ticket, one.token)
        await one.empty()
        assert len(one.tracker.tickets[number].links) == noticed == 1


async def test_a_ticket_gets_its_link_once_and_the_link_opens_the_invite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with linked_world(tmp_path, start_link=True) as one:
        number = one.tracker.ticket()
        for _ in range(2):
            await one.world.get(f"/v1/tickets/rt:{number}", Ticket, one.token)
        await one.empty()
        (link,) = one.tracker.tickets[number].links
        assert link == f"{one.world.url}/start/rt:{number}"
        status, page = await one.world.call("GET", link.removeprefix(one.world.url))
    found = re.search(r'href="(remote-assist://[^"]+)"', page.decode())
    assert status == 200 and found is not None
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "nobody-logged-in"))
    assert await asyncio.to_thread(main, ["open", found[1]]) == Exit.REFUSED
    assert "log in" in capsys.readouterr().err.lower()
    assert await asyncio.to_thread(main, ["open", "remote-assist://invite/--help"]) == Exit.USAGE

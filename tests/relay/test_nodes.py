"""Two relays that share a PostgreSQL server and NATS are one relay: log, logins, codes, streams. All of it real."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from remote_assist.core.api import NODE_HEADER, ApiError, NewNote, Records, SessionSummary, Ticket, Tickets
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.codec import decode
from remote_assist.core.messages import (
    Acknowledged,
    AskCheckpoint,
    CheckpointGiven,
    NameplateAssigned,
    PeerJoined,
    RelayRefused,
    StreamOffered,
    StreamOpened,
    TicketClosed,
)
from remote_assist.core.tree import check_consistency
from remote_assist.errors import UsageError
from tests.relay.nats import Nats, running_nats
from tests.relay.postgres import Postgres
from tests.relay.world import Agent, RelayWorld, understood
from tests.scenarios.world import free_port


@pytest.fixture(scope="module")
def nats() -> Iterator[Nats]:
    with running_nats() as server:
        yield server


class TwoNodes:
    """One organisation, two nodes. `first` and `second` are the same people looking at one or the other."""

    def __init__(self, folder: Path, database: str, bus: str) -> None:
        ports = (free_port(), free_port())
        self.names = tuple(f"http://127.0.0.1:{port}" for port in ports)
        self.first, self.second = (
            RelayWorld(folder, database=database, bus=bus, node=name, port=port, origins=self.names)
            for name, port in zip(self.names, ports, strict=True)
        )
        self.second.organisation, self.second.clock = self.first.organisation, self.first.clock

    async def __aenter__(self) -> "TwoNodes":
        await self.first.__aenter__()
        other = self.first.organisation.folder / "second"
        shutil.copytree(self.first.organisation.data, other, ignore=shutil.ignore_patterns("*.lock", "address"))
        other.chmod(0o700)
        self.second.settings["data"] = other
        self.second.http = self.first.http
        await self.second.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.second.relay.stop()
        await self.first.__aexit__()

    def at_second(self, agent: Agent) -> Agent:
        """The same agent, which dials the second node from now on."""
        agent.world = self.second
        return agent


@pytest.fixture
async def nodes(tmp_path: Path, postgres: Postgres, nats: Nats) -> AsyncIterator[TwoNodes]:
    async with TwoNodes(tmp_path, postgres.new_database(), nats.url) as running:
        yield running


async def status_of_dial(dialling: object) -> tuple[int, str, ApiError]:
    """What a WebSocket that is not opened is answered: status, node, why."""
    with pytest.raises(InvalidStatus) as caught:
        await dialling  # type: ignore[misc]
    answer = caught.value.response
    return answer.status_code, answer.headers.get(NODE_HEADER, ""), decode(bytes(answer.body or b""), ApiError)


async def opened(nodes: TwoNodes) -> tuple[Agent, str]:
    alice, token = await nodes.first.technician()
    agent = nodes.first.agent(alice, await nodes.first.ticket(token))
    await agent.open()
    return agent, token


async def test_a_login_at_one_node_is_good_at_the_other_and_its_nonce_nowhere_again(nodes: TwoNodes) -> None:
    alice, token = await nodes.first.technician()
    await nodes.second.ticket(token)
    assert [one.id for one in (await nodes.first.get("/v1/tickets", Tickets, token)).tickets] == ["1001"]
    challenge = await nodes.first.call("POST", "/v1/login/challenge")
    nonce = msgspec.json.decode(challenge[1])["nonce"]
    raw = base64.b64decode(nonce)
    for world, expected in ((nodes.second, 200), (nodes.first, 403), (nodes.second, 403)):
        status, body = await world.try_login(alice, nonce=raw, origin=world.url)
        assert status == expected, body


async def test_records_of_both_nodes_are_one_log_without_a_gap(nodes: TwoNodes) -> None:
    one, token = await opened(nodes)
    alice = one.person
    two = nodes.second.agent(alice, await nodes.second.ticket(token))
    await two.open()

    async def write(agent: Agent) -> list[int]:
        indexes = []
        for _ in range(20):
            answer = await agent.append(agent.record("RA1006E"))
            assert isinstance(answer, Acknowledged), answer
            indexes += [given.index for given in answer.acknowledgements]
        return indexes

    indexes = await asyncio.gather(write(one), write(two))
    assert sorted(indexes[0] + indexes[1]) == list(range(2, 42))
    heads = []
    for world in (nodes.first, nodes.second):
        status, note = await world.call("GET", "/v1/log/checkpoint?covers=41")
        assert status == 200
        heads.append(open_checkpoint(note.decode(), [world.organisation.log_key]).head)
    assert heads[0] == heads[1] and heads[0].size == 42
    for world, session in ((nodes.first, two.session), (nodes.second, one.session)):
        page = await world.get(f"/v1/sessions/{session}/records?size=42", Records, token)
        assert len(page.records) == 21 and all(page.proofs)


async def test_a_checkpoint_seen_at_one_node_is_continued_at_the_other(nodes: TwoNodes) -> None:
    agent, _ = await opened(nodes)
    answer = await agent.append(*[agent.record("RA1006E") for _ in range(5)])
    assert isinstance(answer, Acknowledged)
    seen = open_checkpoint(
        (await nodes.first.call("GET", "/v1/log/checkpoint?covers=5"))[1].decode(), [agent.world.organisation.log_key]
    )
    nodes.at_second(agent)
    await agent.connect()
    await agent.send(AskCheckpoint(since=seen.size))
    given = await agent.receive()
    assert isinstance(given, CheckpointGiven)
    later = open_checkpoint(given.checkpoint, [agent.world.organisation.log_key])
    assert later.size >= seen.size
    check_consistency(seen.head, later.head, given.consistency, where="log")


async def test_every_record_is_told_on_its_ticket_once(nodes: TwoNodes) -> None:
    one, token = await opened(nodes)
    ticket = await nodes.second.ticket(token)
    two = nodes.second.agent(one.person, ticket)
    await two.open()
    for _ in range(4):
        for agent in (one, two):
            await agent.send_records(*[agent.record("RA1006E") for _ in range(25)])

    async def events(world: RelayWorld, number: str) -> list[str]:
        notes = (await world.get(f"/v1/tickets/{number}", Ticket, token)).notes
        return [event for note in notes for event in note.events]

    for world, number, agent in ((nodes.second, "1001", one), (nodes.first, ticket, two)):
        async with asyncio.timeout(60):
            while len(found := await events(world, number)) < 101:
                await asyncio.sleep(0.02)
        assert found == [f"{agent.session}/{seq}" for seq in range(101)]


async def test_a_code_is_joined_at_the_node_that_gave_it_out(nodes: TwoNodes) -> None:
    _, token = await nodes.first.technician()
    async with nodes.first.socket("/v1/nameplate", token=token) as owner:
        assigned = understood(await owner.recv(), NameplateAssigned)
        path = f"/v1/join/{assigned.nameplate}"
        status, node, told = await status_of_dial(nodes.second.socket(path))
        assert (status, node, told.reason) == (421, nodes.names[0], "elsewhere")
        async with nodes.first.socket(path) as joiner:
            assert understood(await joiner.recv(), PeerJoined)
    async with nodes.second.socket("/v1/join/000000") as nobody:
        assert understood(await nobody.recv(), RelayRefused).reason == "unknown-code"


async def test_two_race_for_one_code_and_one_gets_it(nodes: TwoNodes) -> None:
    _, token = await nodes.first.technician()
    async with nodes.first.socket("/v1/nameplate", token=token) as owner:
        path = f"/v1/join/{understood(await owner.recv(), NameplateAssigned).nameplate}"
        sockets = await asyncio.gather(*(nodes.first.socket(path) for _ in range(2)))
        said = [understood(await one.recv(), PeerJoined | RelayRefused) for one in sockets]
        assert sum(isinstance(one, PeerJoined) for one in said) == 1
        assert {one.reason for one in said if isinstance(one, RelayRefused)} == {"used"}
        await asyncio.gather(*(one.close() for one in sockets))


async def test_codes_of_both_nodes_count_together_for_their_technician(
    tmp_path: Path, postgres: Postgres, nats: Nats
) -> None:
    nodes = TwoNodes(tmp_path, postgres.new_database(), nats.url)
    for world in (nodes.first, nodes.second):
        world.settings["nameplates_per_technician"] = 2
    async with nodes:
        _, token = await nodes.first.technician()
        async with (
            nodes.first.socket("/v1/nameplate", token=token) as one,
            nodes.second.socket("/v1/nameplate", token=token) as two,
        ):
            numbers = {understood(await each.recv(), NameplateAssigned).nameplate for each in (one, two)}
            assert len(numbers) == 2
            status, _, told = await status_of_dial(nodes.second.socket("/v1/nameplate", token=token))
            assert (status, told.reason) == (429, "busy")
        async with nodes.second.socket("/v1/nameplate", token=token) as again:
            assert understood(await again.recv(), NameplateAssigned)


async def test_a_customers_code_is_taken_at_the_node_that_gave_it_out(nodes: TwoNodes) -> None:
    _, token = await nodes.first.technician()
    ticket = await nodes.first.ticket(token)
    async with nodes.first.socket("/v1/ask") as customer:
        number = understood(await customer.recv(), NameplateAssigned).nameplate
        path = f"/v1/accept/{number}?ticket={ticket}"
        status, node, told = await status_of_dial(nodes.second.socket(path, token=token))
        assert (status, node, told.reason) == (421, nodes.names[0], "elsewhere")
        async with nodes.first.socket(path, token=token) as technician:
            assert understood(await technician.recv(), PeerJoined)
    async with nodes.second.socket(f"/v1/accept/000000?ticket={ticket}", token=token) as nobody:
        assert understood(await nobody.recv(), RelayRefused).reason == "unknown-code"


async def test_codes_an_address_asks_both_nodes_for_count_together(
    tmp_path: Path, postgres: Postgres, nats: Nats
) -> None:
    nodes = TwoNodes(tmp_path, postgres.new_database(), nats.url)
    for world in (nodes.first, nodes.second):
        world.settings["asks_per_address"] = 2
    async with nodes:
        async with nodes.first.socket("/v1/ask") as one, nodes.second.socket("/v1/ask") as two:
            numbers = {understood(await each.recv(), NameplateAssigned).nameplate for each in (one, two)}
            assert len(numbers) == 2
            status, _, told = await status_of_dial(nodes.second.socket("/v1/ask"))
            assert (status, told.reason) == (429, "busy")
        async with nodes.second.socket("/v1/ask") as again:
            assert understood(await again.recv(), NameplateAssigned)


async def test_a_stream_is_opened_at_the_agents_node_and_moves_with_it(nodes: TwoNodes) -> None:
    agent, token = await opened(nodes)
    path = f"/v1/sessions/{agent.session}/stream"
    assert (await nodes.second.get(f"/v1/sessions/{agent.session}", SessionSummary, token)).state == "live"
    assert (await nodes.second.get("/v1/tickets/1001", Ticket, token)).state == "active"
    status, node, _ = await status_of_dial(nodes.second.socket(path, token=token))
    assert (status, node) == (421, nodes.names[0])

    nodes.at_second(agent)
    old = agent.link
    await agent.connect()
    await _closed(old)  # the first node let go of it
    status, node, _ = await status_of_dial(nodes.first.socket(path, token=token))
    assert (status, node) == (421, nodes.names[1])
    async with nodes.second.socket(path, token=token) as technician:
        offer = await agent.receive()
        assert isinstance(offer, StreamOffered)
        async with nodes.second.socket(f"/v1/streams/{offer.ticket}") as end:
            assert understood(await technician.recv(), StreamOpened).stream == offer.stream
            assert understood(await end.recv(), StreamOpened)
            await technician.send(b"ping")
            assert await end.recv() == b"ping"


async def _closed(link: ClientConnection) -> None:
    async with asyncio.timeout(60):
        await link.wait_closed()


async def test_the_codes_and_agents_of_a_node_that_stopped_are_nowhere(nodes: TwoNodes) -> None:
    agent, token = await opened(nodes)
    async with nodes.first.socket("/v1/nameplate", token=token) as owner:
        path = f"/v1/join/{understood(await owner.recv(), NameplateAssigned).nameplate}"
        await nodes.first.relay.stop()
    async with nodes.second.socket(path) as joiner:
        assert understood(await joiner.recv(), RelayRefused).reason == "unknown-code"
    async with nodes.second.socket(f"/v1/sessions/{agent.session}/stream", token=token) as technician:
        assert understood(await technician.recv(), RelayRefused).reason == "agent-away"
    assert (await nodes.second.get(f"/v1/sessions/{agent.session}", SessionSummary, token)).state == "away"


async def test_without_the_bus_each_node_serves_its_own_and_with_it_they_meet_again(
    tmp_path: Path, postgres: Postgres
) -> None:
    with running_nats() as own:
        async with TwoNodes(tmp_path, postgres.new_database(), own.url) as nodes:
            agent, token = await opened(nodes)
            path = f"/v1/sessions/{agent.session}/stream"
            figures = nodes.second.relay.metrics.text
            assert b"remote_assist_bus_connected 1.0" in await figures()
            own.stop()
            answer = await agent.append(agent.record("RA1006E"))
            assert isinstance(answer, Acknowledged)
            async with nodes.first.socket(path, token=token):
                assert isinstance(await agent.receive(), StreamOffered)
            status, _, told = await status_of_dial(nodes.second.socket(path, token=token))
            assert (status, told.reason) == (503, "bus-gone")
            assert b"remote_assist_bus_connected 0.0" in await figures()
            own.start()
            async with asyncio.timeout(60):
                while not await _is_sent_on(nodes.second, path, token):
                    await asyncio.sleep(0.1)


async def _is_sent_on(world: RelayWorld, path: str, token: str) -> bool:
    try:
        async with world.socket(path, token=token):
            return False  # its agent counts as away until its node is back on the bus
    except InvalidStatus as error:
        return error.response.status_code == 421


async def test_a_ticket_closed_at_one_node_ends_its_sessions_at_the_others(nodes: TwoNodes) -> None:
    alice, token = await nodes.first.technician()
    ticket = await nodes.first.ticket(token)
    agent = nodes.at_second(nodes.first.agent(alice, ticket, relay=nodes.names[1]))
    await agent.open()
    status, raw = await nodes.first.call(
        "POST",
        f"/v1/tickets/{ticket}/notes",
        NewNote(key="closing", text="Withdrawn by the customer.", closing=True),
        token=token,
    )
    assert status == 201, raw
    async with asyncio.timeout(60):
        assert await agent.receive() == TicketClosed(session=agent.session)


async def test_a_relay_that_was_told_of_no_others_serves_from_no_database_of_theirs(
    tmp_path: Path, postgres: Postgres, nodes: TwoNodes
) -> None:
    alone = RelayWorld(tmp_path / "alone", database=nodes.first.organisation.database)
    alone.organisation.data.parent.mkdir()
    shutil.copytree(nodes.first.organisation.data, alone.organisation.data, ignore=shutil.ignore_patterns("*.lock"))
    alone.organisation.data.chmod(0o700)
    with pytest.raises(UsageError, match="another relay serves from this database, and this one was told of no others"):
        await alone.start()
    await nodes.first.relay.stop()
    await nodes.second.relay.stop()
    await alone.start()
    with pytest.raises(UsageError, match="another relay serves from this database, that was told of no others"):
        await nodes.second.start()
    await alone.relay.stop()

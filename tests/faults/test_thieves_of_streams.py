"""A stream goes on between its own two ends only: thieves of tokens and tickets are refused, the true end goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remote_assist.agent.streams import Streams
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.codec import decode
from remote_assist.core.messages import RelayRefused, StreamControl, StreamOffered, StreamOpened
from remote_assist.core.requests import AskStatus, Done, Run
from remote_assist.core.resume import NONCE_BYTES, Resumption, Role, Standing
from remote_assist.core.stream import Kind, build_frame
from remote_assist.errors import AssistError, RemoteProtocolError, UnreachableError, VerificationError
from remote_assist.transport.channel import MessageChannel, open_channel
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.ssh import connect_to_agent
from remote_assist.transport.streams import StreamTunnel
from tests.agent.world import AgentWorld, agent_world, ask

STREAM = 1
GUESSES = [bytes(32), b"x" * 32]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as running:
        yield running


class Victim:
    """A technician whose stream can be cut, with the link it is on."""

    def __init__(self, world: AgentWorld) -> None:
        self.world = world
        self.links: list[Link] = []
        self.may_redial = asyncio.Event()
        self.channel: MessageChannel

    async def redial(self, stream: int, epoch: int) -> Link:
        await self.may_redial.wait()
        link = await stolen_token(self.world, stream, epoch)
        self.links.append(link)
        return link

    def cut(self) -> None:
        self.links[-1].abort()


@contextlib.asynccontextmanager
async def victim(world: AgentWorld) -> AsyncIterator[Victim]:
    technician = world.technician
    link, opened = await technician.open_stream()
    found = Victim(world)
    found.links.append(link)
    terms = ResumeTerms(
        key=technician.pairing.resume_key, role=Role.TECHNICIAN, patience_seconds=20, redial=found.redial,
        dice=lambda: 0.0,
    )  # fmt: skip
    tunnel = StreamTunnel(link, stream=opened.stream, epoch=opened.epoch, resume=terms)
    connection = await connect_to_agent(
        tunnel, session_key=technician.session_key, host_key_line=technician.agent.host_key
    )
    found.channel = await open_channel(connection)
    try:
        yield found
    finally:
        connection.abort()
        await connection.wait_closed()


async def stolen_token(world: AgentWorld, stream: int, epoch: int) -> Link:
    """A redial with the technician's token: what the relay asks for, and no more."""
    path = f"/v1/sessions/{world.technician.session}/stream?stream={stream}&epoch={epoch}"
    link = await world.technician.dial(path)
    said: object = decode(await asyncio.wait_for(link.receive(), 10), StreamControl)  # type: ignore[arg-type]
    if isinstance(said, RelayRefused):
        raise UnreachableError(said.sentence)
    assert said == StreamOpened(session=world.technician.session, stream=stream, epoch=epoch)
    return link


async def prove(
    link: Link, *, key: bytes, role: Role, epoch: int, sent: int = 0, received: int = 0, stream: int = STREAM
) -> int:
    """Both steps of a resume, as somebody who claims these offsets."""
    own = Standing(b"n" * NONCE_BYTES, sent, received)
    resumption = Resumption(key, role, stream=stream, epoch=epoch, own=own)
    await link.send_binary(resumption.hello())
    hello = await asyncio.wait_for(link.receive(), 10)
    assert isinstance(hello, bytes)
    with contextlib.suppress(RemoteProtocolError):  # claims that cannot be: go on all the same
        await link.send_binary(resumption.receive_hello(hello))
    proof = await asyncio.wait_for(link.receive(), 10)
    assert isinstance(proof, bytes)
    return resumption.receive_proof(proof)


async def still_works(found: Victim) -> None:
    found.may_redial.set()
    async with asyncio.timeout(20):
        answers = await ask(found.channel, AskStatus())
        assert answers.messages
        ran = await ask(found.channel, Run(argv=("echo", "on")))
        assert isinstance(ran.last, Done) and ran.data == b"on\n"


@pytest.mark.parametrize("key", GUESSES, ids=["zeros", "a guess"])
async def test_a_thief_of_the_token_gets_nothing_and_the_true_end_goes_on(world: AgentWorld, key: bytes) -> None:
    async with world.session(), victim(world) as found:
        thief = await stolen_token(world, STREAM, 2)
        with pytest.raises((VerificationError, UnreachableError)):
            await prove(thief, key=key, role=Role.TECHNICIAN, epoch=2)
        with pytest.raises(UnreachableError):  # the agent dropped the link
            await asyncio.wait_for(thief.receive(), 10)
        await still_works(found)
        assert len(found.links) == 2


async def test_the_highest_epoch_of_a_thief_does_not_shut_the_true_end_out(world: AgentWorld) -> None:
    async with world.session(), victim(world) as found:
        thief = await stolen_token(world, STREAM, (1 << 32) - 1)
        with contextlib.suppress(AssistError):
            await prove(thief, key=bytes(32), role=Role.TECHNICIAN, epoch=(1 << 32) - 1)
        await thief.close()
        await still_works(found)


async def test_a_thief_that_says_nothing_does_not_hold_the_true_end_up(world: AgentWorld) -> None:
    async with world.session(), victim(world) as found:
        thief = await stolen_token(world, STREAM, 2)
        found.may_redial.set()
        async with asyncio.timeout(8):  # the agent would wait 10 s for the thief's proof
            await ask(found.channel, AskStatus())
        thief.abort()


@pytest.mark.parametrize(
    "raw",
    [
        build_frame(Kind.DATA, STREAM, 2, 0, 0, (b"SSH-2.0-evil\r\n",)),
        build_frame(Kind.RESET, STREAM, 2, 0, 0, (b"over",)),
        build_frame(Kind.FIN, STREAM, 2, 0, 0),
        b"garbage",
    ],
    ids=["bytes", "a reset", "an end", "garbage"],
)
async def test_whatever_comes_without_proof_changes_nothing(world: AgentWorld, raw: bytes) -> None:
    async with world.session(), victim(world) as found:
        thief = await stolen_token(world, STREAM, 2)
        await thief.send_binary(raw)
        with pytest.raises(UnreachableError):
            while True:
                await asyncio.wait_for(thief.receive(), 10)
        await still_works(found)


@pytest.mark.parametrize(("sent", "received"), [(0, 0), (1 << 40, 0), (0, 1 << 40)])
async def test_the_right_key_with_wrong_offsets_is_refused(world: AgentWorld, sent: int, received: int) -> None:
    async with world.session(), victim(world) as found:
        key = world.technician.pairing.resume_key
        link = await stolen_token(world, STREAM, 2)
        with contextlib.suppress(AssistError):
            await prove(link, key=key, role=Role.TECHNICIAN, epoch=2, sent=sent, received=received)
        with pytest.raises(UnreachableError):
            while True:
                await asyncio.wait_for(link.receive(), 10)
        await still_works(found)


async def test_an_epoch_that_does_not_rise_and_a_number_that_is_over_are_not_served(world: AgentWorld) -> None:
    """The agent does not even dial; the relay tells the caller so when its ticket runs out, which is not waited for."""
    async with world.session():
        async with victim(world) as found:
            found.cut()
            await still_works(found)  # on epoch 2 now
            taken = world.technician.dial(f"/v1/sessions/{world.technician.session}/stream?stream={STREAM}&epoch=2")
            link = await taken
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.receive(), 1)
            link.abort()
            await ask(found.channel, AskStatus())
        link = await world.technician.dial(f"/v1/sessions/{world.technician.session}/stream?stream={STREAM}&epoch=9")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(link.receive(), 1)
        link.abort()


@dataclass(frozen=True, slots=True)
class Watched(Surroundings):
    """An agent's surroundings in which somebody reads the paths it dials, and is quicker."""

    thief: Callable[[str], Awaitable[None]] = field(kw_only=True)

    async def dial(self, path: str) -> Link:
        await self.thief(path)
        return await Surroundings.dial(self, path)


class WatchedWorld(AgentWorld):
    """A customer's machine whose tickets are stolen once `is_robbed`."""

    is_robbed = False

    @property
    def around(self) -> Surroundings:
        plain = super().around
        taken = {one.name: getattr(plain, one.name) for one in fields(plain) if one.init}
        return Watched(**taken, thief=self._steal)

    async def _steal(self, path: str) -> None:
        if not self.is_robbed or not path.startswith("/v1/streams/"):
            return
        self.is_robbed = False
        link = await dial(self.relay.url, path)
        self.stolen.set_result(link)

    def rob(self) -> "asyncio.Future[Link]":
        self.is_robbed = True
        self.stolen: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        return self.stolen


async def test_a_thief_of_the_agents_ticket_is_refused_and_the_true_agent_goes_on(world: AgentWorld) -> None:
    robbed = WatchedWorld(world.relay, world.folder, world.technician)
    async with robbed.session(), victim(robbed) as found:
        stolen = robbed.rob()
        found.cut()
        found.may_redial.set()
        thief = await asyncio.wait_for(stolen, 10)
        assert isinstance(await asyncio.wait_for(thief.receive(), 10), str)  # the relay: the stream is open
        with pytest.raises((VerificationError, UnreachableError)):
            await prove(thief, key=bytes(32), role=Role.AGENT, epoch=2)
        await still_works(found)
        assert len(found.links) == 3  # the first, the one the thief answered, the one the agent answered


def test_an_offer_with_a_ticket_that_is_no_ticket_is_not_dialled() -> None:
    async def nobody(*_: object) -> Link:
        raise AssertionError("dialled")

    streams = Streams(
        key=bytes(32), patience_seconds=1, deadline_seconds=1, dial=nobody, serve=nobody,  # type: ignore[arg-type]
        on_news=lambda news, since: None, clock=lambda: datetime.now(UTC),
    )  # fmt: skip
    for ticket in ("", "../../v1/login", "a b", "x" * 201):
        assert not streams.accepts(StreamOffered(session="s", stream=1, epoch=1, ticket=ticket))
    assert streams.accepts(StreamOffered(session="s", stream=1, epoch=1, ticket="f" * 48))
    assert not streams.accepts(StreamOffered(session="s", stream=1, epoch=2, ticket="f" * 48))

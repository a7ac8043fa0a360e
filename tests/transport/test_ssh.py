"""SSH end to end over two spliced links, both keys pinned."""

import asyncio

import asyncssh
import pytest
from asyncssh.constants import MSG_IGNORE
from asyncssh.packet import SSHPacket

from remote_assist.core.requests import AskStatus, Done, ReadFile
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import RefusedError, UnreachableError, VerificationError
from remote_assist.transport.channel import open_channel
from remote_assist.transport.ssh import connect_to_agent, serve_technician
from tests.transport.splice import spliced
from tests.transport.world import BLOCK, EchoDoors, Keys, connected, tunnels


async def test_a_question_is_answered_end_to_end() -> None:
    async with connected() as world:
        channel = await open_channel(world.client)
        await channel.send(AskStatus())
        assert await channel.receive() == Done(action="status", status="done")
        await channel.close()


async def test_data_arrives_whole_and_in_order() -> None:
    async with connected() as world:
        channel = await open_channel(world.client)
        await channel.send(ReadFile(path=b"/x", offset=100))
        got = bytearray()
        while isinstance(piece := await channel.receive(), bytes):
            got += piece
        assert got == BLOCK * 100
        assert isinstance(piece, Done)
        assert piece.size == len(got)


async def test_another_host_key_is_refused_without_a_way_around() -> None:
    async with spliced() as splice:
        keys, others = Keys(), Keys()
        technician, agent = await tunnels(splice)
        serving = asyncio.create_task(
            serve_technician(agent, host_key=others.host, authorised=lambda line: True, doors=EchoDoors())
        )
        with pytest.raises(VerificationError, match="not the one pinned at pairing"):
            await connect_to_agent(technician, session_key=keys.session, host_key_line=public_line(keys.host))
        with pytest.raises(UnreachableError):
            await serving
        await technician.closed()
        await agent.closed()


async def test_another_session_key_is_refused() -> None:
    async with spliced() as splice:
        keys = Keys()
        technician, agent = await tunnels(splice)
        serving = asyncio.create_task(
            serve_technician(agent, host_key=keys.host, authorised=lambda line: False, doors=EchoDoors())
        )
        with pytest.raises(RefusedError):
            await connect_to_agent(technician, session_key=keys.session, host_key_line=public_line(keys.host))
        with pytest.raises(UnreachableError):
            await serving
        await technician.closed()
        await agent.closed()


async def test_no_packet_is_preceded_by_one_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncssh sends an IGNORE before each packet, which only helps ciphers that are not among ours."""
    ignored = []
    received = asyncssh.SSHServerConnection._packet_handlers[MSG_IGNORE]

    def count(connection: asyncssh.SSHServerConnection, kind: int, number: int, packet: SSHPacket) -> object:
        ignored.append(connection)
        return received(connection, kind, number, packet)

    handlers = {**asyncssh.SSHServerConnection._packet_handlers, MSG_IGNORE: count}
    monkeypatch.setattr(asyncssh.SSHServerConnection, "_packet_handlers", handlers)
    monkeypatch.setattr(asyncssh.SSHClientConnection, "_packet_handlers", handlers)
    async with connected() as world:
        before = len(ignored)
        channel = await open_channel(world.client)
        await channel.send(AskStatus())
        assert await channel.receive() == Done(action="status", status="done")
        await channel.close()
        assert len(ignored) == before

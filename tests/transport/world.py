"""A technician and an agent with fresh keys, joined by an SSH connection over two spliced links."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncssh

from remote_assist.core.messages import Message
from remote_assist.core.requests import AskStatus, Done, InputEnd, ReadFile
from remote_assist.core.signing.keys import PrivateKey, new_key, public_line
from remote_assist.transport.channel import ConversationEnded, MessageChannel
from remote_assist.transport.dial import dial
from remote_assist.transport.doors import ClosedDoors
from remote_assist.transport.ssh import connect_to_agent, serve_technician
from remote_assist.transport.streams import StreamTunnel
from tests.transport.splice import Splice, Tamper, spliced

BLOCK = bytes(range(256)) * 512


@dataclass
class Keys:
    host: PrivateKey = field(default_factory=lambda: new_key(secrets.token_bytes(32)))
    session: PrivateKey = field(default_factory=lambda: new_key(secrets.token_bytes(32)))


class EchoDoors(ClosedDoors):
    """Answers AskStatus with Done, ReadFile with `offset` blocks of data, echoes data; keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.ended: list[str] = []

    async def refused(self, door: str, detail: str, peer_key: str) -> None:
        self.told.append((door, detail, peer_key))

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        try:
            while True:
                await self._answer(await channel.receive(), channel)
        except ConversationEnded:
            self.ended.append("in order")
        except Exception as error:
            self.ended.append(type(error).__name__)
            raise

    async def _answer(self, said: Message | bytes, channel: MessageChannel) -> None:
        match said:
            case bytes():
                await channel.send_data(said)
            case ReadFile(offset=blocks):
                for _ in range(blocks):
                    await channel.send_data(BLOCK)
                await channel.send(Done(action="read", status="done", size=blocks * len(BLOCK)))
            case AskStatus() | InputEnd():
                await channel.send(Done(action="status", status="done"))


@dataclass
class World:
    """Both ends of one open connection."""

    splice: Splice
    keys: Keys
    doors: EchoDoors
    client: asyncssh.SSHClientConnection
    server: asyncssh.SSHServerConnection
    tunnels: tuple[StreamTunnel, StreamTunnel]


async def tunnels(splice: Splice, name: str = "s1", *, stream: int = 1) -> tuple[StreamTunnel, StreamTunnel]:
    """(technician's, agent's) ends of one stream."""
    technician, agent = await asyncio.gather(
        dial(splice.url, f"/{name}/technician"), dial(splice.url, f"/{name}/agent")
    )
    return StreamTunnel(technician, stream=stream, epoch=1), StreamTunnel(agent, stream=stream, epoch=1)


@asynccontextmanager
async def connected(
    tamper: Tamper | None = None, *, max_channels: int = 32, doors: EchoDoors | None = None
) -> AsyncIterator[World]:
    """A whole connection; closed in order at the end."""
    async with spliced(tamper) as splice:
        keys, doors = Keys(), doors or EchoDoors()
        ends = await tunnels(splice)
        client, server = await asyncio.gather(
            connect_to_agent(ends[0], session_key=keys.session, host_key_line=public_line(keys.host)),
            serve_technician(
                ends[1],
                host_key=keys.host,
                authorised=lambda line: line == public_line(keys.session),
                doors=doors,
                max_channels=max_channels,
            ),
        )
        try:
            yield World(splice, keys, doors, client, server, ends)
        finally:
            client.close()
            server.close()
            await asyncio.gather(*(end.closed() for end in ends))

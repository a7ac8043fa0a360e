"""The door for forwarded connections: to a host and port the customer saw and granted, and nowhere else.

Rule 1: one connection is one action; its outcome says how many bytes went each way. Rule 2: a name is resolved at its
first use in the session and never again, so nobody can let it point elsewhere between the check and the use.
"""

import asyncio
import contextlib

from remote_assist.agent.actions import Action, Ending
from remote_assist.agent.gate import DISCONNECTED, Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.records import Actor
from remote_assist.core.wishes import Endpoint
from remote_assist.errors import UnreachableError
from remote_assist.transport.doors import Opening, RemoteProgram
from remote_assist.transport.outward import Pinned, dial, pin

PIECE_BYTES = 64 << 10


class ForwardDoor:
    """Forwarded connections of one session."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._pins: dict[Endpoint, Pinned] = {}

    async def carry(self, endpoint: Endpoint, opening: Opening, actor: Actor, key: str) -> None:
        """One connection from its opening to its end. Raises RefusedError, or UnreachableError before it is open."""

        async def work(machine: Machine, running: Running) -> Ending:
            reader, writer = await dial(await self._pinned(endpoint))
            running.on_stop(writer.transport.abort)
            try:
                return await _carry(await opening.accept(), reader, writer, running)
            finally:
                writer.transport.abort()

        wanted = lambda: not opening.gone.is_set()  # noqa: E731  # a name for the reader, used once
        performed = await self._gate.perform(actor, key, forward_action(endpoint), work, wanted=wanted)
        if performed.error is not None:
            raise performed.error

    async def _pinned(self, endpoint: Endpoint) -> Pinned:
        if endpoint not in self._pins:
            self._pins[endpoint] = await pin(endpoint)
        return self._pins[endpoint]


def forward_action(endpoint: Endpoint) -> Action:
    """One connection to one endpoint."""
    return Action(code="RA1500", scope="forward", what=say("what.forward", endpoint=endpoint), place=str(endpoint))


async def _carry(
    remote: RemoteProgram, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, running: Running
) -> Ending:
    """Bytes both ways until both are done, or one end is gone."""
    counts = {"sent": 0, "received": 0}

    def count(name: str, raw: bytes) -> None:
        counts[name] += len(raw)
        running.partial = Ending(sizes=dict(counts), size=sum(counts.values()))

    async def send() -> None:
        while raw := await remote.read():
            await running.pace()
            writer.write(raw)
            count("sent", raw)
            await writer.drain()
        if not remote.gone.is_set() and writer.can_write_eof():
            writer.write_eof()

    async def receive() -> None:
        while raw := await reader.read(PIECE_BYTES):
            await running.pace()
            count("received", raw)
            await remote.write(raw)
        remote.channel.write_eof()

    async def both_ways() -> bool:
        await asyncio.gather(send(), receive())
        return True

    both, gone = asyncio.create_task(both_ways()), asyncio.create_task(remote.gone.wait())
    try:
        await asyncio.wait({both, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not both.done():
            return Ending(status="cancelled", reason=DISCONNECTED, sizes=dict(counts), size=sum(counts.values()))
        with contextlib.suppress(OSError, UnreachableError):  # whoever hung up first ended it; the counts say how far
            both.result()
        return Ending(sizes=dict(counts), size=sum(counts.values()))
    finally:
        both.cancel()
        gone.cancel()
        await asyncio.gather(both, gone, return_exceptions=True)
        if not remote.gone.is_set():
            remote.channel.close()

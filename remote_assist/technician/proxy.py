"""Carries somebody else's SSH between two pipes and a session's agent: what `ProxyCommand` runs.

Rule: bytes pass unread. Who may log in is the agent's to decide, which host key is right the SSH client's.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, cast

from remote_assist.errors import UnreachableError, UsageError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.home import LOG_IN_AGAIN, Home, addresses_of
from remote_assist.technician.road import Road, open_tunnel

READ_BYTES = 256 << 10
"""Most bytes read from the client at once."""


async def carry(
    settings: TechnicianSettings, session: str, *, source: int, goal: int, clock: Callable[[], datetime]
) -> None:
    """Connect the pipes `source` (from the client) and `goal` (to it) to the session's agent, until one side ends.

    Raises UsageError (not a session from here, no pipes), RefusedError (over), UnreachableError (away, cut off).
    """
    home = Home(settings.home)
    identity, token, folder = home.identity(), home.token(), home.session(session)
    if folder.facts().relay != identity.relay:
        raise UsageError(f"session {session} runs through {folder.facts().relay}", advice=LOG_IN_AGAIN)
    folder.check_usable(clock())
    _check_pipes(source, goal)
    addresses = addresses_of(settings, identity)
    link, tunnel = await open_tunnel(Road(settings, addresses, token.token, session, folder, clock))
    try:
        carrier = Carrier()
        with _end_when_told(carrier):
            await tunnel.create_connection(lambda: carrier.inner)
            await carrier.start(source, goal)
            await carrier.over
            carrier.close()
            await tunnel.closed()
    finally:
        await link.close()


class Carrier:
    """Two one-way roads, each at the pace of its far end. `over` is done when either side ended."""

    def __init__(self) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.inner = _Inner(self)
        self.outer = _Outer(self)
        self.writer = _Writer(self)

    async def start(self, source: int, goal: int) -> None:
        """Take the pipes over."""
        loop = asyncio.get_running_loop()
        self.writer.transport, _ = await loop.connect_write_pipe(lambda: self.writer, os.fdopen(goal, "wb", 0))
        self.writer.transport.set_write_buffer_limits(high=READ_BYTES * 4)
        for raw in self.inner.early:
            self.writer.transport.write(raw)
        self.inner.early.clear()
        self.outer.transport, _ = await loop.connect_read_pipe(lambda: self.outer, os.fdopen(source, "rb", 0))
        cast(Any, self.outer.transport).max_size = READ_BYTES

    def end(self, fault: Exception | None = None) -> None:
        """One side is over; `fault` when it broke."""
        if self.over.done():
            return
        if fault is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(UnreachableError(f"the connection to the agent was lost: {fault}"))

    def close(self) -> None:
        """Close what is open; what was written still goes out."""
        for transport in (self.inner.transport, self.outer.transport, self.writer.transport):
            if transport is not None:
                transport.close()


class _Inner(asyncio.Protocol):
    """The stream to the agent."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.transport: Any = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        pipe = self._carrier.writer.transport
        if pipe is None:
            self.early.append(data)
        else:
            pipe.write(data)

    def pause_writing(self) -> None:
        if self._carrier.outer.transport is not None:
            self._carrier.outer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._carrier.outer.transport is not None:
            self._carrier.outer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._carrier.end(exc)


class _Outer(asyncio.Protocol):
    """What the client sends."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.transport: Any = None

    def data_received(self, data: bytes) -> None:
        self._carrier.inner.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._carrier.end()


class _Writer(asyncio.Protocol):
    """What the client gets."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.transport: Any = None

    def pause_writing(self) -> None:
        self._carrier.inner.transport.pause_reading()

    def resume_writing(self) -> None:
        self._carrier.inner.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._carrier.end()


@contextlib.contextmanager
def _end_when_told(carrier: Carrier) -> Iterator[None]:
    """ssh tells its proxy to go by a signal: the stream still ends in order, so that nobody waits for it to return."""
    loop = asyncio.get_running_loop()
    told: list[int] = []
    for name in ("SIGHUP", "SIGTERM"):
        number = getattr(signal, name, None)
        with contextlib.suppress(NotImplementedError):  # systems whose loop takes no signals
            if number is not None:
                loop.add_signal_handler(number, carrier.end)
                told.append(number)
    try:
        yield
    finally:
        for number in told:
            loop.remove_signal_handler(number)


def _check_pipes(source: int, goal: int) -> None:
    if os.isatty(source) or os.isatty(goal):
        raise UsageError(
            "proxy carries another program's bytes and is no shell",
            advice="`remote-assist ssh-config SESSION` prints the ssh configuration that uses it.",
        )

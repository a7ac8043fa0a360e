"""A forwarded connection's SSH channel at the agent: opened only once its target is connected.

direct-tcpip → Doors.forward(host, port, opening) ── opening.accept() ──▶ confirmation to the peer, bytes both ways
                               └─ raises ──▶ open failure with the sentence
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from remote_assist.core.wishes import Endpoint
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.channel import SEND_HIGH_BYTES
from remote_assist.transport.doors import Doors, RemoteProgram
from remote_assist.transport.ssh_library import asyncssh

OPEN_SECONDS = 20.0
"""How long the peer's confirmation may take to become a channel."""


class ForwardOpening(asyncssh.SSHTCPSession[bytes]):
    """One channel that is asked for. The door calls `accept` when its own end is ready."""

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self._accepted = asyncio.Event()
        self._channel: asyncio.Future[RemoteProgram] = asyncio.get_running_loop().create_future()
        self._program: RemoteProgram | None = None
        self.gone = asyncio.Event()
        """Set when the peer no longer waits for it."""

    async def accept(self) -> RemoteProgram:
        """Tell the peer that it is open; answer its bytes. Raises UnreachableError when nobody is there any more."""
        self._accepted.set()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await asyncio.shield(self._channel)
        except TimeoutError as error:
            raise UnreachableError("the other end closed the channel") from error

    async def served(self, serving: "asyncio.Task[None]") -> "ForwardOpening":
        """This session once it is accepted. Raises ChannelOpenError with the sentence when the door said no."""
        accepting = asyncio.create_task(self._accepted.wait())
        try:
            await asyncio.wait({accepting, serving}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.abandon()
            raise
        finally:
            accepting.cancel()
        if self._accepted.is_set():
            return self
        self._closed()
        raise _open_failure(serving)

    def abandon(self) -> None:
        """The connection went before the channel was open."""
        self.gone.set()
        if not self._channel.done():
            self._channel.set_exception(UnreachableError("the other end closed the channel"))
            self._channel.exception()  # whoever waits gets it; nobody has to

    def connection_made(self, chan: Any) -> None:
        chan.set_write_buffer_limits(high=SEND_HIGH_BYTES)
        self._program = RemoteProgram(chan)
        if not self._channel.done():
            self._channel.set_result(self._program)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        assert self._program is not None
        self._program.feed(data)

    def eof_received(self) -> bool:
        assert self._program is not None
        self._program.feed_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed()
        self.abandon()
        if self._program is not None:
            self._program.lost()

    def pause_writing(self) -> None:
        assert self._program is not None
        self._program.pause_writing()

    def resume_writing(self) -> None:
        assert self._program is not None
        self._program.resume_writing()


@contextlib.asynccontextmanager
async def listening(connection: asyncssh.SSHClientConnection, endpoint: Endpoint, port: int = 0) -> AsyncIterator[int]:
    """The technician's end: a port of this machine's loopback (0: any free one) that leads to `endpoint`.

    Raises UsageError when the port is taken.
    """
    try:
        listener = await connection.forward_local_port("127.0.0.1", port, endpoint.host, endpoint.port)
    except OSError as error:
        raise UsageError(
            f"127.0.0.1:{port} cannot be listened on: {error.strerror}", advice="Choose another --port."
        ) from error
    try:
        yield listener.get_port()
    finally:
        listener.close()
        await listener.wait_closed()


async def serve_forward(doors: Doors, host: str, port: int, opening: ForwardOpening, peer_key: str) -> None:
    """Go through the door; a failure before it was accepted becomes the open failure's sentence."""
    try:
        await doors.forward(host, port, opening, peer_key)
    finally:
        opening.gone.set()


def _open_failure(serving: "asyncio.Task[None]") -> asyncssh.ChannelOpenError:
    error = None if serving.cancelled() else serving.exception()
    if isinstance(error, RefusedError):
        return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, error.message)
    sentence = error.message if isinstance(error, AssistError) else "the agent failed at this request"
    return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, sentence)

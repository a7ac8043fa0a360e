"""A program on a Windows machine while it runs: output as it comes, input, and a way to end it there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.errors import AssistError

if TYPE_CHECKING:  # only a name for types: pywinrm is loaded once a machine is reached
    from remote_assist.transport.hops.winrm_connection import Connection

T = TypeVar("T")

WAITING_PIECES = 64


class Lender(Protocol):
    """The hop a program runs on: lends a connection, and threads to wait in."""

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Wait for a call that blocks. Raises AssistError."""

    async def blocking(self, work: "Callable[[Connection], T]") -> T:
        """The same with a connection of the hop's own."""

    def give_back(self, connection: "Connection") -> None:
        """The program is over."""


class WinrmProgram:
    """Offers what transport/posix/programs.py's RunningProgram does."""

    def __init__(self, hop: Lender, connection: "Connection") -> None:
        self._hop = hop
        self._connection = connection
        self._number = ""
        self._pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue(WAITING_PIECES)
        self._pump: asyncio.Task[int] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._input = True
        self._stopped = False

    async def begin(self, argv: Sequence[str], *, stdin: bool) -> None:
        """Start it. Raises AssistError."""
        self._number = await self._call(lambda: self._connection.begin(argv))
        self._input = stdin
        self._pump = asyncio.create_task(self._read())

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(KIND_DATA or KIND_ERROR, bytes) as they come; who does not read stops the reading, and so the program."""
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def feed(self, raw: bytes | memoryview) -> None:
        """Bytes for standard input."""
        if self._input:
            await self._send(bytes(raw), end=False)

    def close_stdin(self) -> None:
        """End of input."""
        if self._input:
            self._input = False
            self._later(self._send(b"", end=True))

    def terminate(self) -> None:
        """End it there. Returns at once."""
        if not self._stopped:
            self._stopped = True
            self._later(self._end())

    def kill(self) -> None:
        """The same: Windows asks nobody."""
        self.terminate()

    def pass_signal(self, name: str) -> None:
        """Windows programs know no signals but the end."""
        if name in {"INT", "TERM", "KILL", "HUP"}:
            self.terminate()

    async def wait(self) -> int:
        """Its exit status. Raises AssistError when the machine went away."""
        assert self._pump is not None
        return await asyncio.shield(self._pump)

    async def finish(self) -> int:
        """End what is left of it and let go."""
        assert self._pump is not None
        if not self._pump.done():
            self.terminate()
            self._stopped = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        with contextlib.suppress(AssistError):
            status = await self._pump
            await self._call(lambda: self._connection.end(self._connection.shell, self._number))
            self._hop.give_back(self._connection)
            return status
        return -1

    async def _read(self) -> int:
        try:
            while True:
                out, err, status, over = await self._call(lambda: self._connection.next_output(self._number))
                for kind, raw in ((KIND_DATA, out), (KIND_ERROR, err)):
                    if raw and not self._stopped:
                        await self._pieces.put((kind, raw))
                if over or self._stopped:
                    return status
        finally:
            self._later(self._pieces.put(None))

    async def _send(self, raw: bytes, *, end: bool) -> None:
        shell, number = self._connection.shell, self._number
        with contextlib.suppress(AssistError):  # it has ended; what a closed input gets is dropped
            await self._hop.blocking(lambda connection: connection.send(shell, number, raw, end=end))

    async def _end(self) -> None:
        shell, number = self._connection.shell, self._number
        with contextlib.suppress(AssistError):
            await self._hop.blocking(lambda connection: connection.end(shell, number))

    async def _call(self, work: Callable[[], T]) -> T:
        return await self._hop.in_thread(work)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

"""A TCP proxy on loopback that misbehaves as networks do: it cuts, stalls, half-closes, delays and throttles.

Runs in a thread with a loop of its own, so that programs and blocking tests can use it. Knows a connection by the
first line of its request; everything else it passes on unread.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

CHUNK_BYTES = 16 << 10
TECHNICIAN_STREAM, AGENT_STREAM, CONTROL = b"/stream", b"/v1/streams/", b"/v1/agent"


@dataclass(eq=False)
class Wire:
    """One connection through the proxy. `budget`: bytes until it is cut; `request`: its first line."""

    request: bytes
    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    budget: int | None = None
    passed: int = 0
    idle: "asyncio.Timeout | None" = None

    def cut(self) -> None:
        """A reset, both ways, unsent bytes lost."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass
class TcpProxy:
    """Forwards `port` to `target`. Every method may be called from any thread."""

    port: int
    target: int
    delay_seconds: float = 0.0
    bytes_per_second: float = 0.0
    idle_seconds: float = 0.0
    """Connections dialled from now on are cut once nothing passed for so long, as middle boxes do; 0: never."""
    wires: list[Wire] = field(default_factory=list)
    budgets: list[int] = field(default_factory=list)
    """Each technician's stream dialled next takes one of these, and is cut after so many bytes."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._open = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._server = self._in_loop(asyncio.start_server(self._serve, "127.0.0.1", self.port)).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._stop()).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def cut(self, kind: bytes = b"", *, refuse: bool = False) -> int:
        """Reset the connections whose request names `kind`; with `refuse` take none until `restore`. How many."""

        async def work() -> int:
            self._open = self._open and not refuse
            hit = [wire for wire in self.wires if kind in wire.request]
            for wire in hit:
                wire.cut()
            return len(hit)

        return int(self._in_loop(work()).result(5))

    def restore(self) -> None:
        """Take connections again, and let bytes flow."""
        self._loop.call_soon_threadsafe(self._flowing.set)
        self._open = True

    def stall(self) -> None:
        """Nothing passes, nobody is told."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def half_close(self, kind: bytes) -> None:
        """Say to the relay that the client sends nothing more; its bytes still come."""

        async def work() -> None:
            for wire in self.wires:
                if kind in wire.request:
                    wire.writers[1].write_eof()

        self._in_loop(work()).result(5)

    def count(self, kind: bytes) -> int:
        """How many connections of a kind are up."""
        return sum(kind in wire.request for wire in self.wires)

    def _in_loop(self, work: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _stop(self) -> None:
        self._server.close()
        for wire in list(self.wires):
            wire.cut()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self._open:
                writer.transport.abort()
                return
            first = await reader.read(CHUNK_BYTES)
            there, onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        request = first.partition(b"\r\n")[0]
        wire = Wire(request, (writer, onward))
        if TECHNICIAN_STREAM in request.split(b"?")[0] and AGENT_STREAM not in request and self.budgets:
            wire.budget = self.budgets.pop(0)
        self.wires.append(wire)
        onward.write(first)
        try:
            async with asyncio.timeout(self.idle_seconds or None) as wire.idle:
                await asyncio.gather(self._pump(wire, reader, onward), self._pump(wire, there, writer))
        except TimeoutError:
            wire.cut()
        finally:
            self.wires.remove(wire)
            for end in wire.writers:
                end.close()

    async def _pump(self, wire: Wire, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, OSError, RuntimeError):
            while data := await source.read(CHUNK_BYTES):
                if self.idle_seconds and wire.idle is not None:
                    wire.idle.reschedule(self._loop.time() + self.idle_seconds)
                await self._flowing.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if self.bytes_per_second:
                    await asyncio.sleep(len(data) / self.bytes_per_second)
                if self._is_spent(wire, len(data)):
                    wire.cut()
                    return
                sink.write(data)
                await sink.drain()
            sink.write_eof()

    @staticmethod
    def _is_spent(wire: Wire, size: int) -> bool:
        wire.passed += size
        return wire.budget is not None and wire.passed > wire.budget


def until(condition: Callable[[], object]) -> "asyncio.Future[None]":
    """A wait, at most 60 s, for something another thread or program does."""

    async def wait() -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    return asyncio.ensure_future(wait())

"""The recording of one terminal: what it showed, cut into sealed chunks, each in the log before it travels.

    output ─▶ asciicast events ─▶ 64 KiB or 5 s ─▶ sealed → disk → record → relay
                                  └── at most 256 KiB, or 60 s, that the relay has not stored: then the terminal waits

Rule 1: `take` returns when a piece is on the tape; the piece is shown to nobody before that.
Rule 2: when the recording cannot go on, the tape is broken: `take` raises, and `on_broken` is told, once.
Rule 3: what is typed is not recorded unless the settings say so; markers say that something was entered.
"""

import asyncio
from collections.abc import Callable

from remote_assist.agent.record.recordings import RECORDING_CHUNK, Recordings
from remote_assist.core.log.asciicast import (
    INPUT,
    MARKER,
    RESIZE,
    Event,
    Header,
    TextDecoder,
    event_line,
    header_line,
)
from remote_assist.errors import AuditUnavailable

CHUNK_BYTES = 64 << 10
"""A chunk is cut when it holds so much."""

CHUNK_SECONDS = 5.0
"""… or when its first event is so old."""

UNSTORED_BYTES = 256 << 10
"""Recording that the relay may lack while the terminal goes on (PROTOCOL 4, outage)."""

PIECE_BYTES = 16 << 10
"""Most bytes of one event: even where every byte takes six characters its line fits into a chunk."""

MAX_TEXT_CHARS = 256
"""Longest marker."""


class Tape:
    """One recording. `take`, `mark`, `resized` while it runs; `close` writes the last chunk."""

    def __init__(
        self, made_with: Recordings, name: str, header: Header, on_broken: Callable[[AuditUnavailable], None]
    ) -> None:
        self.name = name
        self.chunks = 0
        self._with = made_with
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._shown = TextDecoder()
        self._typed = TextDecoder(INPUT)
        self._lines = bytearray(header_line(header))
        self._first_at = self._began
        self._unstored: dict[int, tuple[int, float]] = {}
        self._moved = asyncio.Event()
        self._cutting = asyncio.Lock()
        self._fault: AuditUnavailable | None = None
        self._timer = asyncio.create_task(self._cut_in_time())

    async def take(self, raw: bytes) -> None:
        """Record what is about to be shown; waits while too much is not stored. Raises AuditUnavailable."""
        await self._record(self._shown, raw)
        await self.room()

    async def typed(self, raw: bytes) -> None:
        """Record what is about to be typed, or only that a line was entered; waits as `take`. Raises as it."""
        if self._with.policy.record_input:
            await self._record(self._typed, raw)
        if b"\r" in raw:
            self.mark("enter")
        await self.room()

    def resized(self, columns: int, rows: int) -> None:
        """The window has another size from now on."""
        self._add(Event(self._seconds, RESIZE, f"{columns}x{rows}"))

    def mark(self, label: str) -> None:
        """Something happened now: players jump to it."""
        self._add(Event(self._seconds, MARKER, label[:MAX_TEXT_CHARS]))

    async def room(self) -> None:
        """Wait until the relay has stored enough. Raises AuditUnavailable when the recording cannot go on."""
        while True:
            if self._fault is not None:
                raise self._fault
            if not self._behind:
                return
            self._moved.clear()
            await self._moved.wait()

    async def flush(self) -> None:
        """Cut a chunk now, if there is anything. Raises AuditUnavailable."""
        await asyncio.shield(asyncio.ensure_future(self._cut_all()))  # a chunk that was begun is in the log
        if self._fault is not None:
            raise self._fault

    async def close(self) -> None:
        """Write down the rest. Raises AuditUnavailable; the timer is stopped in any case."""
        self._timer.cancel()
        self._add(
            *self._shown.events(self._seconds, b"", final=True), *self._typed.events(self._seconds, b"", final=True)
        )
        await self.flush()

    @property
    def _seconds(self) -> float:
        return self._loop.time() - self._began

    @property
    def _behind(self) -> bool:
        unstored = sum(size for size, _ in self._unstored.values())
        oldest = min((at for _, at in self._unstored.values()), default=self._loop.time())
        return (
            unstored + len(self._lines) >= UNSTORED_BYTES
            or self._loop.time() - oldest > self._with.policy.outage_grace_seconds
        )

    async def _record(self, decoder: TextDecoder, raw: bytes) -> None:
        for at in range(0, len(raw), PIECE_BYTES):
            self._add(*decoder.events(self._seconds, raw[at : at + PIECE_BYTES]))
            if len(self._lines) >= CHUNK_BYTES:
                await self.flush()

    async def _cut_all(self) -> None:
        async with self._cutting:
            while self._lines and self._fault is None:
                await self._cut()

    def _add(self, *events: Event) -> None:
        if events and not self._lines:
            self._first_at = self._loop.time()
        for event in events:
            self._lines += event_line(event)

    async def _cut_in_time(self) -> None:
        """Also a terminal that shows little is recorded soon, and one that waited too long is let go on."""
        try:
            while True:
                await asyncio.sleep(CHUNK_SECONDS / 5)
                if self._lines and self._loop.time() - self._first_at >= CHUNK_SECONDS:
                    await self.flush()
        except AuditUnavailable:
            return  # told to `on_broken`

    async def _cut(self) -> None:
        """One chunk: whole lines, sealed, on the disk, in the log, offered."""
        content, number = self._take_lines(), self.chunks
        self.chunks += 1
        made = self._with
        self._unstored[number] = (len(content), self._first_at)
        self._first_at = self._loop.time()
        try:
            await made.keep(RECORDING_CHUNK, self.name, number, content, lambda fault: self._answered(number, fault))
        except AuditUnavailable as error:
            self._break(error)

    def _take_lines(self) -> bytes:
        """At most one chunk of whole lines off the front (a single longer line is a chunk of its own)."""
        end = len(self._lines)
        if end > CHUNK_BYTES:
            end = self._lines.rfind(b"\n", 0, CHUNK_BYTES) + 1 or self._lines.index(b"\n") + 1
        content = bytes(self._lines[:end])
        del self._lines[:end]
        return content

    def _answered(self, number: int, fault: AuditUnavailable | None) -> None:
        del self._unstored[number]
        if fault is not None:
            self._break(fault)
        self._moved.set()

    def _break(self, fault: AuditUnavailable) -> None:
        if self._fault is None:
            self._fault = fault
            self._moved.set()
            self._on_broken(fault)

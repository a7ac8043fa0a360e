"""`audit replay`: a terminal's recording, checked against the log, played in this terminal.

    space pause   + - speed   → ← 5 s   ↑ ↓ 60 s   n next action   / search   0 begin anew   q quit

Rule 1: nothing is played before its chunk was checked against the log. Rule 2: to a terminal goes only what
core/picture/terminal_filter.py lets through: a recording can neither answer nor retitle nor reach the clipboard.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from remote_assist.commands.audit.fetch import is_log_name, open_api
from remote_assist.commands.audit.kept import KeptReader, check_kept, damaged_line, told
from remote_assist.commands.printing import Printer
from remote_assist.commands.standard_streams import stdin_chunks, write_all
from remote_assist.core.log.asciicast import MARKER, OUTPUT, RESIZE, Event, Header, read_cast
from remote_assist.core.log.kept import RECORDING
from remote_assist.core.log.reel import MAX_IDLE_SECONDS, SPEEDS, Reel
from remote_assist.core.picture.terminal_filter import TerminalFilter
from remote_assist.errors import ContentError, Exit, UsageError
from remote_assist.transport.own_terminal import raw_keys, window_size

READ_BYTES = 256 << 10
SHORT_SECONDS, LONG_SECONDS = 5.0, 60.0
STDOUT = 1
CLEAR = "\x1b[0m\x1b[?1049l\x1b[?25h\x1b[r\x1b(B\x1b[2J\x1b[H"
KEYS = {
    b" ": "pause", b"+": "faster", b"=": "faster", b"-": "slower", b"n": "next", b"/": "search", b"0": "again",
    b"q": "quit", b"\x03": "quit", b"\x04": "quit", b"\x1b[C": "right", b"\x1b[D": "left", b"\x1b[A": "up",
    b"\x1b[B": "down", b"\x1bOC": "right", b"\x1bOD": "left", b"\x1bOA": "up", b"\x1bOB": "down", b".": "next",
}  # fmt: skip
HELP = "space pause  + - speed  arrows seek  n next action  / search  0 begin anew  q quit"


def add_replay_options(parser: argparse.ArgumentParser) -> None:
    """What is played, and how."""
    parser.add_argument("what", metavar="SESSION|FILE", help="a session, or an asciicast file")
    parser.add_argument("--action", default="", metavar="aN", help="which recording, when the session has several")
    parser.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key: recordings are sealed")
    parser.add_argument("--speed", type=float, default=1.0, metavar="N", help="1 is as it was")
    parser.add_argument(
        "--max-idle", type=float, default=MAX_IDLE_SECONDS, metavar="SECONDS", help="longer waits are cut to this"
    )


async def replay(arguments: argparse.Namespace) -> int:
    """Run `audit replay`."""
    printer = Printer(arguments)
    if not 0 < arguments.speed <= SPEEDS[-1]:
        raise UsageError(f"a speed is more than 0 and at most {SPEEDS[-1]:g}")
    if not is_log_name(arguments.what):
        with await asyncio.to_thread(check_kept(Path(arguments.what)).open, "rb") as file:
            await _play(file, arguments)
        return Exit.DONE
    async with open_api(arguments) as api:
        reader = await KeptReader.of(api, arguments, arguments.what)
        kept = reader.named(arguments.action, RECORDING)
        with tempfile.TemporaryFile() as file:  # has no name, so it is gone with us
            async for piece in reader.pieces(kept):
                await asyncio.to_thread(file.write, damaged_line(piece) if piece.fault else piece.content)
            await _play(file, arguments)
    return told(printer, reader)


async def _play(file: BinaryIO, arguments: argparse.Namespace) -> None:
    header, events = read_cast(_from_start(file))
    interactive = os.isatty(STDOUT) and os.isatty(0)
    if not interactive:
        await _pour(events)
        return
    reel = Reel(lambda: read_cast(_from_start(file))[1], max_idle=arguments.max_idle)
    _warn_of_size(header)
    with raw_keys():
        await Player(reel, arguments.speed).play(stdin_chunks())


def _from_start(file: BinaryIO) -> Iterator[bytes]:
    position = 0
    while piece := _at(file, position):
        position += len(piece)
        yield piece


def _at(file: BinaryIO, position: int) -> bytes:
    file.seek(position)  # several readers share the file
    return file.read(READ_BYTES)


async def _pour(events: Iterable[Event]) -> None:
    """Everything at once: into a pipe or file."""
    safe = TerminalFilter()
    for event in events:
        if event.kind == OUTPUT:
            await asyncio.to_thread(write_all, STDOUT, safe.feed(event.text).encode())


def _warn_of_size(header: Header) -> None:
    columns, rows = window_size()
    if header.width > columns or header.height > rows:
        size = f"{header.width} × {header.height}"
        sys.stderr.write(f"the recording was made in a window of {size}; this one is smaller\n")


class Player:
    """Plays a reel at a terminal until it is left."""

    def __init__(self, reel: Reel, speed: float) -> None:
        self._reel = reel
        self._speed = speed
        self._paused = False
        self._asking: str | None = None
        self._safe = TerminalFilter()
        self._note = ""

    async def play(self, typed: AsyncIterator[bytes]) -> None:
        """Until q, Ctrl-C or the end of the keys. At the end of the recording it waits."""
        keys: asyncio.Queue[bytes] = asyncio.Queue(64)
        reading = asyncio.create_task(_hand_over(typed, keys))
        await self._write(CLEAR)
        try:
            while (key := await self._key(keys)) != b"":
                if key is None:
                    await self._show_next()
                elif not await self._act(key):
                    return
        except ContentError as error:
            await self._status(error.message)
            await keys.get()
        finally:
            reading.cancel()
            await self._write("\x1b[0m\x1b[?25h\x1b[?1049l\x1b[r\r\n")

    async def _key(self, keys: "asyncio.Queue[bytes]") -> bytes | None:
        """A key; None when the next event is due."""
        stands = self._paused or self._asking is not None or self._reel.next_at is None
        wait = None if stands else max(0.0, ((self._reel.next_at or 0.0) - self._reel.position) / self._speed)
        if stands:
            await self._status(self._note)
        try:
            async with asyncio.timeout(wait):
                return await keys.get()
        except TimeoutError:
            return None

    async def _show_next(self) -> None:
        event = self._reel.take()
        if event is not None:
            await self._write(self._text(event))

    async def _act(self, key: bytes) -> bool:
        """Do what a key says; False to leave."""
        if self._asking is not None:
            await self._answer(key)
            return True
        self._note = ""
        match KEYS.get(key):
            case "quit":
                return False
            case "pause":
                self._paused = not self._paused
                if not self._paused:
                    await self._clear_status()
            case "faster" | "slower" as way:
                self._speed = _other_speed(self._speed, 1 if way == "faster" else -1)
                await self._status(f"speed {self._speed:g}")
            case "right" | "up" as way:
                await self._run(
                    self._reel.until(self._reel.position + (SHORT_SECONDS if way == "right" else LONG_SECONDS))
                )
            case "left" | "down" as way:
                await self._back(SHORT_SECONDS if way == "left" else LONG_SECONDS)
            case "again":
                await self._back(self._reel.position)
            case "next":
                await self._run(self._reel.until_marker())
                self._paused = True
            case "search":
                self._asking = ""
            case _:
                await self._status(HELP)
        return True

    async def _answer(self, key: bytes) -> None:
        assert self._asking is not None
        if key in {b"\r", b"\n"}:
            text, self._asking = self._asking, None
            self._paused = True
            if text:
                await self._run(self._reel.until_text(text))
                self._note = f"found: {text}" if self._reel.found else f"not found from there on: {text}"
        elif key in {b"\x1b", b"\x03"}:
            self._asking = None
        elif key in {b"\x7f", b"\b"}:
            self._asking = self._asking[:-1]
        else:
            self._asking += "".join(sign for sign in key.decode(errors="ignore") if sign.isprintable())

    async def _back(self, seconds: float) -> None:
        position = max(0.0, self._reel.position - seconds)
        self._reel.rewind()
        self._safe = TerminalFilter()
        await self._write(CLEAR)
        await self._run(self._reel.until(position))

    async def _run(self, events: Iterator[Event]) -> None:
        """Show many events at once."""
        parts: list[str] = []
        size = 0
        for event in events:
            parts.append(self._text(event))
            size += len(parts[-1])
            if size > READ_BYTES:
                await self._write("".join(parts))
                parts, size = [], 0
        await self._write("".join(parts))

    def _text(self, event: Event) -> str:
        if event.kind == OUTPUT:
            return self._safe.feed(event.text)
        if event.kind == MARKER:
            self._note = f"at: {event.text}"
        elif event.kind == RESIZE:
            self._note = f"window {event.text}"
        return ""

    async def _status(self, note: str) -> None:
        """One line at the bottom; the cursor stays where the recording has it."""
        _, rows = window_size()
        if self._asking is not None:
            words = f" /{self._asking}"
        else:
            ended = "end" if self._reel.next_at is None else "paused" if self._paused else "playing"
            words = f" {ended}  {_clock(self._reel.position)}  ×{self._speed:g}  {note or HELP}"
        line = TerminalFilter(plain=True).feed(words).replace("\n", " ")[: window_size()[0] - 1]
        await self._write(f"\x1b7\x1b[{rows};1H\x1b[0;7m{line}\x1b[K\x1b[0m\x1b8")

    async def _clear_status(self) -> None:
        _, rows = window_size()
        await self._write(f"\x1b7\x1b[{rows};1H\x1b[0m\x1b[K\x1b8")

    async def _write(self, text: str) -> None:
        if text:
            await asyncio.to_thread(write_all, STDOUT, text.encode())


async def _hand_over(typed: AsyncIterator[bytes], keys: "asyncio.Queue[bytes]") -> None:
    async for raw in typed:
        for key in [raw] if raw.startswith(b"\x1b") else [raw[at : at + 1] for at in range(len(raw))]:
            await keys.put(key)
    await keys.put(b"")


def _other_speed(speed: float, step: int) -> float:
    nearest = min(range(len(SPEEDS)), key=lambda at: abs(SPEEDS[at] - speed))
    return SPEEDS[min(max(nearest + step, 0), len(SPEEDS) - 1)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

"""Programs at a pseudo-terminal on POSIX: a shell as a person uses it, output as it comes, resizable.

Rule 1: who does not read stops the program at its terminal: nothing is kept here beyond one read.
Rule 2: a terminal that is closed hangs up: its session leader and whoever is in its foreground are signalled.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from remote_assist.core.requests import KIND_DATA
from remote_assist.transport.posix.guard import GUARD
from remote_assist.transport.posix.programs import (
    KILL_SECONDS,
    LINGER_SECONDS,
    PASSED_SIGNALS,
    TERMINATE_SECONDS,
    checked_argv,
    not_started,
)

assert sys.platform != "win32"  # posix_target.py imports this file where it belongs

import termios  # noqa: E402  # after the line that says where it exists

READ_BYTES = 16 << 10
"""Taken from a terminal at once: small, so that what is in flight when somebody presses Ctrl-C is little."""

MAX_SIDE = 10_000
"""Most columns or rows of a window."""


@dataclass(frozen=True, slots=True)
class Window:
    """A terminal's size in characters."""

    columns: int = 80
    rows: int = 24

    @classmethod
    def bounded(cls, columns: int, rows: int) -> "Window":
        """A size a peer asked for, made possible: 1 to 10,000; nothing said is 80 × 24."""
        return cls(min(columns, MAX_SIDE) if columns > 0 else 80, min(rows, MAX_SIDE) if rows > 0 else 24)


class RunningTerminal:
    """A program at a terminal of its own. The methods are those of RunningProgram, and `resize`."""

    def __init__(self, master: int, process: asyncio.SubprocessTransport, ear: "_Ear") -> None:
        self._master = master
        self._process = process
        self._ear = ear
        self._exited = ear.exited
        self._group = process.get_pid()
        self._closing: asyncio.Task[None] | None = None
        self._piece: bytes | None = None
        self._arrived: asyncio.Future[bool] | None = None
        self._is_watched = False

    @property
    def process_id(self) -> int:
        """Of the program: leader of its session and first process group."""
        return self._group

    @property
    def is_over(self) -> bool:
        """Whether the program has ended."""
        return self._exited.is_set()

    @property
    def shows_keys(self) -> bool:
        """Whether the terminal shows what is typed; not while a password is asked for."""
        return self._master >= 0 and bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(KIND_DATA, bytes) as they come. Ends when nobody holds the terminal, or soon after the program ended."""
        while raw := await self._read():
            yield KIND_DATA, raw

    async def feed(self, raw: bytes | memoryview) -> None:
        """Type `raw`, at the pace the terminal takes it. What a closed one gets is dropped."""
        rest = memoryview(raw)
        while rest and self._master >= 0 and not self._exited.is_set():
            try:
                rest = rest[os.write(self._master, rest) :]
            except BlockingIOError:
                await self._writable()
            except OSError:
                return

    def close_stdin(self) -> None:
        """Type the end-of-file character: a terminal's input has no other end."""
        with contextlib.suppress(OSError):
            os.write(self._master, b"\x04")

    def resize(self, columns: int, rows: int) -> Window:
        """Change the size; the programs in the foreground are told (SIGWINCH). Answers what it is now."""
        window = Window.bounded(columns, rows)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, _packed(window))
        return window

    def pass_signal(self, name: str) -> None:
        """Send the foreground a signal a stock client asked for; unknown names do nothing."""
        if name in PASSED_SIGNALS:
            self._signal(signal.Signals[f"SIG{name}"])

    def terminate(self) -> None:
        """Hang up; half a second later kill. Returns at once; harmless when over."""
        if self._closing is None:
            self._hang_up(signal.SIGHUP)
            self._closing = asyncio.create_task(self._kill_later())

    def kill(self) -> None:
        """End leader and foreground without asking them. Returns at once."""
        self._hang_up(signal.SIGKILL)

    async def wait(self) -> int:
        """Exit status, or -N for signal N, once the program ended."""
        await self._exited.wait()
        return self._status

    async def finish(self) -> int:
        """End what is left of it, close the terminal and answer its status; within two seconds."""
        try:
            if not self._exited.is_set():
                self.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TERMINATE_SECONDS + KILL_SECONDS):
                        await self._exited.wait()
        finally:
            self.kill()
            if self._closing is not None:
                self._closing.cancel()
            GUARD.forget(self._group)
            self._process.close()
            self._close()
        return self._status

    @property
    def _status(self) -> int:
        status = self._process.get_returncode()
        return -signal.SIGKILL if status is None else status

    async def _read(self) -> bytes:
        """The next output; empty at its end.

        The terminal stays watched from one read to the next: to begin and to stop watching for each key costs more
        than the key.
        """
        if self._piece is None and self._master >= 0:
            self._watch()
            if not await self._ear.first(self._arrival()) and self._master >= 0:
                await asyncio.wait([self._arrival()], timeout=LINGER_SECONDS)  # its last words may be on their way
        piece, self._piece = self._piece, None
        return piece or b""

    def _arrival(self) -> "asyncio.Future[bool]":
        """Done once a piece is there to be taken."""
        self._arrived = asyncio.get_running_loop().create_future()
        if self._piece is not None:
            self._arrived.set_result(True)
        return self._arrived

    def _watch(self) -> None:
        if not self._is_watched:
            self._is_watched = True
            asyncio.get_running_loop().add_reader(self._master, self._readable)

    def _unwatch(self) -> None:
        if self._is_watched:
            self._is_watched = False
            asyncio.get_running_loop().remove_reader(self._master)

    def _readable(self) -> None:
        """There is output. One piece may wait to be taken; then the terminal is watched no more until it is."""
        if self._piece is not None:
            self._unwatch()
            return
        try:
            self._piece = os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the last process that held the terminal is gone
                raise
            self._piece = b""
        if not self._piece:
            self._unwatch()
        if self._arrived is not None:
            _resolve(self._arrived, True)

    async def _writable(self) -> bool:
        loop = asyncio.get_running_loop()
        readiness = loop.create_future()
        loop.add_writer(self._master, _resolve, readiness, True)
        try:
            return await self._ear.first(readiness)
        finally:
            if self._master >= 0:
                loop.remove_writer(self._master)

    def _hang_up(self, number: signal.Signals) -> None:
        self._signal(number)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)

    def _signal(self, number: signal.Signals) -> None:
        """To the foreground: with job control that is another group than the shell's own."""
        with contextlib.suppress(OSError):
            foreground = os.tcgetpgrp(self._master)
            if foreground > 1:
                os.killpg(foreground, number)

    async def _kill_later(self) -> None:
        await asyncio.sleep(TERMINATE_SECONDS)
        self._hang_up(signal.SIGKILL)

    def _close(self) -> None:
        if self._master >= 0:
            self._unwatch()
            master, self._master = self._master, -1
            os.close(master)


class _Ear(asyncio.SubprocessProtocol):
    """Hears that the program ended."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self._waiting: set[asyncio.Future[bool]] = set()

    def process_exited(self) -> None:
        self.exited.set()
        for future in self._waiting:
            _resolve(future, False)

    async def first(self, readiness: "asyncio.Future[bool]") -> bool:
        """Wait until the terminal is ready, or the program ended: whether it is the former. No task: one a key."""
        if self.exited.is_set():
            return False
        self._waiting.add(readiness)
        try:
            return await readiness
        finally:
            self._waiting.discard(readiness)


async def start_terminal(
    argv: Sequence[str],
    *,
    window: Window,
    environment: Mapping[str, str],
    folder: str = "",
    name: str = "",
    output: int | None = None,
) -> RunningTerminal:
    """Start a program as leader of a new session at a new terminal; `name` is its argv[0], if another.

    `environment` is the whole of it; `output` a descriptor that is its standard output in place of the terminal.
    Raises UsageError for an impossible argv, AssistError when it cannot be started.
    """
    words = checked_argv(argv)
    master, slave = os.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, _packed(window))
        os.set_blocking(master, False)
        process, ear = await asyncio.get_running_loop().subprocess_exec(
            _Ear,
            name or words[0],
            *words[1:],
            executable=words[0],
            stdin=slave,
            stdout=slave if output is None else output,
            stderr=slave,
            cwd=folder or None,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
    except BaseException as error:
        os.close(master)
        if isinstance(error, OSError):
            raise not_started(words[0], folder, error) from error
        raise
    finally:
        os.close(slave)
    GUARD.watch(process.get_pid())
    return RunningTerminal(master, process, ear)


def _take_terminal() -> None:
    """In the child: make standard input the controlling terminal, so that Ctrl-C reaches what runs there."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _packed(window: Window) -> bytes:
    return struct.pack("HHHH", window.rows, window.columns, 0, 0)


def _resolve(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)

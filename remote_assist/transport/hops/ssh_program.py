"""One program on a machine reached by SSH: its output as it comes, its end, and a way to stop it there.

    sh -c 'say MARK and my process id on standard error; go to the folder; become the program' sh MARK FOLDER WORD…

Rule 1: SSH carries one string. It is our own argv, every word quoted for a POSIX shell, and nothing else.
Rule 2: nothing is read that nobody takes: SSH's window stops the program at the other end.
Rule 3: only a process id that stood behind our own mark is ever signalled: a login shell may say anything before it.
"""

import asyncio
import contextlib
import secrets
import shlex
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import paramiko

from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.errors import AssistError, UsageError

WAITING_HIGH_BYTES = 1 << 20
PIECE_BYTES = 64 << 10
LOOK_SECONDS = 0.2
"""How often it is looked whether a program that says no more has ended."""

MAX_TALK_BYTES = 16 << 10
"""How much a login shell may say before our mark; beyond, the program cannot be stopped by its number."""

MAX_WORDS = 1024
MAX_STRING_BYTES = 120 << 10
"""Longest command string; OpenSSH takes packets of 256 KiB, Linux words of 128 KiB."""

NOT_FOUND, NOT_RUNNABLE, SIGNALLED = 127, 126, 128
PASSED_SIGNALS = frozenset({"HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2"})

_BECOME = 'printf "%s%s\\n" "$1" "$$" >&2; cd -- "$2" || exit 126; shift 2; exec "$@"'

Kill = Callable[[int, str], None]
"""Send a signal (by name) to a process and its group over there; returns at once."""


class HopProgram:
    """A program that runs on another machine. Offers what transport/posix/programs.py's RunningProgram does."""

    def __init__(self, channel: paramiko.Channel, kill: Kill, mark: str) -> None:
        """`mark` is what stands before its process id; empty for a program that says none."""
        self._channel = channel
        self._kill = kill
        self._mark = mark.encode()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._reading = False
        self._ended = False
        self._first = bytearray()
        self.process_id = 0
        """On the other machine; 0 until it said so, and where it never does."""
        self._descriptor = channel.fileno()
        self._listen()

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return self._loop.time() - self._began

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(KIND_DATA or KIND_ERROR, bytes) as they come; who does not read stops the program."""
        while True:
            while not self._chunks:
                if self._ended:
                    return
                self._changed.clear()
                await self._changed.wait()
            kind, raw = self._chunks.popleft()
            self._waiting -= len(raw)
            if self._waiting < WAITING_HIGH_BYTES // 4:
                self._listen()
            yield kind, raw

    async def feed(self, raw: bytes | memoryview) -> None:
        """Bytes for standard input, at the pace it takes them. What a closed input gets is dropped."""
        with contextlib.suppress(OSError, EOFError):
            await asyncio.to_thread(self._channel.sendall, bytes(raw))

    def close_stdin(self) -> None:
        """End of input, after what was fed."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def terminate(self) -> None:
        """Ask it to stop. Returns at once."""
        self._signal("TERM")

    def kill(self) -> None:
        """Stop it without asking. Returns at once."""
        self._signal("KILL")
        self._end()

    def pass_signal(self, name: str) -> None:
        """Send a signal a stock client asked for; unknown names do nothing."""
        if name in PASSED_SIGNALS:
            self._signal(name)

    async def wait(self) -> int:
        """Exit status once it ended there; -1 when nobody says, because the connection is gone."""
        seconds = 0.005
        while not self._channel.exit_status_ready():
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, LOOK_SECONDS)
        return self._channel.recv_exit_status()

    async def finish(self) -> int:
        """Stop what is left of it and answer its status."""
        if not self._channel.exit_status_ready() and not self._channel.closed:
            self._signal("TERM")
            await asyncio.sleep(0)
            self._signal("KILL")
        status = self._channel.recv_exit_status() if self._channel.exit_status_ready() else -9
        self._end()
        self._channel.close()
        return status

    def _signal(self, name: str) -> None:
        if self.process_id > 1 and not self._channel.exit_status_ready():
            self._kill(self.process_id, name)

    def _listen(self) -> None:
        if not self._reading and not self._ended:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._readable)

    def _deafen(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def _readable(self) -> None:
        while self._waiting < WAITING_HIGH_BYTES:
            if self._channel.recv_stderr_ready():
                self._take(KIND_ERROR, self._channel.recv_stderr(PIECE_BYTES))
            elif self._channel.recv_ready():
                self._take(KIND_DATA, self._channel.recv(PIECE_BYTES))
            elif self._channel.eof_received or self._channel.closed:
                self._end()
                return
            else:
                return
        self._deafen()

    def _take(self, kind: int, raw: bytes) -> None:
        if kind == KIND_ERROR and self._mark:
            raw = self._without_process_id(raw)
        if raw:
            self._chunks.append((kind, raw))
            self._waiting += len(raw)
            self._changed.set()

    def _without_process_id(self, raw: bytes) -> bytes:
        self._first += raw
        talk, _, told = bytes(self._first).partition(self._mark)
        number, newline, rest = told.partition(b"\n")
        if not newline and len(self._first) < MAX_TALK_BYTES:
            return b""
        self._mark = b""
        if newline and number.isdigit():
            self.process_id = int(number)
            return talk + rest
        return bytes(self._first)

    def _end(self) -> None:
        if self._mark and self._first:  # it ended before it said its number: what it said is all there is
            self._chunks.append((KIND_ERROR, bytes(self._first)))
        self._mark = b""
        self._deafen()
        self._ended = True
        self._changed.set()


def new_mark() -> str:
    """What no login shell says by chance."""
    return f"remote-assist-{secrets.token_hex(8)}:"


def command_string(argv: Sequence[str], folder: str, environment: Mapping[str, str], mark: str) -> str:
    """The one string for SSH's exec request. Raises UsageError for an argv no program can have."""
    if not 1 <= len(argv) <= MAX_WORDS or not argv[0] or any("\0" in word for word in (*argv, folder)):
        raise UsageError(f"a command has 1 to {MAX_WORDS} words, none with a zero byte")
    settings = [f"{name}={value}" for name, value in environment.items()]
    words = [*(["env", *settings] if settings else []), *argv]
    text = shlex.join(["sh", "-c", _BECOME, "sh", mark, folder or ".", *words])
    if len(text.encode("utf-8", "surrogateescape")) > MAX_STRING_BYTES:
        raise UsageError("the command is too long for the other machine")
    return text


def not_started(program: str, status: int, stderr: bytes) -> AssistError | None:
    """Why a program did not start, when its end says so."""
    if status == NOT_FOUND and b"not found" in stderr:
        return AssistError(f"there is no program {program[:256]} on that machine")
    if status == NOT_RUNNABLE:
        return AssistError(f"{program[:256]} cannot be started on that machine")
    return None

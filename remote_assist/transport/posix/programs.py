"""Programs on POSIX: started in a process group of their own, stopped with all their children.

Rule 1: argv lists only. Rule 2: nobody is waited for longer than was said: a child that keeps a pipe open after its
parent ended is given half a second. Rule 3: a program starts with a small clean environment, not ours.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.core.target import Command, Completed
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.posix.guard import GUARD

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

TERMINATE_SECONDS = 0.5
"""Between SIGTERM and SIGKILL."""

KILL_SECONDS = 1.0
"""How long a killed program is waited for; what still lives then hangs in the kernel."""

LINGER_SECONDS = 0.5
"""How long output is read after the program itself ended, from children that hold its pipes."""

LAST_DISK_LEVEL = 7
"""Of 0 to 7 among those the disk serves at all; the idle class could wait past its deadline on a busy disk."""

PASSED_SIGNALS = frozenset({"HUP", "INT", "QUIT", "TERM", "KILL", "USR1", "USR2", "ALRM", "PIPE"})
"""What a client may send to the program it started (RFC 4254 section 6.10, those that ask for an end or a word)."""

WAITING_HIGH_BYTES = 512 << 10
"""Output nobody has taken yet, beyond which the program waits at its pipe."""

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_WORDS = 1024


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """PATH, HOME and a plain UTF-8 locale, and what the command asks for."""
    home = os.environ.get("HOME", "/")
    return {"PATH": os.environ.get("PATH", SAFE_PATH), "LANG": "C.UTF-8", "HOME": home, **(extra or {})}


class RunningProgram:
    """A program that runs. Iterate over `output()`, `feed` its input, `wait` for its end, `finish` in any case."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: "_Pipes") -> None:
        self._transport = transport
        self._pipes = pipes
        self._began = time.monotonic()
        self._group = transport.get_pid()
        self._stopping: asyncio.Task[None] | None = None

    @property
    def process_id(self) -> int:
        """Of the program, and of its process group."""
        return self._group

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self._began

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """(KIND_DATA or KIND_ERROR, bytes) as they come; who does not read stops the program at its pipe."""
        while (chunk := await self._pipes.next_chunk()) is not None:
            yield chunk

    async def feed(self, raw: bytes | memoryview) -> None:
        """Bytes for standard input, at the pace it takes them. What a closed input gets is dropped."""
        pipe = self._stdin
        if pipe is not None and not pipe.is_closing():
            pipe.write(raw)
            await self._pipes.input_taken()

    def close_stdin(self) -> None:
        """End of input, after what was fed."""
        if self._stdin is not None:
            self._stdin.close()

    def terminate(self) -> None:
        """Stop it and its children: SIGTERM, half a second later SIGKILL. Returns at once; harmless when over."""
        if self._stopping is None:
            self._signal(signal.SIGTERM)
            self._stopping = asyncio.create_task(self._kill_later())

    def kill(self) -> None:
        """Stop it and its children without asking them. Returns at once."""
        self._signal(signal.SIGKILL)

    def pass_signal(self, name: str) -> None:
        """Send the program and its children a signal a stock client asked for; unknown names do nothing."""
        if name in PASSED_SIGNALS:
            self._signal(signal.Signals[f"SIG{name}"])

    async def wait(self) -> int:
        """Exit status, or -N for signal N, once the program ended (its children may still run)."""
        await self._pipes.exited.wait()
        return self._status

    async def finish(self) -> int:
        """Stop what is left of it, let go of its pipes and answer its status; within two seconds."""
        try:
            if not self._pipes.exited.is_set():
                self.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TERMINATE_SECONDS + KILL_SECONDS):
                        await self._pipes.exited.wait()
        finally:
            self.kill()
            GUARD.forget(self._group)
            if self._stopping is not None:
                self._stopping.cancel()
            self._transport.close()
        return self._status

    @property
    def _status(self) -> int:
        status = self._transport.get_returncode()
        return -signal.SIGKILL if status is None else status

    @property
    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._transport.get_pipe_transport(0)
        return pipe if isinstance(pipe, asyncio.WriteTransport) else None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, number)

    async def _kill_later(self) -> None:
        await asyncio.sleep(TERMINATE_SECONDS)
        self._signal(signal.SIGKILL)


class _Pipes(asyncio.SubprocessProtocol):
    """What comes out of a program, bounded, and whether it takes more."""

    def __init__(self) -> None:
        self.exited = asyncio.Event()
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._open = {1, 2}
        self._paused = False
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._chunks.append((KIND_DATA if fd == 1 else KIND_ERROR, data))
        self._waiting_bytes += len(data)
        if self._waiting_bytes > WAITING_HIGH_BYTES and not self._paused:
            self._paused = True
            self._each_output("pause_reading")
        self._changed.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if fd == 0:
            self._writable.set()
        self._changed.set()

    def process_exited(self) -> None:
        self.exited.set()
        self._writable.set()
        self._changed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def input_taken(self) -> None:
        await self._writable.wait()

    async def next_chunk(self) -> tuple[int, bytes] | None:
        """The next output; None when both pipes ended, or nothing comes any more after the program did."""
        while not self._chunks:
            if not self._open:
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(LINGER_SECONDS if self.exited.is_set() else None):
                    await self._changed.wait()
            except TimeoutError:
                return None
        kind, raw = self._chunks.popleft()
        self._waiting_bytes -= len(raw)
        if self._paused and self._waiting_bytes <= WAITING_HIGH_BYTES // 4:
            self._paused = False
            self._each_output("resume_reading")
        return kind, raw

    def _each_output(self, what: str) -> None:
        for number in self._open & {1, 2}:
            pipe = self._transport.get_pipe_transport(number) if self._transport else None
            if isinstance(pipe, asyncio.ReadTransport) and not pipe.is_closing():
                getattr(pipe, what)()


async def start_program(
    argv: Sequence[str], *, folder: str = "", environment: Mapping[str, str] | None = None, stdin: bool = True
) -> RunningProgram:
    """Start a program in its own session and process group.

    `environment` is the whole of it (None: `clean_environment()`). Raises UsageError for an empty or impossible argv,
    AssistError when it cannot be started.
    """
    words = checked_argv(argv)
    try:
        transport, pipes = await asyncio.get_running_loop().subprocess_exec(
            _Pipes,
            *words,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder or None,
            env=clean_environment() if environment is None else dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise not_started(words[0], folder, error) from error
    GUARD.watch(transport.get_pid())
    return RunningProgram(transport, pipes)


async def run_to_end(command: Command) -> Completed:
    """Run a program to its end or its deadline; output beyond `max_bytes` (each stream) is read but dropped."""
    environment = clean_environment(command.environment)
    program = await start_program(
        command.argv, folder=command.folder, environment=environment, stdin=bool(command.stdin)
    )
    _stand_back(program, command.niceness)
    kept = {KIND_DATA: bytearray(), KIND_ERROR: bytearray()}
    cut = timed_out = False
    feeding = asyncio.create_task(_feed_all(program, command.stdin)) if command.stdin else None
    try:
        async with asyncio.timeout(command.timeout_seconds):
            async for kind, raw in program.output():
                room = command.max_bytes - len(kept[kind])
                kept[kind] += raw[: max(0, room)]
                cut = cut or len(raw) > room
            await program.wait()
    except TimeoutError:
        timed_out = True
    finally:
        if feeding is not None:
            feeding.cancel()
        seconds = program.seconds
        status = await program.finish()
    return Completed(status, bytes(kept[KIND_DATA]), bytes(kept[KIND_ERROR]), seconds, cut, timed_out)


def _stand_back(program: RunningProgram, niceness: int) -> None:
    """Lower a program's priority for processor and disk; one that has ended already needs none."""
    if niceness > 0:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, program.process_id, min(niceness, 19))
        if sys.platform == "linux":
            import psutil  # 20 ms and 3 MB, which only a large look needs

            with contextlib.suppress(psutil.Error, OSError):
                psutil.Process(program.process_id).ionice(psutil.IOPRIO_CLASS_BE, LAST_DISK_LEVEL)


def spawn(command: Command) -> "subprocess.Popen[bytes]":
    """Start a program that outlives us: no pipes, its own session. The caller keeps the answer and polls it."""
    words = checked_argv(command.argv)
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=command.folder or None,
            env=clean_environment(command.environment),
            start_new_session=True,
        )
    except OSError as error:
        raise not_started(words[0], command.folder, error) from error


def send_signal(process_id: int, name: str) -> None:
    """TERM, KILL or HUP to one process. Raises UsageError, RefusedError (init, ourselves), AssistError (gone)."""
    numbers = {"TERM": signal.SIGTERM, "KILL": signal.SIGKILL, "HUP": signal.SIGHUP}
    if name not in numbers:
        raise UsageError(f"signal {safe_text(name, max_chars=32)} is not sent; only TERM, KILL and HUP are")
    if process_id <= 1 or process_id in {os.getpid(), os.getppid()}:
        raise RefusedError(f"process {process_id} is off limits", reason="off-limits")
    try:
        os.kill(process_id, numbers[name])
    except ProcessLookupError as error:
        raise AssistError(f"there is no process {process_id}") from error
    except PermissionError as error:
        raise AssistError(f"the agent's user may not signal process {process_id}") from error


async def _feed_all(program: RunningProgram, raw: bytes) -> None:
    await program.feed(raw)
    program.close_stdin()


def checked_argv(argv: Sequence[str]) -> list[str]:
    """The words of a command. Raises UsageError when no program could be started with them."""
    if not 1 <= len(argv) <= MAX_WORDS or not argv[0] or any("\0" in word for word in argv):
        raise UsageError(f"a command has 1 to {MAX_WORDS} words, none with a zero byte")
    return list(argv)


def not_started(program: str, folder: str, error: OSError) -> AssistError:
    """Why a program could not be started, in our words."""
    name = safe_text(program, max_chars=256)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        if folder and not Path(folder).is_dir():
            return AssistError(f"there is no folder {safe_text(folder, max_chars=256)} to start {name} in")
        return AssistError(f"there is no program {name} here")
    if isinstance(error, PermissionError):
        return AssistError(f"the agent's user may not run {name}")
    return AssistError(f"{name} cannot be started: {os.strerror(error.errno or 0)}")

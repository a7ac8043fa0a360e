"""This machine as root, for one action: a `MutableTarget` whose calls a helper carries out, under sudo or by polkit.

    sudo -k -S -p '' -- PYTHON -I -c BOOT PACKAGE OFF-LIMITS…      the password on its standard input, once
    pkexec PYTHON -I -c BOOT …                                     where there is no sudo: elevated_polkit.py

Rule 1: `-k` with a command neither uses nor leaves a cached ticket (sudo(8)), so no terminal can ride on it.
Rule 2: nothing is written to the helper before it said READY: else sudo could take it for another password.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from remote_assist.core.requests import KIND_DATA
from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.elevated_calls import READY, Answer, Call, length_of, pack, raise_fault, unpack_answer
from remote_assist.transport.posix.programs import RunningProgram, clean_environment, start_program

SUDO, POLKIT = "sudo", "polkit"
READY_SECONDS = 20.0
ANSWER_SECONDS = 300.0
"""Longest call: a program's own deadline is shorter."""

PACKAGE = Path(__file__).resolve().parent.parent.parent

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from remote_assist.transport.elevated_helper import main; sys.exit(main(sys.argv[2:]))"
)


def way_to_root() -> str:
    """By what this system lets somebody become root with their own password: sudo, polkit or nothing (empty)."""
    if shutil.which(SUDO) is not None:
        return SUDO
    if sys.platform == "linux":
        from remote_assist.transport import elevated_polkit  # only here: terminals need modules no Windows has

        return POLKIT if elevated_polkit.polkit_is_here() else ""
    return ""


class ElevatedTarget:
    """The helper while it runs. `close` ends it."""

    platform = "linux" if sys.platform.startswith("linux") else "macos"

    def __init__(self, program: RunningProgram, way: str) -> None:
        self._program = program
        self._way = way
        self._output = program.output()
        self._heard = bytearray()
        self._one = asyncio.Lock()

    @classmethod
    async def start(cls, password: str, off_limits: Sequence[bytes]) -> "ElevatedTarget":
        """Start the helper. Raises RefusedError (`credentials`) for a wrong password, AssistError where no way is."""
        places = [os.fsdecode(place) for place in off_limits]
        argv = [sys.executable, "-I", "-c", BOOT, str(PACKAGE), *places]
        way = way_to_root()
        if way == POLKIT:
            return await cls._by_polkit(argv, password)
        async with cls._started([SUDO, "-k", "-S", "-p", "", "--", *argv], way) as target:
            await target._begin(f"{password}\n".encode())
        return target

    @classmethod
    async def _by_polkit(cls, argv: Sequence[str], password: str) -> "ElevatedTarget":
        from remote_assist.transport import elevated_polkit

        async with (
            cls._started(elevated_polkit.pkexec_argv(argv), POLKIT) as target,
            elevated_polkit.asking(target._program.process_id, password),
        ):
            await target._begin(b"\n")
        return target

    @classmethod
    @contextlib.asynccontextmanager
    async def _started(cls, argv: Sequence[str], way: str) -> AsyncIterator["ElevatedTarget"]:
        """The program that becomes the helper; ended where the block fails."""
        program = await start_program(argv, environment=clean_environment({"LC_ALL": "C"}))
        try:
            yield cls(program, way)
        except BaseException:
            await program.finish()
            raise

    async def _begin(self, first: bytes) -> None:
        """Say what whoever starts the helper reads, and wait until the helper runs."""
        await self._program.feed(first)
        await self._ready()
        await self._program.feed(b"\n")

    async def close(self) -> None:
        """End the helper."""
        self._program.close_stdin()
        await self._program.finish()

    async def run(self, command: Command) -> Completed:
        """Run a program as root to its end."""
        completed = (await self._ask(Call("run", command=command))).completed
        assert completed is not None
        return completed

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        """Bytes of a regular file."""
        return (await self._ask(Call("read", path=os.fsencode(path), max_bytes=max_bytes, tail=tail))).raw

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself."""
        status = (await self._ask(Call("status", path=os.fsencode(path)))).status
        assert status is not None
        return status

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        """Entries of a folder."""
        return (await self._ask(Call("list", path=os.fsencode(path), max_bytes=max_entries))).entries

    async def read_link(self, path: str) -> str:
        """Where a link points to."""
        return os.fsdecode((await self._ask(Call("read_link", path=os.fsencode(path)))).raw)

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        """Make the file hold exactly `content`."""
        call = Call("replace_file", path=os.fsencode(path), content=content, mode=mode, owner=owner, seen=seen)
        await self._ask(call)

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        """Remove one regular file."""
        await self._ask(Call("remove_file", path=os.fsencode(path), seen=seen))

    async def move(self, path: str, to: str) -> None:
        """Rename to a name that is free."""
        await self._ask(Call("move", path=os.fsencode(path), to=os.fsencode(to)))

    async def make_folder(self, path: str, *, mode: int) -> None:
        """Make one folder."""
        await self._ask(Call("make_folder", path=os.fsencode(path), mode=mode))

    async def make_link(self, path: str, points_to: str) -> None:
        """Make a link."""
        await self._ask(Call("make_link", path=os.fsencode(path), to=os.fsencode(points_to)))

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action."""
        return (await self._ask(Call("spawn", command=command))).number

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process."""
        await self._ask(Call("signal", process_id=process_id, signal=name))

    async def _ask(self, call: Call) -> Answer:
        async with self._one, asyncio.timeout(ANSWER_SECONDS):
            await self._program.feed(pack(call))
            answer = unpack_answer(await self._hear(length_of(await self._hear(4))))
        raise_fault(answer)
        return answer

    async def _ready(self) -> None:
        """The helper runs. sudo complains on standard error and waits for another try, which it does not get."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                said = await self._hear(len(READY))
        except (TimeoutError, UnreachableError) as error:
            raise self._wrong() from error
        if said != READY:
            raise AssistError("the helper that runs as root cannot be started here")

    async def _hear(self, size: int) -> bytes:
        while len(self._heard) < size:
            try:
                kind, raw = await anext(self._output)
            except StopAsyncIteration as error:
                raise UnreachableError("the helper that runs as root has ended") from error
            if kind == KIND_DATA:
                self._heard += raw
            elif b"try again" in raw or b"incorrect" in raw or b"not allowed" in raw or b"not in the sudoers" in raw:
                raise self._wrong()
        taken = bytes(self._heard[:size])
        del self._heard[:size]
        return taken

    def _wrong(self) -> RefusedError:
        return RefusedError(
            f"{self._way} did not take the password, or this user may not become root",
            reason="credentials",
            advice="The customer tries again, or somebody with the right to do it runs the agent.",
        )

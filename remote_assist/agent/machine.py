"""The machine as the gate hands it to an action: this computer's target, minus what belongs to the agent itself.

Rule: only the gate holds one. What is off limits is checked by name here, before anything is written down, and by
device and inode in transport/posix/files.py, when a path is walked.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.core.picture.png import Picture
from remote_assist.errors import AssistError, RefusedError
from remote_assist.transport.local_target import LocalTarget

if TYPE_CHECKING:
    from remote_assist.transport.hops.ssh import SshHop
    from remote_assist.transport.hops.ssh_program import HopProgram
    from remote_assist.transport.hops.ssh_terminal import HopTerminal
    from remote_assist.transport.hops.winrm import WinrmHop
    from remote_assist.transport.hops.winrm_program import WinrmProgram
    from remote_assist.transport.posix.files import PosixFiles
    from remote_assist.transport.posix.programs import RunningProgram
    from remote_assist.transport.posix.pty import RunningTerminal

    AnyTarget = LocalTarget | SshHop | WinrmHop
    AnyProgram = RunningProgram | HopProgram | WinrmProgram
    AnyTerminal = RunningTerminal | HopTerminal

MARK = "REMOTE_ASSIST_SESSION"
"""Environment variable of every program a session starts: who outlives the session is found by it."""

MAX_NAMED = 50
"""Survivors looked after at the end of a session."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`target` for diagnostics and fixes, `files` and `start` for the file and run doors."""

    target: "AnyTarget"
    session: str
    off_limits: tuple[bytes, ...] = ()

    @property
    def files(self) -> "PosixFiles":
        """The files of this computer; those of a machine behind it have a door of their own."""
        if not isinstance(self.target, LocalTarget):
            raise RefusedError("files of that machine are not reached this way", reason="no-such-door")
        return self.target.files

    @property
    def is_root(self) -> bool:
        """Whether what is done on a machine behind this one is done as root."""
        return not isinstance(self.target, LocalTarget) and self.target.is_root

    async def start(
        self, argv: Sequence[str], folder: str, *, environment: Mapping[str, str] | None = None, stdin: bool
    ) -> "AnyProgram":
        """Start a program marked as this session's."""
        marked = {**(environment or {}), MARK: self.session}
        return await self.target.start(argv, folder, environment=marked, stdin=stdin)

    async def start_terminal(
        self, argv: Sequence[str], argv0: str, *, environment: Mapping[str, str], columns: int, rows: int
    ) -> "AnyTerminal":
        """Start a program marked as this session's at a terminal of its own, in the home folder; on a machine behind
        this computer that is the user's login shell.
        """
        marked = {**environment, MARK: self.session}
        return await self.target.start_terminal(argv, argv0, environment=marked, columns=columns, rows=rows)

    async def picture(self) -> Picture:
        """This computer's screen as it is now. Raises RefusedError where there is none."""
        from remote_assist.transport.screen import take_picture

        return await asyncio.to_thread(take_picture)

    def check_limits(self, path: bytes) -> None:
        """Raise RefusedError when `path` is, or lies in, what belongs to the agent."""
        plain = os.path.normpath(path)
        for shut in self.off_limits:
            if plain == shut or plain.startswith(shut.rstrip(b"/") + b"/"):
                raise RefusedError("this belongs to the agent itself and is off limits", reason="off-limits")

    async def end_survivors(self) -> list[str]:
        """Kill programs of this session that still run; answer their names and process ids."""
        found = await asyncio.to_thread(_marked_processes, f"{MARK}={self.session}".encode())
        for process_id, _ in found:
            with contextlib.suppress(AssistError):
                await self.target.signal(process_id, "KILL")
        return [f"{name} ({process_id})" for process_id, name in found]


def own_places(home: Path) -> tuple[bytes, ...]:
    """The agent's state folder and program: off limits to every door."""
    program = Path(__file__).resolve().parent.parent
    return tuple(os.fsencode(place) for place in (home.resolve(), program))


def _marked_processes(mark: bytes) -> list[tuple[int, str]]:
    """(process id, name) of our user's processes that carry `mark`; empty where there is no /proc."""
    found: list[tuple[int, str]] = []
    folder = Path("/proc")
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name.isdecimal() and len(found) < MAX_NAMED:
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    name = (entry / "comm").read_text(errors="replace").strip()
                    found.append((int(entry.name), name))
    return found

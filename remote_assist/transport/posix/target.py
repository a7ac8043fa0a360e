"""A POSIX machine as a `Target`: the files of posix_files.py, programs of posix_programs.py."""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.transport.posix import changes as posix_changes
from remote_assist.transport.posix import files as posix_files
from remote_assist.transport.posix import new_file as posix_new_file
from remote_assist.transport.posix import programs as posix_programs
from remote_assist.transport.tls_probe import tls_certificate

if TYPE_CHECKING:  # only a name for types
    from remote_assist.transport.posix import pty as posix_pty

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

PLATFORMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


class Reapable(Protocol):
    """A started program that may have ended since."""

    def poll(self) -> int | None:
        """Its status once it ended; this also frees its entry in the process table."""


class PosixTarget:
    """MutableTarget for the machine this runs on. `off_limits`: the agent's own folders and files."""

    def __init__(self, off_limits: Sequence[bytes] = ()) -> None:
        self.files = posix_files.PosixFiles(off_limits)
        self._spawned: list[Reapable] = []

    @property
    def platform(self) -> str:
        """linux, macos or windows."""
        return PLATFORMS.get(sys.platform, sys.platform)

    async def run(self, command: Command) -> Completed:
        """Run a program to its end or deadline. Raises AssistError when it cannot be started."""
        return await posix_programs.run_to_end(command)

    async def start(
        self, argv: Sequence[str], folder: str = "", *, environment: Mapping[str, str] | None = None, stdin: bool = True
    ) -> posix_programs.RunningProgram:
        """Start a program whose output streams. `environment` is added to the clean one. The caller `finish`es it."""
        return await posix_programs.start_program(
            argv, folder=folder, environment=posix_programs.clean_environment(environment), stdin=stdin
        )

    async def start_terminal(
        self, argv: Sequence[str], argv0: str, *, environment: Mapping[str, str], columns: int, rows: int
    ) -> "posix_pty.RunningTerminal":
        """Start a program at a terminal, in the home folder; `argv0` is what it is told it was called as ("": argv[0]).

        `environment` is added to the clean one. The caller `finish`es it.
        """
        whole = posix_programs.clean_environment({**_person(), **environment})
        from remote_assist.transport.posix import pty as posix_pty

        return await posix_pty.start_terminal(
            argv,
            window=posix_pty.Window.bounded(columns, rows),
            environment=whole,
            folder=_home_or_root(whole["HOME"]),
            name=argv0,
        )

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        """Bytes of a regular file, cut at `max_bytes`. Raises RefusedError for links and what is off limits."""
        return await asyncio.to_thread(self.files.read, os.fsencode(path), max_bytes=max_bytes, tail=tail)

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself (a link is a link)."""
        return await asyncio.to_thread(self.files.stat_path, os.fsencode(path))

    async def list(self, path: str, *, max_entries: int) -> "list[FileStatus]":
        """Entries of a folder in name order, bounded."""
        entries, _ = await asyncio.to_thread(self.files.list_folder, os.fsencode(path), max_entries=max_entries)
        return entries

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        """Make the file hold exactly `content`, whole and durable, if what was `seen` is still there."""
        tag = secrets.token_hex(8)
        await asyncio.to_thread(
            posix_new_file.replace_file,
            self.files,
            os.fsencode(path),
            content,
            mode=mode,
            tag=tag,
            owner=owner,
            seen=seen,
        )

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        """Remove one regular file, durably, if it is the one `seen`."""
        await asyncio.to_thread(self.files.remove_file, os.fsencode(path), seen=seen)

    async def move(self, path: str, to: str) -> None:
        """Rename to a free name, durably."""
        await asyncio.to_thread(posix_changes.move_durably, self.files, os.fsencode(path), os.fsencode(to))

    async def read_link(self, path: str) -> str:
        """Where a link points to, as written."""
        return os.fsdecode(await asyncio.to_thread(posix_changes.read_link, self.files, os.fsencode(path)))

    async def make_folder(self, path: str, *, mode: int) -> None:
        """Make one folder where nothing is."""
        await asyncio.to_thread(posix_changes.make_folder, self.files, os.fsencode(path), mode=mode)

    async def make_link(self, path: str, points_to: str) -> None:
        """Make a link where nothing is."""
        await asyncio.to_thread(posix_changes.make_link, self.files, os.fsencode(path), os.fsencode(points_to))

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action; answer its process id. Its output goes nowhere."""
        self._spawned = [one for one in self._spawned if one.poll() is None]
        started = await asyncio.to_thread(posix_programs.spawn, command)
        self._spawned.append(started)
        return started.pid

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process; never to the agent itself."""
        posix_programs.send_signal(process_id, name)

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate (DER) a TLS server presents to this machine; None when there is none in time."""
        return await tls_certificate(host, port, timeout_seconds)


def _home_or_root(home: str) -> str:
    return home if Path(home).is_dir() else "/"


def _person() -> dict[str, str]:
    """Who a terminal's user is, as this program was told."""
    return {name: os.environ[name] for name in ("USER", "LOGNAME") if name in os.environ}

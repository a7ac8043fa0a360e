"""This machine as a `Target`: what the agent's gate hands to diagnostics, fixes and the `run` verb.

Knows which system it is on, nothing of consent. POSIX calls live in posix_*.py and are imported only when used, so
that this package loads anywhere.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError
from remote_assist.transport.tls_probe import tls_certificate

if TYPE_CHECKING:
    from remote_assist.transport.posix_programs import RunningProgram

PLATFORMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


class Reapable(Protocol):
    """A started program that may have ended since."""

    def poll(self) -> int | None:
        """Its status once it ended; this also frees its entry in the process table."""


class LocalTarget:
    """MutableTarget for the machine this runs on. `off_limits`: the agent's own folders and files."""

    def __init__(self, off_limits: Sequence[bytes] = ()) -> None:
        if os.name != "posix":
            raise AssistError("this version looks after Linux and macOS only")
        from remote_assist.transport.posix_files import PosixFiles

        self.files = PosixFiles(off_limits)
        self._spawned: list[Reapable] = []

    @property
    def platform(self) -> str:
        """linux, macos or windows."""
        return PLATFORMS.get(sys.platform, sys.platform)

    async def run(self, command: Command) -> Completed:
        """Run a program to its end or deadline. Raises AssistError when it cannot be started."""
        from remote_assist.transport.posix_programs import run_to_end

        return await run_to_end(command)

    async def start(
        self, argv: Sequence[str], folder: str = "", *, environment: Mapping[str, str] | None = None, stdin: bool = True
    ) -> "RunningProgram":
        """Start a program whose output streams. `environment` is added to the clean one. The caller `finish`es it."""
        from remote_assist.transport.posix_programs import clean_environment, start_program

        return await start_program(argv, folder=folder, environment=clean_environment(environment), stdin=stdin)

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

    async def replace_file(self, path: str, content: bytes, *, mode: int) -> None:
        """Make the file hold exactly `content`, whole and durable."""
        from remote_assist.transport.posix_new_file import replace_file

        tag = secrets.token_hex(8)
        await asyncio.to_thread(replace_file, self.files, os.fsencode(path), content, mode=mode, tag=tag)

    async def remove_file(self, path: str) -> None:
        """Remove one regular file, durably."""
        await asyncio.to_thread(self.files.remove_file, os.fsencode(path))

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action; answer its process id. Its output goes nowhere."""
        from remote_assist.transport.posix_programs import spawn

        self._spawned = [one for one in self._spawned if one.poll() is None]
        started = await asyncio.to_thread(spawn, command)
        self._spawned.append(started)
        return started.pid

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process; never to the agent itself."""
        from remote_assist.transport.posix_programs import send_signal

        send_signal(process_id, name)

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate (DER) a TLS server presents to this machine; None when there is none in time."""
        return await tls_certificate(host, port, timeout_seconds)

"""A machine that can be looked at and changed: what `transport` provides and `diagnostics` uses.

Rule 1: only the agent's gate hands out a `Target`, and only for one acknowledged action.
Rule 2: commands are argv lists. There is no way to pass a shell string here.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Command:
    """One program run: argv, extra environment, limits. Output beyond `max_bytes` is cut and said so."""

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    timeout_seconds: float = 10.0
    max_bytes: int = 1 << 20
    stdin: bytes = b""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended. `status` is the exit status, or -N for signal N. `truncated`: output was cut.

    `timed_out`: it was killed, with its children, at the deadline.
    """

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    truncated: bool = False
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class FileStatus:
    """What `stat` knows. `kind` is file, folder, link or other; times are seconds since the epoch."""

    path: str
    kind: str
    size_bytes: int
    mode: int
    modified: float
    owner_id: int = 0
    group_id: int = 0


class Target(Protocol):
    """A machine, narrow on purpose. Paths are absolute; links are never followed out of the named path."""

    @property
    def platform(self) -> str:
        """linux, macos or windows."""

    async def run(self, command: Command) -> Completed:
        """Run a program to its end. Raises AssistError when it cannot be started."""

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        """Bytes of a regular file (also /proc, /sys), cut at `max_bytes`. Raises AssistError when absent."""

    async def status(self, path: str) -> FileStatus:
        """Status of the path itself (a link is a link). Raises AssistError when absent."""

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        """Entries of a folder in name order, bounded."""


class MutableTarget(Target, Protocol):
    """What fixes need on top: each call is atomic, and fsynced before it returns."""

    async def replace_file(self, path: str, content: bytes, *, mode: int) -> None:
        """Write a file beside its place, fsync, rename over it, fsync the folder."""

    async def remove_file(self, path: str) -> None:
        """Remove one regular file."""

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action (a service); answer its process id."""

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process."""


@runtime_checkable
class TlsProbe(Protocol):
    """A target that can also look at a TLS server from the machine's own side."""

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate (DER) a server presents, unverified; None when it does not speak TLS in time."""

"""A machine that can be looked at and changed: what `transport` provides and `diagnostics` uses.

Rule 1: only the agent's gate hands out a `Target`, and only for one acknowledged action.
Rule 2: commands are argv lists. There is no way to pass a shell string here.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Command:
    """One program run: argv, extra environment, limits. Output beyond `max_bytes` is cut and said so.

    `niceness`: how far it stands back for others (0: not at all, 19: whenever anybody else wants the processor);
    with any, the disk serves it last as well where the system can do that.
    """

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    timeout_seconds: float = 10.0
    max_bytes: int = 1 << 20
    stdin: bytes = b""
    niceness: int = 0


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
    device: int = 0
    inode: int = 0

    @property
    def identity(self) -> str:
        """Which file this is, as it was written last: inode numbers are used again, so time and size belong to it."""
        return f"{self.place}:{self.owner_id}:{self.size_bytes}:{self.modified}"

    @property
    def place(self) -> str:
        """Device and inode: the same whatever it is called and holds."""
        return f"{self.device}:{self.inode}"


ABSENT = ""
"""The identity of what is not there."""


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

    async def read_link(self, path: str) -> str:
        """Where a link points to, as written."""


class MutableTarget(Target, Protocol):
    """What fixes need on top: each call is atomic, and fsynced before it returns."""

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        """Write a file beside its place, fsync, rename over it, fsync the folder.

        A replaced file keeps its owner, a new one gets `owner`. `seen` is the identity the caller looked at (ABSENT:
        nothing was there): something else in that place now, or another file there afterwards, is a RefusedError.
        """

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        """Remove one regular file, `seen` as in `replace_file`."""

    async def move(self, path: str, to: str) -> None:
        """Rename a file or folder to a name that is free, on the same file system."""

    async def make_folder(self, path: str, *, mode: int) -> None:
        """Make one folder in place of nothing."""

    async def make_link(self, path: str, points_to: str) -> None:
        """Make a link in place of nothing."""

    async def spawn(self, command: Command) -> int:
        """Start a program that outlives the action (a service); answer its process id."""

    async def signal(self, process_id: int, name: str) -> None:
        """Send TERM, KILL or HUP to one process."""


@runtime_checkable
class TlsProbe(Protocol):
    """A target that can also look at a TLS server from the machine's own side."""

    async def tls_certificate(self, host: str, port: int, timeout_seconds: float) -> bytes | None:
        """The leaf certificate (DER) a server presents, unverified; None when it does not speak TLS in time."""

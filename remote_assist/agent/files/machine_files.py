"""Files of the machine an action acts on, wherever it is: what the file verbs need of it.

Rule: what is read or written here was allowed before; paths are checked for their form only.
"""

from collections.abc import Sequence
from typing import Protocol

from remote_assist.core.requests import ReadFile, WriteFile
from remote_assist.core.target import FileStatus

PIECE_BYTES = 2 << 20
"""Read and digested at a time, while the piece before is sent."""


class Source(Protocol):
    """An open file on its way out. `offset` is where sending starts."""

    size: int
    offset: int

    async def read(self) -> bytes:
        """The next piece; empty at the end (or where a shrunken file ends)."""

    @property
    def sha256(self) -> str:
        """Of everything up to the last piece, what lies before `offset` included."""

    async def close(self) -> None:
        """Let go of it."""


class Incoming(Protocol):
    """A file on its way in, which appears only by `commit`. `held`: bytes that are there already."""

    held: int
    resumable: bool
    """Whether `leave` keeps what came for another try."""

    @property
    def sha256(self) -> str:
        """Of what is held."""

    async def write(self, raw: bytes) -> None:
        """Add bytes."""

    async def commit(self) -> None:
        """Make it appear. Raises RefusedError when something is in its place meanwhile."""

    async def discard(self) -> None:
        """Throw away what came."""

    async def leave(self) -> None:
        """Let go of it, in any case and last."""


class MachineFiles(Protocol):
    """The files of one machine. Every call raises AssistError in words for the technician."""

    async def list(self, path: bytes, max_entries: int) -> tuple[Sequence[FileStatus], bool]:
        """Entries of a folder, and whether there are more."""

    async def source(self, request: ReadFile) -> Source:
        """A regular file, opened to be read."""

    async def incoming(self, request: WriteFile, path: bytes) -> Incoming:
        """A file that is to be at `path`."""

"""How a file is to be opened and which attributes it is to get: what SFTP asks for, before anybody allowed it."""

import stat
from dataclasses import dataclass

from remote_assist.errors import UsageError

MODES = 0o777
"""Bits of a mode that may be set: setuid, setgid and sticky are for people at the machine."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a file is to be opened; `mode` is for a new one."""

    read: bool = True
    write: bool = False
    append: bool = False
    create: bool = False
    truncate: bool = False
    exclusive: bool = False
    mode: int = 0o666


@dataclass(frozen=True, slots=True)
class Attributes:
    """What to set; None leaves it. `times` are (accessed, modified) in seconds since the epoch."""

    size: int | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None
    times: tuple[float, float] | None = None

    def check(self) -> None:
        """Raise UsageError for a mode with more than nine bits, or a size below zero."""
        if self.mode is not None and stat.S_IMODE(self.mode) & ~MODES:
            raise UsageError(f"mode {stat.S_IMODE(self.mode):o} is not one a file may get here")
        if self.size is not None and self.size < 0:
            raise UsageError("a file has no size below zero")

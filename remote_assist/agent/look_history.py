"""How long each collector took on this machine and how much it brought: what the next estimate is made from.

    HOME/looks.json    collector → [seconds, bytes] of its last run

Rule: nothing of what was read is in it, and what cannot be read back is as if it had never been.
"""

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from remote_assist.errors import ContentError
from remote_assist.transport.private_files import read_private, write_private

MAX_COLLECTORS = 1000
MAX_FILE_BYTES = 256 << 10


class LookHistory:
    """The history of one state folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / "looks.json"

    def earlier(self) -> dict[str, tuple[float, int]]:
        """Collector → seconds and bytes of its last run; empty where none is known."""
        try:
            told = msgspec.json.decode(read_private(self._path, MAX_FILE_BYTES), type=dict[str, tuple[float, int]])
        except (OSError, msgspec.DecodeError, ContentError):
            return {}
        return {name: (seconds, size) for name, (seconds, size) in told.items() if _sensible(seconds, size)}

    def remember(self, runs: Mapping[str, tuple[float, int]]) -> None:
        """Keep these runs instead of the earlier ones of the same collectors. A full disk loses an estimate only."""
        kept = dict(list({**self.earlier(), **runs}.items())[-MAX_COLLECTORS:])
        with contextlib.suppress(OSError):
            write_private(self._path, msgspec.json.encode(kept))


def _sensible(seconds: float, size: int) -> bool:
    return math.isfinite(seconds) and seconds >= 0 and size >= 0

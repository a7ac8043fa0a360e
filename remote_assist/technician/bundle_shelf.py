"""The bundles that were collected to this machine, a folder a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_BUNDLES = 2000


@dataclass(frozen=True, slots=True)
class ShelvedBundle:
    """`modified`: seconds since the epoch."""

    path: Path
    session: str
    size: int
    modified: float


def bundles_in(folder: Path) -> Sequence[ShelvedBundle]:
    """All of them, newest first. A folder that is not there holds none."""
    found = []
    for path in folder.glob("*/*.tar.zst"):
        known = path.stat()
        found.append(ShelvedBundle(path, path.parent.name, known.st_size, known.st_mtime))
    return sorted(found, key=lambda one: one.modified, reverse=True)[:MAX_BUNDLES]

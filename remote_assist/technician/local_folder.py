"""The technician's own folders, as the files screen lists them beside the customer's."""

import os
import stat
from pathlib import Path

from remote_assist.core.requests import Entry
from remote_assist.errors import UsageError

MAX_ENTRIES = 20_000


def list_local(folder: Path) -> list[Entry]:
    """What is in a folder of this machine, links followed. Blocks. Raises UsageError."""
    try:
        with os.scandir(folder) as entries:
            found = [_entry(entry) for _, entry in zip(range(MAX_ENTRIES), entries, strict=False)]
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed: {error.strerror}") from error
    return sorted(found, key=lambda entry: (entry.kind != "folder", entry.name))


def _entry(found: os.DirEntry[str]) -> Entry:
    name = os.fsencode(found.name)
    try:
        status = found.stat()
    except OSError:
        return Entry(name=name, kind="other", size=0, mode=0, modified=0.0)
    kind = "folder" if stat.S_ISDIR(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
    return Entry(name=name, kind=kind, size=status.st_size, mode=stat.S_IMODE(status.st_mode), modified=status.st_mtime)

"""Whose folder is it: a lock the system gives back when its holder ends, however it ends.

A session's folder is held by the agent that runs it, so that another start never takes a live session for a dead one.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path

LOCK = "held"

_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class FolderLock:
    """Held until `release`, or until this program ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others have the folder. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def hold_folder(folder: Path) -> FolderLock | None:
    """Hold a folder that is there; None when another program holds it. Raises OSError."""
    path = folder / LOCK
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        descriptor = os.open(path, _FLAGS)
    try:
        _take(descriptor)
    except OSError:
        os.close(descriptor)
        return None
    return FolderLock(descriptor)


def remove_held_folder(folder: Path, lock: FolderLock) -> None:
    """Remove a folder of ours that `lock` holds, and everything in it; what cannot be removed stays."""
    with contextlib.suppress(OSError):
        shutil.rmtree(folder)
    lock.release()


if sys.platform == "win32":  # pragma: no cover

    def _take(descriptor: int) -> None:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:

    def _take(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

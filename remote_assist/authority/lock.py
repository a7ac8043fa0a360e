"""One change at a time: a lock on the authority's folder, released by the system when its holder ends."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from remote_assist.errors import UsageError

WAIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


@contextmanager
def locked(path: Path, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock file `path`. Raises UsageError when somebody else holds it for too long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        _wait(lambda: _take(descriptor), wait_seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(take: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return take()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise UsageError(
                    "another command is changing this authority", advice="Wait until it has ended, and try again."
                ) from error
        time.sleep(_PAUSE_SECONDS)


if sys.platform == "win32":  # pragma: no cover

    def _take(descriptor: int) -> None:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:

    def _take(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

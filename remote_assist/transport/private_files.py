"""Files only their owner may read: keys, journals, memories. Whole or not at all, durable when the call returns.

Rule 1: a file is born with mode 0600, a folder with 0700; there is no moment at which others can read it.
Rule 2: what others could have read is refused, not repaired: a key that leaked once stays leaked.
On Windows modes mean nothing; there the folder's own access list protects (the profile folder of the user).
"""

import contextlib
import os
import secrets
import stat
import sys
from pathlib import Path

from remote_assist.errors import ContentError

MAX_PRIVATE_BYTES = 16 << 20
"""Longest private file read at once unless the caller says otherwise."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_HAS_MODES = os.name == "posix"


def make_private_folder(path: Path) -> Path:
    """Make `path` (and its parents) as 0700, or check that the one there is ours alone. Answers `path`.

    Raises ContentError when something else is there: a file, a link, another owner's folder.
    A folder of ours that others could enter is closed to them (0700); its files are checked one by one when read.
    """
    missing = [path, *path.parents]
    for folder in reversed([one for one in missing if not os.path.lexists(one)]):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            sync_folder(folder.parent)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise ContentError(f"{path} is not a folder", advice="Move it away, or choose another folder.")
    if _HAS_MODES:
        _check_owner(path, found)
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return path


def write_private(path: Path, raw: bytes, *, replace: bool = True) -> None:
    """Make `path` hold exactly `raw`, mode 0600: a new file beside it, fsynced, then renamed over it.

    With `replace=False` a file that is already there is left alone and FileExistsError raised.
    Raises OSError (disk full, no such folder); then the old content is still there, whole.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _CLOEXEC | _BINARY, 0o600)
    try:
        try:
            write_all(descriptor, raw)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _put_in_place(beside, path, replace=replace)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def read_private(path: Path, max_bytes: int = MAX_PRIVATE_BYTES) -> bytes:
    """The bytes of `path`, at most `max_bytes`.

    Raises ContentError when it is no regular file of ours, readable by others, or too long; FileNotFoundError
    when it is not there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _CLOEXEC | _BINARY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    try:
        _check_private(path, os.fstat(descriptor))
        return _read_at_most(descriptor, max_bytes, path)
    finally:
        os.close(descriptor)


def append_durably(path: Path, raw: bytes, *, keep_bytes: int | None = None) -> int:
    """Add `raw` at the end of `path` (made 0600 when absent), fsync, and answer the new length.

    `keep_bytes`: what is beyond them, an end torn by a crash, is cut off first.

    Raises OSError when it cannot be whole on disk (full, read-only); then the file is as long as before.
    Callers write from one task at a time.
    """
    fresh = not path.exists()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW | _CLOEXEC | _BINARY
    descriptor = os.open(path, flags, 0o600)
    try:
        if keep_bytes is not None:
            os.ftruncate(descriptor, keep_bytes)
        before = os.fstat(descriptor).st_size
        try:
            write_all(descriptor, raw)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
                os.fsync(descriptor)
            raise
    finally:
        os.close(descriptor)
    if fresh:
        sync_folder(path.parent)
    return before + len(raw)


def sync_folder(folder: Path) -> None:
    """Make names made, renamed or removed in `folder` durable. Does nothing where folders cannot be synced."""
    if not _HAS_MODES:
        return
    descriptor = os.open(folder, os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, raw: bytes | memoryview) -> None:
    """Write every byte; the system may take them in parts."""
    rest = memoryview(raw)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _put_in_place(beside: Path, path: Path, *, replace: bool) -> None:
    if replace:
        beside.replace(path)
        return
    if _HAS_MODES:
        os.link(beside, path)  # fails when `path` exists, which a rename would not
        beside.unlink()
    else:
        beside.rename(path)  # on Windows a rename refuses an existing name


def _read_at_most(descriptor: int, max_bytes: int, path: Path) -> bytes:
    parts: list[bytes] = []
    left = max_bytes + 1
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise ContentError(f"{path} is longer than {max_bytes} bytes")
    return b"".join(parts)


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ContentError(f"{path} is not a regular file")
    if not _HAS_MODES:
        return
    _check_owner(path, found)
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ContentError(
            f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o})",
            advice=f"If nobody has read it: chmod 600 {path}; else replace what it holds.",
        )


def _check_owner(path: Path, found: os.stat_result) -> None:
    if sys.platform != "win32" and found.st_uid not in {os.geteuid(), 0}:
        raise ContentError(f"{path} belongs to another user (id {found.st_uid})")

"""A file that only grows, a whole line at a time, and is on the disk when the call returns. It blocks: use a thread.

Rule 1: an append that failed leaves nothing behind: the file is cut back to its last good length and its end
is read again and compared. A failed fsync is never repeated: what it lost cannot be known (reference F5).
Rule 2: nobody else writes here; a length that is not ours is an error. Rule 3: links are not followed.
"""

import contextlib
import errno
import os
import shutil
import stat
import sys
from pathlib import Path

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_FLAGS = os.O_RDWR | os.O_APPEND | _NO_FOLLOW | _CLOEXEC | _BINARY

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when there is no room: disk, quota or limit."""


class Disk:
    """The system calls an append makes, in one place so that a test can stand in for a failing disk."""

    def write(self, descriptor: int, raw: bytes) -> int:
        """Write some of `raw`; answer how many bytes."""
        return os.write(descriptor, raw)

    def sync(self, descriptor: int) -> None:
        """Put data and length on the disk."""
        getattr(os, "fdatasync", os.fsync)(descriptor)


class DurableFile:
    """One append-only file. `length` is what is known to be whole; bytes beyond it do not count."""

    def __init__(self, path: Path, disk: Disk, length: int, tail: bytes) -> None:
        self.path = path
        self.length = length
        self._disk = disk
        self._tail = tail
        self._descriptor: int | None = None

    @classmethod
    def create(cls, path: Path, disk: Disk) -> "DurableFile":
        """A new empty file, mode 0600. Raises FileExistsError."""
        os.close(os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
        file = cls(path, disk, 0, b"")
        file._restore()
        return file

    @classmethod
    def reopen(cls, path: Path, disk: Disk, content: bytes) -> "DurableFile":
        """An existing file whose good part is `content`; bytes beyond are cut off. Raises OSError."""
        file = cls(path, disk, len(content), content[-4096:])
        file._restore()
        return file

    def append(self, raw: bytes, *, sync: bool = True) -> None:
        """Add `raw` whole, on the disk if `sync`. Raises OSError; then nothing was added."""
        if self._descriptor is None:
            self._restore()
        assert self._descriptor is not None
        try:
            self._write_all(self._descriptor, raw)
            if sync:
                self._disk.sync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self._restore()
            raise
        self.length += len(raw)
        self._tail = raw[-4096:]

    def sync(self) -> None:
        """Put on the disk what was appended without. Raises OSError."""
        if self._descriptor is not None:
            self._disk.sync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; a later append opens and checks it again."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _write_all(self, descriptor: int, raw: bytes) -> None:
        view = memoryview(raw)
        while view:
            view = view[self._disk.write(descriptor, bytes(view)) :]
        if os.fstat(descriptor).st_size != self.length + len(raw):
            raise OSError(errno.EBUSY, "somebody else writes to this file", str(self.path))

    def _restore(self) -> None:
        """Open the file anew, cut it back to its good length, and check that its end is what was written."""
        self.close()
        descriptor = os.open(self.path, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size < self.length:
                raise OSError(errno.EIO, "the file lost bytes that were on the disk", str(self.path))
            if found.st_size > self.length:
                os.ftruncate(descriptor, self.length)
                self._disk.sync(descriptor)
            os.lseek(descriptor, self.length - len(self._tail), os.SEEK_SET)
            if os.read(descriptor, len(self._tail)) != self._tail:
                raise OSError(errno.EIO, "the file's end is not what was written", str(self.path))
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor


def make_folder(path: Path) -> None:
    """Make `path` as 0700 and its missing parents too. Raises FileExistsError when it is not a folder of ours."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(path)
    ours = sys.platform == "win32" or found.st_uid == os.geteuid()
    if not (ours and stat.S_ISDIR(found.st_mode)):
        raise FileExistsError(errno.EEXIST, "this is not a folder of ours", str(path))
    path.chmod(0o700)


def write_new(path: Path, raw: bytes) -> None:
    """A new file with mode 0600, on the disk when the call returns. Raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _CLOEXEC | _BINARY, 0o600)
    try:
        try:
            view = memoryview(raw)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        path.unlink()
        raise


def shrink(path: Path, by_bytes: int, keep_bytes: int) -> int:
    """Cut up to `by_bytes` off a file's end but leave `keep_bytes`; answer how many were freed."""
    try:
        size = path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
    smaller = max(min(size, keep_bytes), size - by_bytes)
    os.truncate(path, smaller)
    return size - smaller


def grow(path: Path, to_bytes: int, disk: Disk) -> None:
    """Make a file `to_bytes` long again, with bytes no system can leave out. Raises OSError; then it is as it was."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW | _CLOEXEC | _BINARY, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size >= to_bytes:
            return
        try:
            view = memoryview(os.urandom(to_bytes - size))
            while view:
                view = view[disk.write(descriptor, bytes(view)) :]
            disk.sync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def free_bytes(path: Path) -> int:
    """What is left of the disk that holds `path`. Raises OSError."""
    return shutil.disk_usage(path).free


def sync_folder(path: Path) -> None:
    """Put a folder's names on the disk; where folders cannot be opened (Windows) the system does it."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY | _CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A regular file open for reading or writing at any place, as SFTP wants it, with a digest of what went through.

Rule 1: opened as everything here: component by component, no link followed, nothing but regular files. Rule 2: the
digest covers the content while it goes through in order from its first byte; else there is none until somebody
reads the whole file. Methods block; callers use a thread and one call at a time.
"""

import hashlib
import os
import stat
import sys

from remote_assist.errors import AssistError, RefusedError
from remote_assist.transport.file_wishes import MODES, Opening
from remote_assist.transport.posix.files import PosixFiles, lstat_of, named, shown

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

AHEAD_BYTES = 1 << 20
"""Read at once when a file is read in order, so that small requests do not each cost a thread's turn."""

_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class OpenFile:
    """One open file. `read_bytes` and `written_bytes` count what went through."""

    def __init__(self, descriptor: int, path: bytes, how: Opening) -> None:
        self.path = path
        self.how = how
        self.read_bytes = 0
        self.written_bytes = 0
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._covered = 0
        self._in_order = True
        self._ahead = b""
        self._ahead_at = 0
        self._used = 0
        self._closed = False

    @property
    def descriptor(self) -> int:
        """For calls that take one. Raises AssistError when the file is closed."""
        if self._closed:
            raise AssistError("the file is closed")
        return self._descriptor

    def waiting(self, offset: int, size: int) -> bytes | None:
        """These bytes when they were read ahead whole: answered without a thread. None otherwise."""
        start = offset - self._ahead_at
        if self._closed or start != self._used or start + size > len(self._ahead):
            return None
        self._used += size
        self.read_bytes += size
        return self._ahead[start : start + size]

    def read(self, offset: int, size: int) -> bytes:
        """Bytes at `offset`, fewer only at the end of the file."""
        at_next = offset == self._ahead_at + self._used
        self._settle_ahead()
        with named(self.path):
            if not (at_next and self._in_order and not self.how.write):
                self._in_order = self._in_order and offset == self._covered and self.how.write is False
                found = self._read_whole(offset, size)
                self._count_piece(offset, found)
                return found
            self._ahead = self._read_whole(offset, max(size, AHEAD_BYTES))
        self._ahead_at, self._used = offset, min(size, len(self._ahead))
        self.read_bytes += self._used
        return self._ahead[: self._used]

    def write(self, offset: int, raw: bytes) -> None:
        """Put bytes at `offset` (at the end, when the file was opened to append)."""
        rest = memoryview(raw)
        with named(self.path):
            while rest:
                count = os.pwrite(self.descriptor, rest, offset + len(raw) - len(rest))
                rest = rest[count:]
        self.written_bytes += len(raw)
        if self._in_order and offset == self._covered and not self.how.append:
            self._digest.update(raw)
            self._covered += len(raw)
        else:
            self._in_order = False

    def status(self) -> os.stat_result:
        """Size, mode and times as they are now."""
        return os.fstat(self.descriptor)

    def sync(self) -> None:
        """Make what was written durable."""
        with named(self.path):
            os.fsync(self.descriptor)

    def close(self) -> None:
        """Close; harmless when it is closed."""
        if not self._closed:
            self._settle_ahead()
            self._closed = True
            self._ahead = b""
            os.close(self._descriptor)

    def digest(self) -> str:
        """SHA-256 (hex) of what was read or written from the first byte on, in order; empty when it was not."""
        self._settle_ahead()
        return self._digest.hexdigest() if self._in_order else ""

    def digest_is_whole(self, found: os.stat_result) -> bool:
        """Whether the digest covers all the file holds now: nothing stood behind what was written."""
        return self._in_order and found.st_size == self._covered

    def _read_whole(self, offset: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(self.descriptor, size, offset)):
            parts.append(part)
            size -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _count_piece(self, offset: int, found: bytes) -> None:
        self.read_bytes += len(found)
        self._ahead, self._ahead_at, self._used = b"", offset + len(found), 0

    def _settle_ahead(self) -> None:
        """Take what was handed out of the bytes read ahead into the digest, once."""
        if self._used and self._in_order and self._ahead_at == self._covered:
            self._digest.update(memoryview(self._ahead)[: self._used])
            self._covered += self._used
        self._ahead_at, self._ahead, self._used = self._ahead_at + self._used, self._ahead[self._used :], 0


def open_file(files: PosixFiles, path: bytes, how: Opening) -> OpenFile:
    """Open a regular file. Raises LinkRefused, RefusedError (no regular file, off limits), AssistError."""
    with files.place(path) as place, named(path):
        found = None
        try:
            found = lstat_of(place)
        except FileNotFoundError:
            if not how.create:
                raise
        if found is not None:
            if how.exclusive and how.create:
                raise FileExistsError(17, "exists", os.fsdecode(path))
            files.check_regular(place, found)
        if not place.name:
            raise RefusedError(f"{shown(path)} is a folder", reason="not-a-file")
        descriptor = os.open(place.name, _flags(how), how.mode & MODES, dir_fd=place.folder)
        try:
            now = os.fstat(descriptor)
            if not stat.S_ISREG(now.st_mode):
                raise RefusedError(f"{shown(path)} is not a file", reason="not-a-file")
            files.check_allowed(path, now)
            if how.truncate and how.write:
                os.ftruncate(descriptor, 0)
        except BaseException:
            os.close(descriptor)
            raise
        return OpenFile(descriptor, path, how)


def _flags(how: Opening) -> int:
    """As open(2) takes them, without truncation: that waits until the file was looked at."""
    access = os.O_RDWR if how.read and how.write else os.O_WRONLY if how.write else os.O_RDONLY
    more = ((how.append, os.O_APPEND), (how.create, os.O_CREAT), (how.exclusive, os.O_EXCL))
    return access | _SAFE | sum(flag for wanted, flag in more if wanted)


def digest_of(files: PosixFiles, path: bytes, *, like: os.stat_result, max_bytes: int) -> str:
    """SHA-256 of the whole file at `path` if it is still `like`; empty when it is another, longer or gone."""
    try:
        descriptor = files.open_regular(path)
    except (AssistError, OSError):
        return ""
    try:
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino) != (like.st_dev, like.st_ino) or now.st_size > max_bytes:
            return ""
        digest = hashlib.sha256()
        while piece := os.read(descriptor, AHEAD_BYTES):
            digest.update(piece)
        return digest.hexdigest()
    finally:
        os.close(descriptor)

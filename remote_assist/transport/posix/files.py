"""Files on POSIX, reached component by component: no link is followed, nothing but regular files is opened.

Rule 1: every component is opened with O_NOFOLLOW relative to the one before, so a link swapped in during the walk
is an error, never a way out of the named path. Rule 2: a link is refused with what it points to; following it is
the asker's decision, by asking for that path. Rule 3: what is off limits is recognised by device and inode, whatever
the path that leads there.

Paths are bytes: file names need not be text. Everything here blocks; callers use a thread.
"""

import contextlib
import errno
import heapq
import os
import posixpath
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.hostile import safe_text
from remote_assist.core.target import ABSENT, FileStatus
from remote_assist.errors import AssistError, RefusedError, UsageError

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

MAX_PATH_BYTES = 4096
MAX_SCANNED = 200_000
"""Names looked at in one folder; a longer folder is listed in part."""

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WALK = _FOLDER | getattr(os, "O_PATH", os.O_RDONLY)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LinkRefused(RefusedError):
    """A link stands in the path. `link` and `points_to` are absolute paths; following it is the asker's decision."""

    def __init__(self, link: bytes, points_to: bytes) -> None:
        shown = safe_text(points_to, max_chars=MAX_PATH_BYTES)
        super().__init__(
            f"{safe_text(link, max_chars=MAX_PATH_BYTES)} is a link to {shown}; links are not followed",
            reason="link",
            advice="If you mean what it points to, ask for that path.",
        )
        self.link = link
        self.points_to = points_to


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder: what an `…at` system call needs. `name` is empty for the root."""

    folder: int
    name: bytes
    path: bytes


class PosixFiles:
    """The files of this machine, except what is `off_limits` (folders or files, and all below them)."""

    def __init__(self, off_limits: Sequence[bytes] = ()) -> None:
        self._off_limits = tuple(off_limits)

    def open_regular(self, path: bytes) -> int:
        """A descriptor for reading. Raises LinkRefused, RefusedError (no regular file, off limits), AssistError."""
        with self.place(path) as place:
            return self.open_regular_at(place)

    def open_regular_at(self, place: Place) -> int:
        """`open_regular` for a name in a folder that is open: many files of one folder need one walk."""
        with named(place.path):
            self.check_regular(place, lstat_of(place))  # before: opening a device may act
            descriptor = os.open(place.name, _READ, dir_fd=place.folder)
            try:
                self.check_regular(place, os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def read(self, path: bytes, *, max_bytes: int, tail: bool = False) -> bytes:
        """At most `max_bytes` of a regular file, from its start or (`tail`) up to its end."""
        descriptor = self.open_regular(path)
        try:
            with named(path):
                if tail and (size := os.fstat(descriptor).st_size) > max_bytes:
                    os.lseek(descriptor, size - max_bytes, os.SEEK_SET)
                return read_at_most(descriptor, max_bytes)
        finally:
            os.close(descriptor)

    def stat_path(self, path: bytes) -> FileStatus:
        """Status of the path itself; a link at its end is a link."""
        with self.place(path) as place, named(path):
            found = lstat_of(place)
            self.check_allowed(place.path, found)
            return _status(place.path, found)

    def list_folder(self, path: bytes, *, max_entries: int) -> tuple[list[FileStatus], bool]:
        """Entries in name order with full paths, and whether some were left out. A file is listed as itself."""
        found = self.stat_path(path)
        if found.kind == "link":
            raise self._link(path)
        if found.kind != "folder":
            return [found], False
        with self.open_folder(path) as folder, named(path), os.scandir(folder) as scanned:
            return _list(folder, path, scanned, max_entries)

    @contextlib.contextmanager
    def open_folder(self, path: bytes) -> Iterator[int]:
        """A descriptor of a folder for reading and for `dir_fd`, closed afterwards."""
        with self.place(path) as place, named(path):
            descriptor = self._open_step(place, _FOLDER | os.O_RDONLY)
        try:
            self.check_allowed(path, os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def remove_file(self, path: bytes, *, seen: str | None = None) -> None:
        """Remove one regular file, durably. `seen`: only if it is still that one."""
        with self.place(path) as place, named(path):
            found = lstat_of(place)
            self.check_regular(place, found)
            check_same(path, found, seen)
            os.unlink(place.name, dir_fd=place.folder)
        with self.open_folder(posixpath.dirname(path.rstrip(b"/")) or b"/") as folder:
            os.fsync(folder)

    def check_replaceable(self, folder: int, path: bytes) -> os.stat_result | None:
        """Status of the regular file at `path` (its folder open as `folder`), None when nothing is there.

        Raises RefusedError when something else is: a link, a folder, a device, what is off limits.
        """
        name = posixpath.basename(path)
        try:
            found = os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return None
        self.check_regular(Place(folder, name, path), found)
        return found

    @contextlib.contextmanager
    def place(self, path: bytes) -> Iterator[Place]:
        """Walk to the folder of `path`; close it afterwards."""
        names = split_path(path)
        folder = os.open(b"/", _WALK)
        try:
            for position, name in enumerate(names[:-1]):
                here = b"/" + b"/".join(names[: position + 1])
                below = self._step(folder, name, here)
                os.close(folder)
                folder = below
            yield Place(folder, names[-1] if names else b"", b"/" + b"/".join(names))
        finally:
            os.close(folder)

    def _step(self, folder: int, name: bytes, here: bytes) -> int:
        with named(here):
            below = self._open_step(Place(folder, name, here), _WALK)
            try:
                self.check_allowed(here, os.fstat(below))
            except BaseException:
                os.close(below)
                raise
        return below

    def _open_step(self, place: Place, flags: int) -> int:
        """A descriptor of the folder at a place; what is no folder is named, a link with what it points to."""
        try:
            return os.open(place.name or b".", flags, dir_fd=place.folder)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}:
                self._complain(place)
            raise

    def _complain(self, place: Place) -> None:
        """Say what is in the way of a walk that wanted a folder."""
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.lstat(place.name, dir_fd=place.folder).st_mode):
                raise link_error(place)
        raise AssistError(f"{shown(place.path)} is not a folder")

    def _link(self, path: bytes) -> RefusedError:
        with self.place(path) as place, named(path):
            return link_error(place)

    def refuse_link(self, place: Place) -> RefusedError:
        """The refusal of the link at `place`, which names what it points to."""
        return link_error(place)

    def check_not_above(self, path: bytes, found: os.stat_result) -> None:
        """Raise RefusedError when something off limits lies below `found`: moving it would move that."""
        for shut in self._off_limits:
            for above in Path(os.fsdecode(shut)).parents:
                with contextlib.suppress(OSError):
                    there = above.stat()
                    if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
                        raise RefusedError(f"{shown(path)} holds what belongs to the agent itself", reason="off-limits")

    def check_regular(self, place: Place, found: os.stat_result) -> None:
        """Raise RefusedError unless `found` is a regular file that is not off limits."""
        if stat.S_ISLNK(found.st_mode):
            raise link_error(place)
        if not stat.S_ISREG(found.st_mode):
            kind = _kind(found.st_mode)
            what = "a folder" if kind == "folder" else "neither a file nor a folder (a pipe, a device, a socket)"
            raise RefusedError(f"{shown(place.path)} is {what}", reason="not-a-file")
        self.check_allowed(place.path, found)

    def check_allowed(self, path: bytes, found: os.stat_result) -> None:
        """Raise RefusedError when `found` is off limits."""
        for shut in self._off_limits:
            with contextlib.suppress(OSError):
                kept = Path(os.fsdecode(shut)).stat()
                if (kept.st_dev, kept.st_ino) == (found.st_dev, found.st_ino):
                    raise RefusedError(
                        f"{shown(path)} belongs to the agent itself and is off limits", reason="off-limits"
                    )


def split_path(path: bytes) -> list[bytes]:
    """The names of an absolute path. Raises UsageError for relative ones, `.`, `..`, NUL and over-long paths."""
    if not path.startswith(b"/"):
        raise UsageError(f"{shown(path)} is not an absolute path")
    if b"\0" in path or len(path) > MAX_PATH_BYTES:
        raise UsageError("a path may not hold a zero byte nor be longer than 4096 bytes")
    names = [name for name in path.split(b"/") if name]
    if b"." in names or b".." in names:
        raise UsageError(f"{shown(path)} goes through '.' or '..'", advice="Name the path itself.")
    return names


def check_name(name: bytes) -> None:
    """Raise UsageError unless `name` is one file name: no `/`, NUL, `.`, `..`, not empty, at most 255 bytes."""
    if not name or b"/" in name or b"\0" in name or name in (b".", b"..") or len(name) > 255:
        raise UsageError(f"{shown(name)} is not a file name")


def read_at_most(descriptor: int, max_bytes: int) -> bytes:
    """Bytes up to the end or `max_bytes`; files of /proc come in parts and without a size."""
    parts: list[bytes] = []
    left = max_bytes
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def lstat_of(place: Place) -> os.stat_result:
    """Status of what is at a place, a link as a link."""
    return os.lstat(place.name, dir_fd=place.folder) if place.name else os.fstat(place.folder)


def check_same(path: bytes, found: os.stat_result | None, seen: str | None) -> None:
    """Raise RefusedError when what is at `path` is not what was `seen` there (None: anything will do)."""
    now = ABSENT if found is None else _status(path, found).identity
    if seen is not None and now != seen:
        raise RefusedError(f"{shown(path)} is another file than the one looked at", reason="changed")


def _list(
    folder: int, path: bytes, scanned: Iterator["os.DirEntry[str]"], max_entries: int
) -> tuple[list[FileStatus], bool]:
    names: list[bytes] = []
    for entry in scanned:
        if len(names) == MAX_SCANNED:
            break
        names.append(os.fsencode(entry.name))
    kept = heapq.nsmallest(max_entries, names)
    entries = []
    for name in kept:
        with contextlib.suppress(FileNotFoundError):  # gone since
            entries.append(_status(posixpath.join(path, name), os.lstat(name, dir_fd=folder)))
    return entries, len(kept) < len(names) or len(names) == MAX_SCANNED


def _status(path: bytes, found: os.stat_result) -> FileStatus:
    return FileStatus(
        path=os.fsdecode(path),
        kind=_kind(found.st_mode),
        size_bytes=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        modified=found.st_mtime,
        owner_id=found.st_uid,
        group_id=found.st_gid,
        device=found.st_dev,
        inode=found.st_ino,
    )


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def link_error(place: Place) -> LinkRefused:
    """The refusal of the link at a place."""
    points_to = os.readlink(place.name, dir_fd=place.folder)
    return LinkRefused(place.path, posixpath.normpath(posixpath.join(posixpath.dirname(place.path), points_to)))


@contextlib.contextmanager
def named(path: bytes) -> Iterator[None]:
    """System errors in this block, as sentences about `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise AssistError(f"{shown(path)} does not exist") from error
    except PermissionError as error:
        raise AssistError(f"the agent's user may not reach {shown(path)}") from error
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise RefusedError(f"{shown(path)} became a link meanwhile", reason="link") from error
        raise AssistError(f"{shown(path)}: {os.strerror(error.errno or 0)}") from error


def shown(path: bytes) -> str:
    """A path inside a sentence."""
    return safe_text(path, max_chars=MAX_PATH_BYTES)

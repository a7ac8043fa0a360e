"""Changes of names, modes and existence on POSIX, each relative to a folder reached without following a link.

Rule 1: what is changed is what the path names: a link is removed or renamed, never what it points to, and only files
and folders get new attributes. Rule 2: neither what is off limits nor a folder above it is moved, replaced or linked.
Everything here blocks; callers use a thread.
"""

import ctypes
import errno
import os
import posixpath
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from remote_assist.core.hostile import safe_text
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.file_wishes import MODES, Attributes
from remote_assist.transport.posix.files import Place, PosixFiles, lstat_of, named, shown

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

_RENAME_NOREPLACE = 1
_INSPECT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def move(files: PosixFiles, old: bytes, new: bytes, *, replace: bool) -> None:
    """Give what is at `old` the path `new`. Raises RefusedError when something is there and `replace` is not said."""
    with _name_in(files, old) as source, _name_in(files, new) as goal, named(new):
        files.check_not_above(old, _check_movable(files, source))
        there = _there(goal)
        if there is not None:
            files.check_allowed(new, there)
            if not replace:
                raise RefusedError(f"{shown(new)} is there already", reason="exists")
        if replace:
            os.rename(source.name, goal.name, src_dir_fd=source.folder, dst_dir_fd=goal.folder)
        else:
            _rename_to_nothing(source, goal)


def move_durably(files: PosixFiles, old: bytes, new: bytes) -> None:
    """`move` to a free name, on disk when it returns: both folders are synced."""
    move(files, old, new, replace=False)
    for path in (new, old):
        with files.open_folder(posixpath.dirname(path.rstrip(b"/")) or b"/") as folder:
            os.fsync(folder)


def remove(files: PosixFiles, path: bytes) -> None:
    """Remove a file, a link, a pipe or a socket; not a folder."""
    with _name_in(files, path) as place, named(path):
        found = lstat_of(place)
        files.check_allowed(path, found)
        if stat.S_ISDIR(found.st_mode):
            raise AssistError(f"{shown(path)} is a folder")
        os.unlink(place.name, dir_fd=place.folder)


def make_folder(files: PosixFiles, path: bytes, *, mode: int) -> None:
    """Make one folder; `mode` is narrowed by the agent's umask."""
    with _name_in(files, path) as place, named(path):
        os.mkdir(place.name, mode & MODES, dir_fd=place.folder)


def remove_folder(files: PosixFiles, path: bytes) -> None:
    """Remove one empty folder."""
    with _name_in(files, path) as place, named(path):
        files.check_allowed(path, lstat_of(place))
        os.rmdir(place.name, dir_fd=place.folder)


def make_link(files: PosixFiles, path: bytes, points_to: bytes) -> None:
    """Make a symbolic link. What it points to is the caller's to judge; nothing here ever follows it."""
    if not points_to or b"\0" in points_to or len(points_to) > 4095:
        raise UsageError("a link points to a path of 1 to 4095 bytes")
    with _name_in(files, path) as place, named(path):
        os.symlink(points_to, place.name, dir_fd=place.folder)


def make_second_name(files: PosixFiles, old: bytes, new: bytes) -> None:
    """Make a hard link: one regular file with two names."""
    with _name_in(files, old) as source, _name_in(files, new) as goal, named(new):
        files.check_regular(source, lstat_of(source))
        os.link(source.name, goal.name, src_dir_fd=source.folder, dst_dir_fd=goal.folder, follow_symlinks=False)


def read_link(files: PosixFiles, path: bytes) -> bytes:
    """Where a link points to, as it was written."""
    with _name_in(files, path) as place, named(path):
        if not stat.S_ISLNK(lstat_of(place).st_mode):
            raise AssistError(f"{shown(path)} is not a link")
        return os.readlink(place.name, dir_fd=place.folder)


def look(files: PosixFiles, path: bytes, *, follow: bool) -> os.stat_result:
    """Status of what is at `path`. With `follow` a link is refused by naming what it points to."""
    with files.place(path) as place, named(path):
        found = lstat_of(place)
        files.check_allowed(path, found)
        if follow and stat.S_ISLNK(found.st_mode):
            raise files.refuse_link(place)
        return found


def look_into(files: PosixFiles, path: bytes, *, max_entries: int) -> list[tuple[bytes, os.stat_result]]:
    """(name, status) of what is in a folder, `.` and `..` first, in no order. Raises AssistError beyond the limit."""
    with files.place(path) as place, named(path):
        if stat.S_ISLNK(lstat_of(place).st_mode):
            raise files.refuse_link(place)
    with files.open_folder(path) as folder, named(path), os.scandir(folder) as scanned:
        own = os.fstat(folder)
        found = [(b".", own), (b"..", own)]
        for entry in scanned:
            if len(found) > max_entries:
                raise AssistError(f"{shown(path)} holds more than {max_entries} names")
            try:
                found.append((os.fsencode(entry.name), entry.stat(follow_symlinks=False)))
            except FileNotFoundError:
                continue  # gone since
        return found


def room(files: PosixFiles, path: bytes) -> os.statvfs_result:
    """How full the file system at `path` is."""
    with files.place(path) as place, named(path):
        files.check_allowed(path, lstat_of(place))
        return os.statvfs(place.folder)


def change(files: PosixFiles, path: bytes, wanted: Attributes) -> None:
    """Set attributes of a regular file or a folder."""
    wanted.check()
    with files.place(path) as place, named(path):
        found = lstat_of(place)
        if stat.S_ISLNK(found.st_mode):
            raise files.refuse_link(place)
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            raise RefusedError(f"{shown(path)} is neither a file nor a folder", reason="not-a-file")
        _check_unshared(files, path, found)
        if wanted.size is not None:
            _cut(files, place, wanted.size)
        _set_by_name(place, found, wanted)


def change_open(descriptor: int, path: bytes, wanted: Attributes) -> None:
    """Set attributes of a file that is open."""
    wanted.check()
    with named(path):
        if wanted.size is not None:
            os.ftruncate(descriptor, wanted.size)
        if wanted.owner is not None:
            os.fchown(descriptor, *_changed_owner(os.fstat(descriptor), wanted.owner))
        if wanted.mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(wanted.mode))
        if wanted.times is not None:
            os.utime(descriptor, wanted.times)


# --- inside ---------------------------------------------------------------------------------------


@contextmanager
def _name_in(files: PosixFiles, path: bytes) -> Iterator[Place]:
    """The place of `path`, which must be a name in a folder."""
    with files.place(path) as place:
        if not place.name:
            raise RefusedError("the root folder stays as it is", reason="not-a-file")
        yield place


def _check_movable(files: PosixFiles, place: Place) -> os.stat_result:
    found = lstat_of(place)
    files.check_allowed(place.path, found)
    return found


def _there(place: Place) -> os.stat_result | None:
    try:
        return lstat_of(place)
    except FileNotFoundError:
        return None


def _check_unshared(files: PosixFiles, path: bytes, found: os.stat_result) -> None:
    files.check_allowed(path, found)
    files.check_not_above(path, found)


def _rename_to_nothing(source: Place, goal: Place) -> None:
    """Rename without replacing what may have come there meanwhile, where the system can do that in one step."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        if call(source.folder, source.name, goal.folder, goal.name, _RENAME_NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}:
            raise OSError(number, os.strerror(number))
    os.rename(source.name, goal.name, src_dir_fd=source.folder, dst_dir_fd=goal.folder)


def _cut(files: PosixFiles, place: Place, size: int) -> None:
    descriptor = os.open(place.name, os.O_WRONLY | _INSPECT, dir_fd=place.folder)
    try:
        files.check_regular(place, os.fstat(descriptor))
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _set_by_name(place: Place, found: os.stat_result, wanted: Attributes) -> None:
    """Through a descriptor of exactly what was looked at: a link swapped in since is an error."""
    if wanted.owner is None and wanted.mode is None and wanted.times is None:
        return
    descriptor = os.open(place.name or b".", _INSPECT, dir_fd=place.folder)
    try:
        now = os.fstat(descriptor)
        if (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):
            raise AssistError(f"{safe_text(place.path)} was replaced meanwhile")
        rest = Attributes(owner=wanted.owner, mode=wanted.mode, times=wanted.times)
        change_open(descriptor, place.path, rest)
    finally:
        os.close(descriptor)


def _changed_owner(found: os.stat_result, wanted: tuple[int, int]) -> tuple[int, int]:
    """-1 for what is that already: only root may give files away, but anybody may name himself."""
    user, group = wanted
    return (-1 if user == found.st_uid else user, -1 if group == found.st_gid else group)

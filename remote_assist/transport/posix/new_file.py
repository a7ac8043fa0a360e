"""A file that appears only whole: written beside its place under another name, synced, then moved there.

Rule 1: until `commit` nobody sees it under its name, and after it everybody sees all of it; both ends are durable.
Rule 2: everything happens relative to the open destination folder, so a folder swapped for a link changes nothing.
A part left behind by a broken try keeps the name made from `tag`; only one of ours (owner, mode, one name) is taken up.
"""

import contextlib
import errno
import os
import posixpath
import stat
import sys

from remote_assist.core.hostile import safe_text
from remote_assist.core.target import ABSENT
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.posix import files as posix_files
from remote_assist.transport.private_files import write_all

assert sys.platform != "win32"  # local_target.py imports this file where it belongs

_PART = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class NewFile:
    """One file on its way. Made by `open_new_file`; ends with `commit`, `keep_part` or `discard`."""

    def __init__(self, files: posix_files.PosixFiles, folder: int, path: bytes, part: bytes, descriptor: int) -> None:
        self._files = files
        self._folder = folder
        self._path = path
        self._part = part
        self._descriptor = descriptor
        self._open = True

    @property
    def size(self) -> int:
        """Bytes held so far, those of an earlier try included."""
        return os.fstat(self._descriptor).st_size

    def read(self, max_bytes: int) -> bytes:
        """The next bytes already held, for their digest; empty at the end. Writing goes on from there."""
        return os.read(self._descriptor, max_bytes)

    def start_again(self) -> None:
        """Forget what an earlier try left."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)

    def write(self, raw: bytes | memoryview) -> None:
        """Add bytes. Raises AssistError when they do not fit."""
        with posix_files.named(self._path):
            write_all(self._descriptor, raw)

    def commit(
        self, *, mode: int, overwrite: bool, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        """Put the file in its place, durable. Raises RefusedError when something is there (`overwrite`: no file).

        `owner` is for a file that was not there; `seen` as in core/target: checked before and after.
        """
        if mode & ~0o777:
            raise UsageError(f"mode {mode:o} is not one a file may get here")
        with posix_files.named(self._path):
            there = self._files.check_replaceable(self._folder, self._path)
            posix_files.check_same(self._path, there, seen)
            if there is not None and not overwrite:
                raise self._exists()
            self._set_owner(owner if there is None else (there.st_uid, there.st_gid))
            os.fchmod(self._descriptor, mode)
            os.fsync(self._descriptor)
            self._move(overwrite and seen != ABSENT)
            self._check_in_place()
            os.fsync(self._folder)
        self._close()

    def keep_part(self) -> None:
        """Stop, but leave what came for the next try."""
        if self._open:
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)
            self._close()

    def discard(self) -> None:
        """Stop and leave nothing."""
        if self._open:
            with contextlib.suppress(OSError):
                os.unlink(self._part, dir_fd=self._folder)
            self._close()

    def _set_owner(self, owner: tuple[int, int] | None) -> None:
        """A replaced file stays its owner's where we may say so (as root)."""
        if owner is not None:
            with contextlib.suppress(PermissionError):
                os.fchown(self._descriptor, *owner)

    def _check_in_place(self) -> None:
        """What stands there now must be what was written: same file, same owner."""
        ours, there = os.fstat(self._descriptor), os.lstat(posixpath.basename(self._path), dir_fd=self._folder)
        if (ours.st_dev, ours.st_ino, ours.st_uid) != (there.st_dev, there.st_ino, there.st_uid):
            raise RefusedError(f"{safe_text(self._path)} was replaced while it was written", reason="changed")

    def _move(self, overwrite: bool) -> None:
        name = posixpath.basename(self._path)
        if overwrite:
            os.rename(self._part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            return
        try:
            os.link(self._part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        except FileExistsError:
            raise self._exists() from None
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP}:
                raise
            # a file system without hard links: checked above, and the best there is
            os.rename(self._part, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            return
        os.unlink(self._part, dir_fd=self._folder)

    def _exists(self) -> RefusedError:
        return RefusedError(
            f"{safe_text(self._path)} is there already", reason="exists", advice="Say that it may be overwritten."
        )

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._descriptor)
            os.close(self._folder)


def open_new_file(files: posix_files.PosixFiles, folder: bytes, name: bytes, *, tag: str) -> NewFile:
    """Begin `folder`/`name`, or take up the part an earlier try with the same `tag` (hex) left.

    Raises UsageError for a bad name, RefusedError for links and what is off limits, AssistError when it cannot be
    written there.
    """
    posix_files.check_name(name)
    if not tag.isalnum() or len(tag) > 64:
        raise UsageError("a part is named by at most 64 letters and digits")
    path = posixpath.join(folder, name)
    part = b".remote-assist-" + tag.encode() + b".part"
    with files.open_folder(folder) as opened:
        kept = os.dup(opened)
    try:
        with posix_files.named(path):
            return NewFile(files, kept, path, part, _open_part(kept, part, path))
    except BaseException:
        os.close(kept)
        raise


def replace_file(
    files: posix_files.PosixFiles,
    path: bytes,
    content: bytes,
    *,
    mode: int,
    tag: str,
    owner: tuple[int, int] | None = None,
    seen: str | None = None,
) -> None:
    """Make `path` hold exactly `content`: new or replaced, whole, durable. `tag` names the part, fresh each time.

    `owner` and `seen` as in core/target.MutableTarget.
    """
    folder, name = os.path.split(path)
    new = open_new_file(files, folder, name, tag=tag)
    try:
        new.start_again()
        new.write(content)
        new.commit(mode=mode, overwrite=True, owner=owner, seen=seen)
    finally:
        new.discard()


def _open_part(folder: int, part: bytes, path: bytes) -> int:
    try:
        return os.open(part, _PART | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:
        descriptor = os.open(part, _PART, dir_fd=folder)
    found = os.fstat(descriptor)
    ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
    if not ours or stat.S_IMODE(found.st_mode) != 0o600:
        os.close(descriptor)
        raise AssistError(f"a part of {safe_text(path)} lies there that this agent did not write")
    return descriptor

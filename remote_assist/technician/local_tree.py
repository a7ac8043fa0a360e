"""A folder here that files arrive in: every component is looked at without following links, files appear whole.

Rule 1: nothing is written through a link, and nothing there is replaced unless that was asked for. Rule 2: a file has
the time it has at the customer's, so that a later fetch knows it; it is not flushed one by one (ten thousand would take
minutes): what a power failure cuts short has another size, and is fetched again.

Everything here blocks; callers use a thread, one at a time.
"""

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.hostile import safe_text
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.technician.names import place_in
from remote_assist.technician.remote_tree import EXISTS, LINK, PART, Wanted
from remote_assist.transport.private_files import write_all

ABSENT, SAME, OTHER = "absent", "same", "other"
"""What is in a file's place: nothing, that very file, something else."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_BY_DESCRIPTOR = {os.open, os.mkdir, os.link, os.rename, os.unlink} <= os.supports_dir_fd

SAME_SECONDS = 1e-5
"""How far apart two times of the same file may lie: a number of seconds has no more digits."""

COARSE_SECONDS = 2.0
"""The same where a file system keeps whole seconds only (FAT keeps every other)."""


@dataclass(slots=True)
class _Folder:
    """An open folder: by descriptor where the system can do that, else by path."""

    path: Path
    descriptor: int | None

    def at(self, name: str) -> str:
        """What a system call takes for a name in it, with `dir_fd=descriptor`."""
        return name if self.descriptor is not None else os.fspath(self.path / name)

    def close(self) -> None:
        """Give the descriptor back."""
        if self.descriptor is not None:
            os.close(self.descriptor)


class LocalTree:
    """The folder NAME in `folder`, where NAME is that of the folder at the customer's. `close` it."""

    def __init__(self, folder: Path, remote: bytes, *, force: bool) -> None:
        if not remote.strip(b"/"):
            raise UsageError("all of / is not fetched", advice="Name a folder below it.")
        self.path = place_in(folder, remote.rstrip(b"/"))
        self._force = force
        self._name: bytes | None = None
        self._opened: _Folder | None = None
        self._held: _Folder | None = None

    def hold(self) -> None:
        """Make the folder and have it alone until `close`, where the system can do that. Raises RefusedError."""
        folder = self._walk(b"")
        if folder.descriptor is not None and not _is_locked(folder.descriptor):
            folder.close()
            shown = safe_text(os.fsencode(self.path))
            raise RefusedError(f"another program is fetching into {shown}", reason="busy", advice="Wait for it.")
        self._held = folder

    def close(self) -> None:
        """Let go of it all."""
        self._leave()
        if self._held is not None:
            self._held.close()
            self._held = None

    def make_folder(self, path: bytes) -> Path:
        """The folder `path` below, made if it is not there. Raises RefusedError (a link, a file), AssistError."""
        return self._folder(path).path

    def found(self, wanted: Wanted) -> str:
        """ABSENT, SAME (by size and time) or OTHER."""
        above, name = _split(wanted.path)
        folder = self._folder(above)
        try:
            there = os.stat(folder.at(name), dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return ABSENT
        apart = COARSE_SECONDS if there.st_mtime.is_integer() else SAME_SECONDS
        same = stat.S_ISREG(there.st_mode) and there.st_size == wanted.size
        return SAME if same and abs(there.st_mtime - wanted.modified) < apart else OTHER

    def place(self, path: bytes, content: bytes, modified: float) -> None:
        """Write a file whole. Raises RefusedError (something is there), AssistError."""
        above, name = _split(path)
        folder = self._folder(above)
        part = folder.at(PART)
        try:
            try:
                self._write(folder, content, modified)
                self._move(folder, folder.at(name))
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=folder.descriptor)
        except FileExistsError as error:
            raise RefusedError("another file is there already", reason=EXISTS, advice="Use --force.") from error
        except OSError as error:
            where = safe_text(os.fsencode(folder.path / name))
            raise AssistError(
                f"{where} cannot be written: {error.strerror}", advice="Check the folder and its space."
            ) from error

    def stamp(self, path: bytes, modified: float) -> None:
        """Give a file that came alone its time."""
        above, name = _split(path)
        folder = self._folder(above)
        with contextlib.suppress(OSError, OverflowError):  # then it is fetched again
            os.utime(folder.at(name), (modified, modified), dir_fd=folder.descriptor)

    def _write(self, folder: _Folder, content: bytes, modified: float) -> None:
        descriptor = os.open(folder.at(PART), _NEW, 0o600, dir_fd=folder.descriptor)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)
        with contextlib.suppress(OverflowError):  # a time no file has
            os.utime(folder.at(PART), (modified, modified), dir_fd=folder.descriptor)

    def _move(self, folder: _Folder, target: str) -> None:
        part, there = folder.at(PART), folder.descriptor
        if self._force:
            os.replace(part, target, src_dir_fd=there, dst_dir_fd=there)
        elif os.name == "posix":
            os.link(part, target, src_dir_fd=there, dst_dir_fd=there)  # refuses a name that is there
        else:
            Path(part).rename(target)  # does so too there

    def _folder(self, path: bytes) -> _Folder:
        if self._opened is None or path != self._name:
            self._leave()
            self._opened, self._name = self._walk(path), path
        return self._opened

    def _leave(self) -> None:
        opened, self._opened, self._name = self._opened, None, None
        if opened is not None:
            opened.close()

    def _walk(self, path: bytes) -> _Folder:
        names = [self.path.name, *(os.fsdecode(name) for name in path.split(b"/") if name)]
        here = self.path.parent
        folder = _Folder(here, _open_first(here) if _BY_DESCRIPTOR else None)
        for name in names:
            try:
                below = _step(folder, name)
            finally:
                folder.close()
            folder = below
        with contextlib.suppress(OSError):  # what a killed fetch left
            os.unlink(folder.at(PART), dir_fd=folder.descriptor)
        return folder


def _open_first(folder: Path) -> int:
    """The folder the person named, through links if need be."""
    try:
        return os.open(folder, _FOLDER)
    except OSError as error:
        raise AssistError(f"{safe_text(os.fsencode(folder))} cannot be used: {error.strerror}") from error


def _step(folder: _Folder, name: str) -> _Folder:
    """The folder `name` in a folder, made if it is not there."""
    path = folder.path / name
    shown = safe_text(os.fsencode(path))
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder.at(name), 0o700, dir_fd=folder.descriptor)
        there = os.stat(folder.at(name), dir_fd=folder.descriptor, follow_symlinks=False)
        if not stat.S_ISDIR(there.st_mode):
            raise RefusedError(
                f"{shown} is there already and is no folder", reason=LINK if stat.S_ISLNK(there.st_mode) else EXISTS
            )
        if folder.descriptor is None:
            return _Folder(path, None)
        return _Folder(path, os.open(name, _FOLDER | _NO_FOLLOW, dir_fd=folder.descriptor))
    except OSError as error:
        raise AssistError(f"{shown} cannot be used: {error.strerror}") from error


def _split(path: bytes) -> tuple[bytes, str]:
    above, _, name = path.rpartition(b"/")
    return above, os.fsdecode(name)


if sys.platform == "win32":  # pragma: no cover

    def _is_locked(descriptor: int) -> bool:
        return True

else:

    def _is_locked(descriptor: int) -> bool:
        """Take the folder; the system gives it back when this program ends, however it ends."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

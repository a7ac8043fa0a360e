"""SFTP as stock clients speak it: packets by asyncssh, every decision by a `FileDoor` of the agent.

Rule 1: no method of asyncssh.SFTPServer is left as it is (a test compares), so that nothing reaches a disk from here.
Rule 2: the next request is read when the client has taken the answers before: nothing piles up. Rule 3: a refusal is
said twice: as the status of the request, and in words on standard error, because sftp shows its user only the status.
"""

import asyncio
import errno
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

from remote_assist.core.hostile import safe_text
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.doors import RemoteProgram
from remote_assist.transport.file_wishes import Attributes, Opening
from remote_assist.transport.ssh_library import asyncssh

MAX_READ_BYTES = 1 << 20
"""Most bytes of one answer."""

MAX_SAID = 20
"""Different refusals told in words on one channel."""

SFTP_VERSION = 3
"""What OpenSSH, paramiko and asyncssh all speak; the later drafts were never finished."""

DEFAULT_FILE_MODE, DEFAULT_FOLDER_MODE = 0o666, 0o777


T = TypeVar("T")


class FileDoor(Protocol):
    """What the agent decides, path by path. `file` is whatever `open` answered. Errors are AssistErrors."""

    async def open(self, path: bytes, wish: Opening) -> object: ...
    async def close(self, file: Any) -> None: ...
    async def read(self, file: Any, offset: int, size: int) -> bytes: ...
    async def write(self, file: Any, offset: int, raw: bytes) -> None: ...
    async def sync(self, file: Any) -> None: ...
    async def status(self, path: bytes, *, follow: bool) -> Any: ...
    async def status_of(self, file: Any) -> Any: ...
    async def change(self, path: bytes, wish: Attributes) -> None: ...
    async def change_of(self, file: Any, wish: Attributes) -> None: ...
    async def list(self, path: bytes) -> Sequence[tuple[bytes, Any]]: ...
    async def remove(self, path: bytes) -> None: ...
    async def make_folder(self, path: bytes, mode: int) -> None: ...
    async def remove_folder(self, path: bytes) -> None: ...
    async def rename(self, old: bytes, new: bytes, *, replace: bool) -> None: ...
    async def plain_path(self, path: bytes) -> bytes: ...
    async def read_link(self, path: bytes) -> bytes: ...
    async def make_link(self, path: bytes, points_to: bytes) -> None: ...
    async def make_second_name(self, old: bytes, new: bytes) -> None: ...
    async def room(self, path: bytes) -> Any: ...
    async def leave(self) -> None: ...


async def serve_sftp(program: RemoteProgram, door: FileDoor) -> int:
    """Serve one sftp channel until the client leaves; answers the channel's exit status."""
    reader, writer = _Reader(program), _Writer(program)
    server = GatedSFTPServer(program.channel, door, _Told(program))
    handler = _Handler(server, reader, writer, SFTP_VERSION)  # type: ignore[arg-type]  # shaped as asyncssh's streams
    try:
        await handler.run()
    finally:
        await asyncio.shield(door.leave())
    return 0


class _Told:
    """Says each refusal once, on standard error."""

    def __init__(self, program: RemoteProgram) -> None:
        self._program = program
        self._said: set[str] = set()

    async def say(self, error: RefusedError) -> None:
        if error.message in self._said or len(self._said) >= MAX_SAID:
            return
        self._said.add(error.message)
        advice = f"\n  {error.advice}" if error.advice else ""
        text = safe_text(f"remote-assist: {error.message}{advice}", lines=True)
        try:
            await self._program.write(text.encode() + b"\n", error=True)
        except UnreachableError:
            return


class GatedSFTPServer(asyncssh.SFTPServer):
    """Hands everything on to the agent's door, and its errors back as SFTP's."""

    def __init__(self, chan: Any, door: FileDoor, told: _Told) -> None:
        super().__init__(chan)
        self._door = door
        self._told = told

    # --- what asyncssh would do by itself ---------------------------------------------------------

    @property
    def channel(self) -> Any:
        return self._chan

    @property
    def connection(self) -> Any:
        return self._chan.get_connection()

    @property
    def env(self) -> Mapping[str, str]:
        return {}

    @property
    def logger(self) -> Any:
        return self._chan.logger

    def map_path(self, path: bytes) -> bytes:
        return path

    def reverse_map_path(self, path: bytes) -> bytes:
        return path

    def format_user(self, uid: int | None) -> str:
        return "" if uid is None else str(uid)

    def format_group(self, gid: int | None) -> str:
        return "" if gid is None else str(gid)

    def format_longname(self, name: asyncssh.SFTPName) -> None:
        """The line `ls -l` of old clients shows; numbers for people, no look into the customer's user database."""
        found = name.attrs
        mode = stat.filemode(found.permissions) if found.permissions is not None else ""
        when = time.strftime("%b %e %H:%M", time.gmtime(found.mtime)) if found.mtime is not None else ""
        who = f"{self.format_user(found.uid):8s} {self.format_group(found.gid):8s}"
        filename = name.filename if isinstance(name.filename, bytes) else name.filename.encode()
        name.longname = f"{mode:10s}    ? {who} {found.size or 0:>8d} {when:12s} ".encode() + filename

    async def convert_attrs(self, result: Any) -> asyncssh.SFTPAttrs:
        found = await result if asyncio.iscoroutine(result) else result
        assert isinstance(found, asyncssh.SFTPAttrs)
        return found

    async def _to_sftpname(self, parent: bytes, name: bytes) -> asyncssh.SFTPName:
        return asyncssh.SFTPName(name, attrs=await self.lstat(parent.rstrip(b"/") + b"/" + name))

    # --- open files -------------------------------------------------------------------------------

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        wish = Opening(
            read=bool(pflags & asyncssh.FXF_READ),
            write=bool(pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_APPEND)),
            append=bool(pflags & asyncssh.FXF_APPEND),
            create=bool(pflags & asyncssh.FXF_CREAT),
            truncate=bool(pflags & asyncssh.FXF_TRUNC),
            exclusive=bool(pflags & asyncssh.FXF_EXCL),
            mode=DEFAULT_FILE_MODE if attrs.permissions is None else stat.S_IMODE(attrs.permissions),
        )
        return await self._do(self._door.open(path, wish))

    async def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        raise asyncssh.SFTPOpUnsupported("only version 3 of SFTP is spoken here")

    async def close(self, file_obj: object) -> None:
        await self._do(self._door.close(file_obj))

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return await self._do(self._door.read(file_obj, offset, min(size, MAX_READ_BYTES)))

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        await self._do(self._door.write(file_obj, offset, data))
        return len(data)

    async def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        return _attributes(await self._do(self._door.status_of(file_obj)))

    async def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        await self._do(self._door.change_of(file_obj, _wish(attrs)))

    async def fsync(self, file_obj: object) -> None:
        await self._do(self._door.sync(file_obj))

    async def fstatvfs(self, file_obj: object) -> Any:
        raise asyncssh.SFTPOpUnsupported("ask for the path's file system instead")

    async def lock(self, file_obj: object, offset: int, length: int, flags: int) -> None:
        raise asyncssh.SFTPOpUnsupported("parts of files are not locked here")

    async def unlock(self, file_obj: object, offset: int, length: int) -> None:
        raise asyncssh.SFTPOpUnsupported("parts of files are not locked here")

    # --- names ------------------------------------------------------------------------------------

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return _attributes(await self._do(self._door.status(path, follow=False)))

    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return _attributes(await self._do(self._door.status(path, follow=True)))

    async def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        await self._do(self._door.change(path, _wish(attrs)))

    async def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        await self._do(self._door.change(path, _wish(attrs)))

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        for name, found in await self._do(self._door.list(path)):
            yield asyncssh.SFTPName(name, attrs=_attributes(found))

    async def remove(self, path: bytes) -> None:
        await self._do(self._door.remove(path))

    async def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        mode = DEFAULT_FOLDER_MODE if attrs.permissions is None else stat.S_IMODE(attrs.permissions)
        await self._do(self._door.make_folder(path, mode))

    async def rmdir(self, path: bytes) -> None:
        await self._do(self._door.remove_folder(path))

    async def realpath(self, path: bytes) -> bytes:
        return await self._do(self._door.plain_path(path))

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._do(self._door.rename(oldpath, newpath, replace=False))

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        await self._do(self._door.rename(oldpath, newpath, replace=True))

    async def readlink(self, path: bytes) -> bytes:
        return await self._do(self._door.read_link(path))

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        await self._do(self._door.make_link(newpath, oldpath))

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        await self._do(self._door.make_second_name(oldpath, newpath))

    async def statvfs(self, path: bytes) -> Any:
        return asyncssh.SFTPVFSAttrs.from_local(await self._do(self._door.room(path)))

    def exit(self) -> None:
        """The door is left by `serve_sftp`."""

    # --- inside -----------------------------------------------------------------------------------

    async def _do(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except RefusedError as error:
            await self._told.say(error)
            raise asyncssh.SFTPPermissionDenied(error.message) from error
        except AssistError as error:
            _raise_status(error)


class _Handler(asyncssh.sftp.SFTPServerHandler):
    """asyncssh's, without the one extension that would reach past the server's methods (it seeks the file itself)."""

    _extensions = [pair for pair in asyncssh.sftp.SFTPServerHandler._extensions if pair[0] != b"ranges@asyncssh.com"]  # noqa: RUF012
    _packet_handlers = {  # noqa: RUF012
        kind: handle
        for kind, handle in asyncssh.sftp.SFTPServerHandler._packet_handlers.items()
        if kind != b"ranges@asyncssh.com"
    }


class _Reader:
    """The channel as asyncssh's SSHReader, as far as its SFTP asks for one."""

    def __init__(self, program: RemoteProgram) -> None:
        self._program = program
        self._buffer = bytearray()

    @property
    def logger(self) -> Any:
        return self._program.channel.logger

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._program.channel.get_extra_info(name, default)

    async def readexactly(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises IncompleteReadError at the end."""
        await self._program.drained()
        while len(self._buffer) < count:
            raw = await self._program.read()
            if not raw:
                raise asyncio.IncompleteReadError(bytes(self._buffer), count)
            self._buffer += raw
        found = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return found


class _Writer:
    """The channel as asyncssh's SSHWriter. Who reads slowly is waited for before the next request is read."""

    def __init__(self, program: RemoteProgram) -> None:
        self.channel = program.channel

    def write(self, raw: bytes) -> None:
        self.channel.write(raw)

    def close(self) -> None:
        """The channel ends with an exit status, elsewhere."""


def _attributes(found: Any) -> asyncssh.SFTPAttrs:
    """What version 3 tells of a file; names of users are not looked up."""
    return asyncssh.SFTPAttrs(
        size=found.st_size,
        uid=found.st_uid,
        gid=found.st_gid,
        permissions=found.st_mode,
        atime=max(0, int(found.st_atime)),
        mtime=max(0, int(found.st_mtime)),
    )


def _wish(attrs: asyncssh.SFTPAttrs) -> Attributes:
    owner = None if attrs.uid is None or attrs.gid is None else (attrs.uid, attrs.gid)
    times = None if attrs.atime is None or attrs.mtime is None else (float(attrs.atime), float(attrs.mtime))
    mode = None if attrs.permissions is None else stat.S_IMODE(attrs.permissions)
    return Attributes(size=attrs.size, owner=owner, mode=mode, times=times)


def _raise_status(error: AssistError) -> NoReturn:
    """As close as version 3 comes to what happened."""
    number = getattr(error.__cause__, "errno", None)
    if number in {errno.ENOENT, errno.ENOTDIR}:
        raise asyncssh.SFTPNoSuchFile(error.message) from error
    if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
        raise asyncssh.SFTPPermissionDenied(error.message) from error
    if isinstance(error, UsageError):
        raise asyncssh.SFTPBadMessage(error.message) from error
    raise asyncssh.SFTPFailure(error.message) from error

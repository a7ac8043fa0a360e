"""One file of a machine reached by SSH, on its way out or in. SFTP asks ahead, so that distance costs little."""

import contextlib
import secrets
from typing import Self

import paramiko

from remote_assist.core.hostile import safe_text
from remote_assist.errors import RefusedError
from remote_assist.transport.hops.ssh import SshHop, check_regular

MAX_ASKED_AHEAD = 64
"""Requests of 32 KiB on their way at once."""


class OutgoingFile:
    """A regular file that is read from its beginning."""

    def __init__(self, hop: SshHop, path: str, file: paramiko.SFTPFile, size: int) -> None:
        self._hop = hop
        self._path = path
        self._file = file
        self.size = size

    @classmethod
    async def open(cls, hop: SshHop, path: str) -> Self:
        """Open it. Raises RefusedError for what is no plain file, AssistError for what is not there."""

        def work(sftp: paramiko.SFTPClient) -> tuple[paramiko.SFTPFile, int]:
            found = sftp.lstat(path)
            check_regular(path, found)
            file = sftp.open(path, "rb")
            size = found.st_size or 0
            if size:
                file.prefetch(size, max_concurrent_requests=MAX_ASKED_AHEAD)
            return file, size

        file, size = await hop.transfer(path, work)
        return cls(hop, path, file, size)

    async def read(self, max_bytes: int) -> bytes:
        """The next bytes, at most as many as the file had when it was opened; empty at its end."""
        return await self._hop.transfer(self._path, lambda _: self._file.read(max_bytes))

    async def close(self) -> None:
        """Let go of it."""
        await self._hop.transfer(self._path, lambda _: self._file.close())


class IncomingFile:
    """A file that is written beside its place until `commit`."""

    def __init__(self, hop: SshHop, path: str, part: str, file: paramiko.SFTPFile) -> None:
        self._hop = hop
        self._path = path
        self._part = part
        self._file = file
        self._over = False

    @classmethod
    async def open(cls, hop: SshHop, path: str, *, overwrite: bool) -> Self:
        """Begin. Raises RefusedError when something is there that may not be replaced."""
        part = f"{path}.remote-assist-{secrets.token_hex(8)}"

        def work(sftp: paramiko.SFTPClient) -> paramiko.SFTPFile:
            with contextlib.suppress(FileNotFoundError):
                check_regular(path, sftp.lstat(path))
                if not overwrite:
                    raise RefusedError(
                        f"{safe_text(path, max_chars=256)} is there already",
                        reason="exists",
                        advice="Say that it may be overwritten.",
                    )
            file = sftp.open(part, "wxb")
            file.chmod(0o600)
            file.set_pipelined(True)
            return file

        return cls(hop, path, part, await hop.transfer(path, work))

    async def write(self, raw: bytes) -> None:
        """Add bytes."""
        await self._hop.transfer(self._part, lambda _: self._file.write(raw))

    async def commit(self, *, mode: int) -> None:
        """Make it appear under its name, with this mode."""

        def work(sftp: paramiko.SFTPClient) -> None:
            self._file.chmod(mode)
            self._file.close()
            sftp.posix_rename(self._part, self._path)

        await self._hop.transfer(self._path, work)
        self._over = True

    async def discard(self) -> None:
        """Remove what came, unless it was committed."""
        if self._over:
            return

        def work(sftp: paramiko.SFTPClient) -> None:
            self._file.close()
            sftp.remove(self._part)

        with contextlib.suppress(Exception):  # the machine is gone; what is there is named after us
            await self._hop.transfer(self._part, work)

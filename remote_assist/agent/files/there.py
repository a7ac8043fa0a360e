"""Files of a machine behind the agent's, over SFTP: what broke off begins anew, and nothing of it is left there.

Rule 1: a link is never followed at the last step of a path; the machine itself decides about those before it. Rule 2: a
machine reached by WinRM only shows its files: they are listed and looked at, not moved.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from remote_assist.agent.files.machine_files import PIECE_BYTES
from remote_assist.core.requests import ReadFile, WriteFile
from remote_assist.core.target import FileStatus
from remote_assist.errors import RefusedError
from remote_assist.transport.hops.ssh import SshHop
from remote_assist.transport.hops.ssh_files import IncomingFile, OutgoingFile

if TYPE_CHECKING:  # only a name for types: pywinrm is loaded for a Windows machine
    from remote_assist.transport.hops.winrm import WinrmHop


class FilesThere:
    """Implements agent/files/machine_files.py's MachineFiles."""

    def __init__(self, hop: "SshHop | WinrmHop") -> None:
        self._hop = hop

    async def list(self, path: bytes, max_entries: int) -> tuple[Sequence[FileStatus], bool]:
        entries = await self._hop.list(os.fsdecode(path), max_entries=max_entries + 1)
        return entries[:max_entries], len(entries) > max_entries

    async def source(self, request: ReadFile) -> "SourceThere":
        return SourceThere(await OutgoingFile.open(self._by_ssh(), os.fsdecode(request.path)))

    async def incoming(self, request: WriteFile, path: bytes) -> "IncomingThere":
        file = await IncomingFile.open(self._by_ssh(), os.fsdecode(path), overwrite=request.overwrite)
        return IncomingThere(file, request.mode)

    def _by_ssh(self) -> SshHop:
        if not isinstance(self._hop, SshHop):
            raise RefusedError("files of that machine are only looked at, not moved", reason="no-such-door")
        return self._hop


class SourceThere:
    """An open file over there, from its beginning."""

    offset = 0

    def __init__(self, file: OutgoingFile) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = file.size

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def read(self) -> bytes:
        piece = await self._file.read(PIECE_BYTES)
        self._digest.update(piece)
        return piece

    async def close(self) -> None:
        await self._file.close()


class IncomingThere:
    """A file that is written beside its place over there."""

    resumable = False

    def __init__(self, file: IncomingFile, mode: int) -> None:
        self._file = file
        self._mode = mode
        self._digest = hashlib.sha256()
        self.held = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, raw: bytes) -> None:
        await self._file.write(raw)
        self._digest.update(raw)
        self.held += len(raw)

    async def commit(self) -> None:
        await self._file.commit(mode=self._mode)

    async def discard(self) -> None:
        await self._file.discard()

    async def leave(self) -> None:
        await self._file.discard()

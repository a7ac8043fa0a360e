"""Files of this computer. Disk and digest work happens in threads; no link is followed (transport/posix/files.py)."""

import asyncio
import hashlib
import os
from collections.abc import Sequence

from remote_assist.agent.files.machine_files import PIECE_BYTES
from remote_assist.core.requests import ReadFile, WriteFile
from remote_assist.core.target import FileStatus
from remote_assist.errors import RefusedError
from remote_assist.transport.posix.files import PosixFiles, read_at_most
from remote_assist.transport.posix.new_file import NewFile, open_new_file

MAX_UNSIZED_BYTES = 16 << 20
"""Longest content of a file that has no size (/proc, /sys): it is read whole when it is opened."""


class FilesHere:
    """Implements agent/files/machine_files.py's MachineFiles."""

    def __init__(self, files: PosixFiles) -> None:
        self._files = files

    async def list(self, path: bytes, max_entries: int) -> tuple[Sequence[FileStatus], bool]:
        return await asyncio.to_thread(self._files.list_folder, path, max_entries=max_entries)

    async def source(self, request: ReadFile) -> "SourceHere":
        return await asyncio.to_thread(_open_source, self._files, request)

    async def incoming(self, request: WriteFile, path: bytes) -> "IncomingHere":
        return await asyncio.to_thread(_open_incoming, self._files, request, path)


class SourceHere:
    """An open file of this computer; `whole` is its content when it has no size."""

    def __init__(self, descriptor: int, size: int, whole: bytes | None) -> None:
        self._descriptor = descriptor
        self._whole = whole
        self._at = 0
        self._digest = hashlib.sha256()
        self.size = size
        self.offset = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def read(self) -> bytes:
        return await asyncio.to_thread(self.take)

    def take(self, most: int = PIECE_BYTES) -> bytes:
        """The next piece, already in the digest. Blocks."""
        count = min(most, PIECE_BYTES, self.size - self._at)
        whole = self._whole
        piece = os.pread(self._descriptor, count, self._at) if whole is None else whole[self._at : self._at + count]
        self._digest.update(piece)
        self._at += len(piece)
        return piece

    def go_on_after(self, offset: int, prefix_sha256: str) -> None:
        """Start after the bytes the technician holds, if the file still begins with them. Blocks."""
        while self._at < offset <= self.size and self.take(offset - self._at):
            pass
        if 0 < self._at == offset and self.sha256 == prefix_sha256:
            self.offset = offset
        else:
            self._at, self._digest = 0, hashlib.sha256()

    async def close(self) -> None:
        os.close(self._descriptor)


class IncomingHere:
    """A file on its way in, kept under another name for the next try until it is whole."""

    resumable = True

    def __init__(self, file: NewFile, request: WriteFile) -> None:
        self._file = file
        self._request = request
        self._digest = hashlib.sha256()
        self.held = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def take_up(self) -> None:
        """Go on where an earlier try ended. Blocks."""
        if self._file.size > self._request.size:
            self._file.start_again()
        while piece := self._file.read(PIECE_BYTES):
            self._digest.update(piece)
            self.held += len(piece)

    async def write(self, raw: bytes) -> None:
        await asyncio.to_thread(self._write, raw)

    async def commit(self) -> None:
        await asyncio.to_thread(self._file.commit, mode=self._request.mode, overwrite=self._request.overwrite)

    async def discard(self) -> None:
        self._file.discard()

    async def leave(self) -> None:
        await asyncio.to_thread(self._file.keep_part)

    def _write(self, raw: bytes) -> None:
        self._digest.update(raw)
        self._file.write(raw)
        self.held += len(raw)


def _open_source(files: PosixFiles, request: ReadFile) -> SourceHere:
    descriptor = files.open_regular(request.path)
    try:
        size = os.fstat(descriptor).st_size
        whole = None if size else read_at_most(descriptor, MAX_UNSIZED_BYTES)
        source = SourceHere(descriptor, size if whole is None else len(whole), whole)
        source.go_on_after(request.offset, request.prefix_sha256)
        return source
    except BaseException:
        os.close(descriptor)
        raise


def _open_incoming(files: PosixFiles, request: WriteFile, path: bytes) -> IncomingHere:
    with files.open_folder(request.folder) as folder:
        there = files.check_replaceable(folder, path)
    if there is not None and not request.overwrite:
        raise RefusedError(
            "a file of this name is there already", reason="exists", advice="Say that it may be overwritten."
        )
    file = open_new_file(files, request.folder, request.name, tag=request.sha256)
    try:
        incoming = IncomingHere(file, request)
        incoming.take_up()
        return incoming
    except BaseException:
        file.keep_part()
        raise

"""A file on its way in: written beside its place, digested while it comes, moved there only whole and checked.

    .NAME.part   0600, never through a link; kept when the transfer breaks, so that the next one goes on

Disk and digest work in one worker thread; a few batches may wait, then the sender is made to wait.
"""

import asyncio
import contextlib
import hashlib
import os
import stat
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from remote_assist.errors import AssistError, RefusedError, VerificationError
from remote_assist.transport.private_files import sync_folder, write_all

BATCH_BYTES = 1 << 20
"""How much is handed to the worker at once."""

MAX_BATCHES = 4
"""Batches that may wait for the disk."""

_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class PartFile:
    """One incoming file. Open it, `write`, then `finish`; `close` without finishing keeps what came."""

    def __init__(self, target: Path, *, force: bool) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self.held = 0
        self._force = force
        self._digest = hashlib.sha256()
        self._size = 0
        self._descriptor = -1
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._waiting: deque[Future[None]] = deque()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="part-file")

    async def open(self) -> None:
        """Open or take up the part file; `held` and `prefix` tell what is there. Raises RefusedError, AssistError."""
        if not self._force and _exists(self.target):
            raise RefusedError(
                f"{self.target} is there already",
                reason="exists",
                advice="Use --force to replace it, or another folder.",
            )
        try:
            await self._in_worker(self._open)
        except OSError as error:
            raise self._fault(error) from error

    @property
    def prefix(self) -> str:
        """SHA-256 (hex) of the bytes held; empty when there are none."""
        return self._digest.hexdigest() if self.held else ""

    @property
    def size(self) -> int:
        """Bytes held and received so far."""
        return self._size

    async def start_at(self, offset: int) -> None:
        """Go on from `offset`, which the sender chose: what is held, or 0."""
        if offset not in {0, self.held}:
            raise VerificationError("the agent starts in the middle of the file")
        if offset == 0 and self.held:
            self._digest = hashlib.sha256()
            self._size = self.held = 0
            await self._in_worker(self._rewind)

    async def write(self, data: bytes) -> None:
        """Take the next bytes; waits while the disk is behind."""
        self._batch.append(data)
        self._batch_bytes += len(data)
        self._size += len(data)
        if self._batch_bytes >= BATCH_BYTES:
            self._submit()
            while len(self._waiting) > MAX_BATCHES:
                await self._settle_oldest()

    async def finish(self, *, sha256: str, size: int) -> Path:
        """Check against what the sender says, make it durable, move it into place.

        Raises VerificationError, after removing the part file, when the bytes are not those that were sent.
        """
        self._submit()
        while self._waiting:
            await self._settle_oldest()
        found = self._digest.hexdigest()
        if (found, self._size) != (sha256, size):
            await self._in_worker(self._remove)
            raise VerificationError(
                f"{self.target.name} did not arrive as it was sent (digest {found[:16]}…, expected {sha256[:16]}…)",
                where=str(self.target),
                advice="Try again; what arrived was removed.",
            )
        try:
            await self._in_worker(self._place)
        except OSError as error:
            raise self._fault(error) from error
        return self.target

    async def close(self) -> None:
        """Let go; an unfinished part file stays for the next try, an empty one does not."""
        self._submit()
        with contextlib.suppress(OSError, AssistError):
            while self._waiting:
                await self._settle_oldest()
        await self._in_worker(self._let_go)
        self._worker.shutdown(wait=False)

    def _submit(self) -> None:
        if self._batch:
            self._waiting.append(self._worker.submit(self._store, self._batch))
            self._batch, self._batch_bytes = [], 0

    async def _settle_oldest(self) -> None:
        try:
            await asyncio.wrap_future(self._waiting.popleft())
        except OSError as error:
            raise self._fault(error) from error

    async def _in_worker(self, work: object) -> None:
        assert callable(work)
        await asyncio.wrap_future(self._worker.submit(work))

    # --- in the worker thread ---------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
            return
        except FileExistsError:
            self._descriptor = os.open(self.path, _FLAGS)
        found = os.fstat(self._descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or not _is_ours(found):
            raise OSError(0, "something else is in the way of the part file")
        while part := os.read(self._descriptor, BATCH_BYTES):
            self._digest.update(part)
            self._size += len(part)
        self.held = self._size

    def _rewind(self) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)

    def _store(self, batch: list[bytes]) -> None:
        for part in batch:
            write_all(self._descriptor, part)
            self._digest.update(part)

    def _place(self) -> None:
        os.fsync(self._descriptor)
        if self._force or os.name != "posix":
            self.path.replace(self.target)
        else:
            os.link(self.path, self.target)  # refuses a name that appeared meanwhile
            self.path.unlink()
        sync_folder(self.target.parent)

    def _remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _let_go(self) -> None:
        if self._descriptor < 0:
            return
        empty = os.fstat(self._descriptor).st_size == 0
        os.close(self._descriptor)
        self._descriptor = -1
        if empty:
            self._remove()

    def _fault(self, error: OSError) -> AssistError:
        if isinstance(error, FileExistsError):
            return RefusedError(
                f"{self.target} appeared meanwhile", reason="exists", advice="Use --force to replace it."
            )
        return AssistError(
            f"{self.target} cannot be written: {error.strerror}", advice="Check the folder and its space."
        )


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _is_ours(found: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid()

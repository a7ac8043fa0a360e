"""A whole folder from the customer: listed, then fetched in batches of named files, then the large files one by one.

    walk ─▶ what is here already is skipped ─▶ batches (one intent each) ─▶ files over 1 MiB (an action each, resumed)

Rule 1: a file that does not come is named and the rest comes; what ends the session ends this. Rule 2: a file appears
only when its digest is the one the agent took at the source. Rule 3: cut anywhere, the same request fetches the rest.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from remote_assist.core.counted import counted
from remote_assist.core.file_batch import (
    MAX_BATCH_BYTES,
    MAX_FILE_BYTES,
    MAX_NAMED,
    MAX_NAMED_BYTES,
    TOO_LARGE,
    BatchReader,
    FileHead,
    FolderLimits,
    digest_of,
    named_bytes,
)
from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import Progress, ReadMany
from remote_assist.errors import AssistError, RefusedError, VerificationError
from remote_assist.technician.conversation import Conversation, check_done
from remote_assist.technician.files import (
    FetchedFile,
    FolderListing,
    check_folder,
    fetch,
    list_folder,
    list_folders,
)
from remote_assist.technician.local_tree import OTHER, SAME, LocalTree
from remote_assist.technician.remote_tree import EXISTS, LeftOut, RemoteTree, Wanted, walk

FOLDS_CASE = os.name == "nt" or sys.platform == "darwin"
"""Whether names that differ in case only are usually one name on this machine."""

GROUP_BYTES = 512 << 10
"""Written at once, while more arrives."""

T = TypeVar("T")

OnFile = Callable[[bytes, FetchedFile], None]
"""Told of each file that is here now: its path at the customer's, and what it is."""


@dataclass(slots=True)
class FetchedFolder:
    """What came of it. `here_already`: files an earlier fetch had brought."""

    path: Path
    files: int = 0
    size: int = 0
    here_already: int = 0
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is fetched where to. `force` replaces other files, `keep` keeps sealed copies for the reviewers."""

    remote: bytes
    folder: Path
    force: bool = False
    keep: bool = False
    limits: FolderLimits = field(default_factory=FolderLimits)


class FolderFetch:
    """One folder on its way. `conversation` opens one for a request."""

    def __init__(
        self,
        conversation: Callable[[], AbstractAsyncContextManager[Conversation]],
        wish: Wish,
        on_progress: Callable[[Progress], None] | None = None,
        on_file: OnFile | None = None,
    ) -> None:
        self._conversation = conversation
        self._wish = wish
        self._on_progress = on_progress
        self._on_file = on_file
        self._root = wish.remote.rstrip(b"/")
        self._tree = LocalTree(wish.folder, wish.remote, force=wish.force)
        self._result = FetchedFolder(self._tree.path)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="folder-fetch")  # one thing at a time, to its end
        self._alone: list[Wanted] = []
        self._total = 0

    async def run(self) -> FetchedFolder:
        """Fetch what is missing. Raises RefusedError, UsageError, VerificationError, AssistError."""
        check_folder(self._wish.folder)
        try:
            remote = await walk(self, self._wish.remote, self._wish.limits, folds_case=FOLDS_CASE)
            self._result.left_out += remote.left_out
            missing = await self._on_disk(self._missing, remote)
            self._total = sum(one.size for one in missing)
            self._alone = [one for one in missing if one.size > MAX_FILE_BYTES]
            for batch in batches((one for one in missing if one.size <= MAX_FILE_BYTES), self._root):
                await self._fetch_batch(batch)
            for one in self._alone:
                await self._fetch_alone(one)
        finally:
            await self._on_disk(self._tree.close)
            self._disk.shutdown(wait=False)
        return self._result

    async def folder(self, path: bytes) -> FolderListing:
        """List one."""
        self._show("listing", 0, 0)
        async with self._conversation() as conversation:
            return await list_folder(conversation, path)

    async def folders(
        self, root: bytes, names: Sequence[bytes], max_entries: int
    ) -> list[FolderListing | RefusedError]:
        """List many."""
        self._show("listing", 0, 0)
        async with self._conversation() as conversation:
            return await list_folders(conversation, root, names, max_entries)

    def _missing(self, remote: RemoteTree) -> list[Wanted]:
        """What must be fetched; the folders are made. Blocks."""
        self._tree.hold()
        for folder in (b"", *remote.folders):
            self._tree.make_folder(folder)
        missing: list[Wanted] = []
        for wanted in remote.files:
            state = self._tree.found(wanted)
            if state == SAME:
                self._result.here_already += 1
            elif state == OTHER and not self._wish.force:
                self._leave_out(wanted.path, EXISTS, "another file is there already; --force replaces it")
            else:
                missing.append(wanted)
        return missing

    async def _fetch_batch(self, batch: list[Wanted]) -> None:
        request = ReadMany(folder=self._wish.remote, names=tuple(one.path for one in batch), keep=self._wish.keep)
        arriving = _Arriving(batch)
        async with self._conversation() as conversation:
            await conversation.begin(request)

            async def take(_: int, data: bytes) -> None:
                arriving.take(data)
                if arriving.waiting_bytes >= GROUP_BYTES:
                    await self._place(arriving)

            done = (await conversation.finish(on_data=take)).done
        await self._place(arriving)
        assert done is not None
        check_done(done)
        digests = [(self._path(path), sha256) for path, sha256 in arriving.digests]
        if not arriving.complete or done.sha256 != digest_of(digests):
            raise VerificationError(
                "the files that came are not those the agent says it sent",
                where=safe_text(self._wish.remote),
                advice="Compare what is here with the customer's before you rely on it.",
            )

    async def _place(self, arriving: "_Arriving") -> None:
        """Write what waits; tell of it."""
        group = arriving.take_waiting()
        for wanted, head, fault in await self._on_disk(self._write, group):
            if fault:
                self._leave_out(wanted.path, *fault)
            elif head.reason == TOO_LARGE:
                self._alone.append(wanted)
            elif head.reason:
                self._leave_out(wanted.path, head.reason, head.sentence)
            else:
                self._told(wanted, FetchedFile(self._local(wanted.path), head.size, head.sha256))

    def _write(self, group: "list[_Arrived]") -> "list[tuple[Wanted, FileHead, tuple[str, str] | None]]":
        written = []
        for wanted, head, content in group:
            fault = None
            if not head.reason:
                _check_digest(wanted, head, content)
                try:
                    self._tree.place(wanted.path, content, head.modified)
                except RefusedError as error:
                    fault = (error.reason, error.message)
            written.append((wanted, head, fault))
        return written

    async def _fetch_alone(self, wanted: Wanted) -> None:
        """A file that is an action of its own, taken up where an earlier try broke off."""
        came = self._result.size
        folder = await self._on_disk(self._tree.make_folder, wanted.path.rpartition(b"/")[0])

        def show(progress: Progress) -> None:
            self._show(safe_text(wanted.path), came + progress.done, self._total)

        try:
            async with self._conversation() as conversation:
                fetched = await fetch(
                    conversation,
                    self._path(wanted.path),
                    folder,
                    force=self._wish.force,
                    keep=self._wish.keep,
                    on_progress=show,
                )
        except AssistError as error:
            if not _is_about_one_file(error):
                raise
            self._leave_out(wanted.path, getattr(error, "reason", "failed"), error.message)
            return
        await self._on_disk(self._tree.stamp, wanted.path, wanted.modified)
        self._told(wanted, fetched)

    async def _on_disk(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work, *arguments)

    def _told(self, wanted: Wanted, fetched: FetchedFile) -> None:
        self._result.files += 1
        self._result.size += fetched.size
        self._show(counted(self._result.files, "file"), self._result.size, max(self._total, self._result.size))
        if self._on_file is not None:
            self._on_file(self._path(wanted.path), fetched)

    def _show(self, item: str, done: int, total: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(item=item, status="receiving" if total else "…", done=done, total=total))

    def _leave_out(self, path: bytes, reason: str, sentence: str) -> None:
        self._result.left_out.append(LeftOut(path, reason, sentence))

    def _path(self, path: bytes) -> bytes:
        return b"%s/%s" % (self._root, path)

    def _local(self, path: bytes) -> Path:
        return self._tree.path / os.fsdecode(path)


def batches(files: Iterable[Wanted], root: bytes) -> Iterator[list[Wanted]]:
    """As many files as one intent may name, one intent after the other."""
    batch: list[Wanted] = []
    size = named = 0
    for one in files:
        name = named_bytes(b"%s/%s" % (root, one.path))
        full = len(batch) == MAX_NAMED or named + name > MAX_NAMED_BYTES or size + one.size > MAX_BATCH_BYTES
        if batch and full:
            yield batch
            batch, size, named = [], 0, 0
        batch.append(one)
        size, named = size + one.size, named + name
    if batch:
        yield batch


_Arrived = tuple[Wanted, FileHead, bytes]


class _Arriving:
    """A batch as it comes: what is whole and waits to be written, and the digests of all that came."""

    def __init__(self, batch: list[Wanted]) -> None:
        self._batch = batch
        self._reader = BatchReader(len(batch))
        self._waiting: list[_Arrived] = []
        self.waiting_bytes = 0
        self.digests: list[tuple[bytes, str]] = []

    @property
    def complete(self) -> bool:
        """Whether each file came or was said not to."""
        return self._reader.complete

    def take(self, data: bytes) -> None:
        """Bytes from the agent. Raises RemoteProtocolError."""
        self.waiting_bytes += len(data)
        for head, content in self._reader.feed(data):
            wanted = self._batch[head.number]
            self._waiting.append((wanted, head, content))
            if not head.reason:
                self.digests.append((wanted.path, head.sha256))

    def take_waiting(self) -> list[_Arrived]:
        """What waits, which then waits no more."""
        waiting, self._waiting, self.waiting_bytes = self._waiting, [], 0
        return waiting


def _check_digest(wanted: Wanted, head: FileHead, content: bytes) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != head.sha256:
        shown = safe_text(wanted.path)
        raise VerificationError(f"{shown} did not arrive as it was sent; it was not written", where=shown)


def _is_about_one_file(error: AssistError) -> bool:
    """Whether the others may still come."""
    if isinstance(error, RefusedError):
        return error.reason in {EXISTS, TOO_LARGE, "link", "not-a-file", "off-limits", "bad-name"}
    return type(error) is AssistError

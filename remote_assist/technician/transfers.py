"""A queue of files and folders to get, and files to put: one at a time, paused and resumed where they stopped.

    waiting → running → done | failed        paused and failed → waiting
       └─────────┴────→ paused

Rule 1: a paused or failed file goes on from what already arrived (part files here, an unfinished file there), a
folder with the files that are not here yet. What of a folder was left out, though it has a content, is a failure.
Rule 2: `run` returns when nothing waits; whoever adds or resumes starts it again. The queue itself is bounded.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from remote_assist.core.counted import counted
from remote_assist.core.requests import Done, Progress
from remote_assist.errors import AssistError, UsageError

MAX_TRANSFERS = 1000

OnProgress = Callable[[Progress], None]


class State(StrEnum):
    """Where a transfer stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


class Fetched(Protocol):
    """What a `get` answers, as far as the queue looks at it."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...


class LeftOut(Protocol):
    """Something of a folder that did not come; `harmless`: it has no content to fetch. Both texts are a peer's."""

    @property
    def path(self) -> bytes: ...
    @property
    def sentence(self) -> str: ...
    @property
    def harmless(self) -> bool: ...


class FetchedTree(Protocol):
    """What fetching a folder answers, as far as the queue looks at it."""

    @property
    def files(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def here_already(self) -> int: ...
    @property
    def left_out(self) -> Sequence[LeftOut]: ...


class FileMover(Protocol):
    """What the queue needs of a session."""

    async def get(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Fetched: ...
    async def get_folder(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> FetchedTree: ...
    async def put(
        self, local: Path, folder: bytes, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Done: ...


@dataclass
class Transfer:
    """One file or folder on its way. `remote`: what to get, or the folder to put into; `problem` is a peer's words.

    `is_folder`: with all below it; `note`: how much of it came.
    """

    number: int
    is_get: bool
    remote: bytes
    local: Path
    state: State = State.WAITING
    done: int = 0
    total: int = 0
    problem: str = ""
    force: bool = False
    is_folder: bool = False
    note: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in {State.DONE, State.FAILED}


@dataclass
class Transfers:
    """The queue. `changed` is told whenever something moved; it must not wait."""

    session: FileMover
    changed: Callable[[], None]
    items: list[Transfer] = field(default_factory=list)
    _count: int = 0
    _current: "asyncio.Task[None] | None" = None

    def get(self, remote: bytes, folder: Path) -> Transfer:
        """Queue a file to fetch into a local folder."""
        return self._add(is_get=True, remote=remote, local=folder)

    def get_folder(self, remote: bytes, folder: Path) -> Transfer:
        """Queue a folder with all below it to fetch into a local folder."""
        return self._add(is_get=True, remote=remote, local=folder, is_folder=True)

    def put(self, local: Path, folder: bytes) -> Transfer:
        """Queue a local file to bring into a remote folder."""
        return self._add(is_get=False, remote=folder, local=local)

    def pause(self, transfer: Transfer) -> None:
        """Hold a file up; what arrived is kept."""
        if transfer.is_over:
            return
        running = transfer.state is State.RUNNING
        transfer.state = State.PAUSED
        if running and self._current is not None:
            self._current.cancel()
        self.changed()

    def resume(self, transfer: Transfer, *, force: bool = False) -> None:
        """Let a paused or failed file wait for its turn again; `force` replaces a file that is there."""
        if transfer.state in {State.PAUSED, State.FAILED}:
            transfer.state, transfer.problem = State.WAITING, ""
            transfer.force = transfer.force or force
            self.changed()

    def drop(self, transfer: Transfer) -> None:
        """Take a file off the list; a running one is stopped first."""
        self.pause(transfer)
        if transfer in self.items:
            self.items.remove(transfer)
        self.changed()

    def use(self, session: FileMover) -> None:
        """Go on over another connection to the same session."""
        self.session = session

    @property
    def waiting(self) -> bool:
        return any(item.state is State.WAITING for item in self.items)

    async def run(self) -> None:
        """Move what waits, in order, until nothing does. Cancelled, the running file is paused."""
        while (item := next((one for one in self.items if one.state is State.WAITING), None)) is not None:
            item.state = State.RUNNING
            self.changed()
            self._current = asyncio.create_task(self._move(item))
            try:
                await asyncio.wait({self._current})
            except asyncio.CancelledError:
                self.pause(item)
                raise
            if not self._current.cancelled() and (bug := self._current.exception()) is not None:
                item.state, item.problem = State.FAILED, f"a fault of this program: {type(bug).__name__}: {bug}"
            self.changed()

    async def _move(self, item: Transfer) -> None:
        def note(progress: Progress) -> None:
            item.done, item.total = progress.done, progress.total
            item.note = progress.item if item.is_folder else ""
            self.changed()

        try:
            if item.is_folder:
                _take(item, await self.session.get_folder(item.remote, item.local, note, force=item.force))
                return
            if item.is_get:
                item.total = item.done = (await self.session.get(item.remote, item.local, note, force=item.force)).size
            else:
                item.total = item.done = (await self.session.put(item.local, item.remote, note, force=item.force)).size
        except AssistError as error:
            item.problem = f"{error.message} {error.advice}".strip()
            item.state = State.FAILED
        except OSError as error:
            item.problem, item.state = error.strerror or str(error), State.FAILED
        else:
            item.state = State.DONE

    def _add(self, *, is_get: bool, remote: bytes, local: Path, is_folder: bool = False) -> Transfer:
        if sum(not item.is_over for item in self.items) >= MAX_TRANSFERS:
            raise UsageError(f"at most {MAX_TRANSFERS} files wait at once")
        self._count += 1
        item = Transfer(self._count, is_get, remote, local, is_folder=is_folder)
        self.items = [*self.items[-MAX_TRANSFERS:], item]
        self.changed()
        return item


def _take(item: Transfer, fetched: FetchedTree) -> None:
    """Note what came of a folder."""
    item.total = item.done = fetched.size
    already = f", {fetched.here_already:,} here already" if fetched.here_already else ""
    item.note = counted(fetched.files, "file") + already
    missing = [one for one in fetched.left_out if not one.harmless]
    item.state = State.FAILED if missing else State.DONE
    if missing:
        first = f"{os.fsdecode(missing[0].path)}: {missing[0].sentence}"
        item.problem = f"{len(missing):,} left out; {first}"

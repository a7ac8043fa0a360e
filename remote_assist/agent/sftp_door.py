"""The sftp door: every request of a stock client as an action through the gate.

    open … close   one action; reads and writes inside it look at the consent again; bytes and digest at its close
    listing        one action      a change of name, mode or existence   one action each
    status, link, real path        allowed as an action is, counted in one record at the channel's end

Rule 1: paths are walked without following links; what a relative one means is decided by name only, from the home
folder of the user who runs the agent. Rule 2: whoever stops an action closes its file.
"""

import asyncio
import contextlib
import os
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from remote_assist.agent.actions import Action, Ending, list_action, read_action
from remote_assist.agent.actions_files import (
    change_action,
    link_action,
    look_action,
    make_folder_action,
    open_for_writing_action,
    remove_action,
    remove_folder_action,
    rename_action,
)
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.core.records import Actor, RecordDraft
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.doors import RemoteProgram
from remote_assist.transport.file_wishes import Attributes, Opening
from remote_assist.transport.posix import changes as posix_changes
from remote_assist.transport.posix.files import PosixFiles, split_path
from remote_assist.transport.posix.open_file import OpenFile, digest_of, open_file

MAX_OPEN_FILES = 128
"""Files open on one channel at once."""

MAX_ENTRIES = 50_000
"""Names of one folder."""

MAX_DIGEST_BYTES = 1 << 30
"""Longest file that is read again at its close because it was not written in order."""

UNRECORDED = frozenset({"link", "not-a-file"})
"""Why a look may fail that nobody forbade: what is there is not what the client thinks."""

T = TypeVar("T")


@dataclass(eq=False)
class Visit:
    """One open file: the action that lasts as long as it is open."""

    running: Running
    file: OpenFile
    over: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    task: "asyncio.Task[None] | None" = None
    fault: AssistError | None = None


class SftpDoor:
    """One channel. Implements transport.sftp.FileDoor."""

    def __init__(self, gate: Gate, actor: Actor, key: str, program: RemoteProgram, home: bytes) -> None:
        self._gate = gate
        self._actor = actor
        self._key = key
        self._program = program
        self._home = home
        self._visits: set[Visit] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked = 0
        self._refused: set[str] = set()

    # --- open files -------------------------------------------------------------------------------

    async def open(self, path: bytes, wish: Opening) -> Visit:
        """Open a file; answered when its intent is acknowledged and it is open."""
        place = self._absolute(path)
        if len(self._tasks) >= MAX_OPEN_FILES:
            raise RefusedError(f"at most {MAX_OPEN_FILES} files are open at once", reason="busy")
        if not wish.read and not wish.write:
            raise UsageError("a file is opened to be read or to be written")
        action = open_for_writing_action(place, wish) if wish.write else read_action(place, 0)
        opened: asyncio.Future[Visit] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._hold_open(action, place, wish, opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        visit = await opened
        visit.task = task
        return visit

    async def close(self, file: Visit) -> None:
        """Close it; answered when the outcome is written down. Raises what became of the action, if it was stopped."""
        file.over.set()
        if file.task is not None:
            await asyncio.shield(file.task)
        if file.fault is not None:
            raise file.fault

    async def read(self, file: Visit, offset: int, size: int) -> bytes:
        """Bytes; the consent is looked at again."""
        await file.running.go_on()
        found = file.file.waiting(offset, size)
        if found is not None:
            return found
        async with file.turn:
            return await asyncio.to_thread(file.file.read, offset, size)

    async def write(self, file: Visit, offset: int, raw: bytes) -> None:
        """Put bytes; the consent is looked at again."""
        async with file.turn:
            await file.running.go_on()
            await asyncio.to_thread(file.file.write, offset, raw)

    async def sync(self, file: Visit) -> None:
        """Make it durable."""
        async with file.turn:
            file.running.require()
            await asyncio.to_thread(file.file.sync)

    async def status_of(self, file: Visit) -> os.stat_result:
        """Belongs to the open file."""
        file.running.require()
        return file.file.status()

    async def change_of(self, file: Visit, wish: Attributes) -> None:
        """An action of its own, on the file that is open."""
        wish.check()

        async def work(_machine: Machine, _running: Running) -> Ending:
            async with file.turn:
                await asyncio.to_thread(posix_changes.change_open, file.file.descriptor, file.file.path, wish)
            return Ending()

        await self._perform(change_action(file.file.path, wish), work)

    async def _hold_open(self, action: Action, path: bytes, wish: Opening, opened: "asyncio.Future[Visit]") -> None:
        """The action of one open file, from its intent to its outcome."""

        async def work(machine: Machine, running: Running) -> Ending:
            file = await _in_thread(lambda: open_file(machine.files, path, wish), OpenFile.close)
            visit = Visit(running, file)
            self._visits.add(visit)
            opened.set_result(visit)
            try:
                await visit.over.wait()
            finally:
                self._visits.discard(visit)
                async with visit.turn:
                    running.partial = await asyncio.to_thread(_finish, machine.files, file)
            return running.partial

        try:
            await self._perform(action, work)
        except (AssistError, asyncio.CancelledError) as error:
            fault = error if isinstance(error, AssistError) else AssistError("the agent is leaving")
            if opened.done():
                opened.result().fault = fault
            else:
                opened.set_exception(fault)

    # --- names ------------------------------------------------------------------------------------

    async def list(self, path: bytes) -> list[tuple[bytes, os.stat_result]]:
        """One listing, one action."""
        place = self._absolute(path)
        found: list[tuple[bytes, os.stat_result]] = []

        async def work(machine: Machine, _running: Running) -> Ending:
            found.extend(
                await asyncio.to_thread(posix_changes.look_into, machine.files, place, max_entries=MAX_ENTRIES)
            )
            return Ending(size=len(found), sizes={"entries": len(found)})

        await self._perform(list_action(place), work)
        return found

    async def status(self, path: bytes, *, follow: bool) -> os.stat_result:
        place = self._absolute(path)
        return await self._look(place, lambda files: posix_changes.look(files, place, follow=follow))

    async def read_link(self, path: bytes) -> bytes:
        place = self._absolute(path)
        return await self._look(place, lambda files: posix_changes.read_link(files, place))

    async def room(self, path: bytes) -> os.statvfs_result:
        place = self._absolute(path)
        return await self._look(place, lambda files: posix_changes.room(files, place))

    async def plain_path(self, path: bytes) -> bytes:
        """What a path means, by name only: nothing on the disk is looked at."""
        self._looked += 1
        return self._absolute(path)

    async def change(self, path: bytes, wish: Attributes) -> None:
        wish.check()
        place = self._absolute(path)
        await self._do(change_action(place, wish), lambda files: posix_changes.change(files, place, wish))

    async def remove(self, path: bytes) -> None:
        place = self._absolute(path)
        await self._do(remove_action(place), lambda files: posix_changes.remove(files, place))

    async def make_folder(self, path: bytes, mode: int) -> None:
        place = self._absolute(path)
        await self._do(
            make_folder_action(place, mode), lambda files: posix_changes.make_folder(files, place, mode=mode)
        )

    async def remove_folder(self, path: bytes) -> None:
        place = self._absolute(path)
        await self._do(remove_folder_action(place), lambda files: posix_changes.remove_folder(files, place))

    async def rename(self, old: bytes, new: bytes, *, replace: bool) -> None:
        source, goal = self._absolute(old), self._absolute(new)
        await self._do(
            rename_action(source, goal), lambda files: posix_changes.move(files, source, goal, replace=replace)
        )

    async def make_link(self, path: bytes, points_to: bytes) -> None:
        place = self._absolute(path)
        await self._do(link_action(place, points_to), lambda files: posix_changes.make_link(files, place, points_to))

    async def make_second_name(self, old: bytes, new: bytes) -> None:
        source, goal = self._absolute(old), self._absolute(new)
        await self._do(link_action(goal, source), lambda files: posix_changes.make_second_name(files, source, goal))

    async def leave(self) -> None:
        """The channel is over: close what is open, and say how many names were looked up."""
        for visit in list(self._visits):
            visit.over.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._looked:
            with contextlib.suppress(AssistError):
                sizes = {"count": self._looked}
                await self._gate.write(RecordDraft(code="RA1209E", actor=self._actor, sizes=sizes))

    # --- inside -----------------------------------------------------------------------------------

    def _absolute(self, path: bytes) -> bytes:
        """The path without `.`, `..` and doubled slashes, by name only. Raises UsageError."""
        plain = b"/" + posixpath.normpath(posixpath.join(self._home, path)).lstrip(b"/")
        split_path(plain)
        return plain

    def _is_wanted(self) -> bool:
        return not self._program.gone.is_set()

    async def _do(self, action: Action, work: Callable[[PosixFiles], None]) -> None:
        async def act(machine: Machine, _running: Running) -> Ending:
            await asyncio.to_thread(work, machine.files)
            return Ending()

        await self._perform(action, act)

    async def _perform(self, action: Action, work: Callable[[Machine, Running], Awaitable[Ending]]) -> None:
        performed = await self._gate.perform(self._actor, self._key, action, work, wanted=self._is_wanted)
        if performed.error is not None:
            raise performed.error
        if performed.ending.status != "done":
            reason = performed.ending.reason
            raise RefusedError(f"the action was stopped: {reason}", reason=reason)

    async def _look(self, path: bytes, work: Callable[[PosixFiles], T]) -> T:
        self._looked += 1
        action = look_action(path)
        try:
            return await self._gate.look_up(self._key, action, lambda machine: work(machine.files), self._is_wanted)
        except RefusedError as error:
            if error.reason not in UNRECORDED and error.reason not in self._refused:
                self._refused.add(error.reason)
                await self._gate.refuse(self._actor, action, error)
            raise


def _finish(files: PosixFiles, file: OpenFile) -> Ending:
    """Close a file and say what went through it."""
    try:
        found = file.status()
    finally:
        file.close()
    if not file.how.write:
        digest = file.digest()
        sizes = {"bytes": file.read_bytes}
        return Ending(size=file.read_bytes, sha256=digest, sizes=sizes, sealed=_sealed(digest))
    digest = file.digest() if file.digest_is_whole(found) else ""
    digest = digest or digest_of(files, file.path, like=found, max_bytes=MAX_DIGEST_BYTES)
    sizes = {"bytes": file.written_bytes, "size": found.st_size}
    if file.read_bytes:
        sizes["read"] = file.read_bytes
    return Ending(size=found.st_size, sha256=digest, sizes=sizes, sealed=_sealed(digest))


def _sealed(digest: str) -> dict[str, bytes]:
    return {"sha256": digest.encode()} if digest else {}


async def _in_thread(work: Callable[[], T], undo: Callable[[T], None]) -> T:
    """`work` in a thread; when the waiting is cancelled, what it brings all the same is undone."""
    pending = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(pending)
    except asyncio.CancelledError:
        pending.add_done_callback(lambda done: None if done.cancelled() or done.exception() else undo(done.result()))
        raise

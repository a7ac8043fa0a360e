"""Files of a folder one after the other: one intent names them all, one outcome says what came of each.

Rule 1: every file is reached as a single one is, without following links; one that cannot be read is named, the rest
comes. Rule 2: consent is looked at again before each group of files. Rule 3: with a sealed copy (a tar archive for the
batch), a group is in it before it goes.
"""

import asyncio
import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from remote_assist.agent.actions import Ending, list_many_action, read_many_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.record.recordings import FILE_CHUNK, Recordings
from remote_assist.agent.record.sealed_copy import SealedCopy
from remote_assist.agent.requests.files import LISTING_ENTRIES, MAX_ENTRIES, entry_of
from remote_assist.core.file_batch import (
    MAX_BATCH_BYTES,
    MAX_FILE_BYTES,
    MAX_NAMED,
    MAX_NAMED_BYTES,
    TOO_LARGE,
    FileHead,
    digest_lines,
    head_line,
    named_bytes,
)
from remote_assist.core.requests import FolderListed, ListMany, ReadMany
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.posix.files import Place, PosixFiles, read_at_most, split_path

GROUP_FILES, GROUP_BYTES = 64, 1 << 20
"""Read in one go, while the group before is sent."""

MAX_SENTENCE_CHARS = 300


class ManyFiles:
    """The executor; with `recordings`, a sealed copy is kept where policy or request want one."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self._recordings = recordings

    async def read(self, caller: Caller, request: ReadMany) -> None:
        """The files named, as they are now. Raises UsageError for names that are none, RefusedError on a hop."""
        paths = checked_paths(caller, request)
        keeping = self._recordings
        if keeping is not None and not (request.keep or keeping.policy.keep_files):
            keeping = None

        async def work(machine: Machine, running: Running) -> Ending:
            await asyncio.to_thread(_check_folder, machine, request.folder)
            most = MAX_BATCH_BYTES if keeping is None else min(MAX_BATCH_BYTES, keeping.policy.keep_bytes)
            reading = Reading(machine, paths, most)
            return await _send(caller, running, reading, SealedCopy(keeping, FILE_CHUNK, running.number))

        await caller.finish(await caller.perform(read_many_action(request.folder, paths), work))


async def list_many(caller: Caller, request: ListMany) -> None:
    """Entries of each folder named; one that cannot be listed says why. Raises UsageError, RefusedError as `read`."""
    paths = checked_paths(caller, request)

    async def work(machine: Machine, running: Running) -> Ending:
        await asyncio.to_thread(_check_folder, machine, request.folder)
        await caller.accept(running, size=len(paths))
        entries = 0
        for number, path in enumerate(paths):
            await running.go_on()
            for part in await asyncio.to_thread(_listed, machine, number, path):
                await caller.channel.send(part)
                entries += len(part.entries)
            running.partial = Ending(size=entries, sizes={"entries": entries, "folders": number + 1})
        return running.partial

    await caller.finish(await caller.perform(list_many_action(request.folder, paths), work))


def checked_paths(caller: Caller, request: ReadMany | ListMany) -> tuple[bytes, ...]:
    """The absolute paths of what is asked for.

    Raises UsageError: none, too many, twice, or not below the folder; RefusedError on a machine behind this one.
    """
    if caller.ground.machine is not None:
        raise RefusedError(
            "a whole folder is fetched from the customer's own machine only",
            reason="no-such-door",
            advice="Name the files one by one.",
        )
    split_path(request.folder)
    folder = request.folder.rstrip(b"/")
    for name in request.names:
        if name.startswith(b"/") or name.endswith(b"/") or b"//" in name:
            raise UsageError("a name is not one below the folder")
    paths = tuple(b"%s/%s" % (folder, name) for name in request.names)
    if not 1 <= len(set(paths)) == len(paths) <= MAX_NAMED:
        raise UsageError(f"1 to {MAX_NAMED} names are taken at once, each of them once")
    for path in paths:
        split_path(path)
    if sum(map(named_bytes, paths)) > MAX_NAMED_BYTES:
        raise UsageError("these names are too long for one record", advice="Ask for fewer at once.")
    return paths


@dataclass(frozen=True, slots=True)
class Group:
    """Files that were read together."""

    files: list[tuple[FileHead, bytes]]

    @property
    def stream(self) -> bytes:
        """As they are sent."""
        return b"".join(part for head, content in self.files for part in (head_line(head), content))


@dataclass
class Reading:
    """A batch on its way out: what was sent, its digests, and how many `left` bytes may still come."""

    machine: Machine
    paths: Sequence[bytes]
    left: int
    digests: list[tuple[bytes, str]] = field(default_factory=list)
    left_out: list[tuple[bytes, str]] = field(default_factory=list)
    size: int = 0

    def groups(self) -> Iterator[Group]:
        """The next files, read now; blocks."""
        number = 0
        while number < len(self.paths):
            with ExitStack() as open_folder:
                group = list(self._group(number, open_folder))
            number += len(group)
            yield Group(group)

    def sent(self, group: Group) -> None:
        """Count what has gone."""
        for head, content in group.files:
            path = self.paths[head.number]
            self.size += len(content)
            if head.reason:
                self.left_out.append((path, head.reason))
            else:
                self.digests.append((path, head.sha256))

    def ending(self, copy: SealedCopy) -> Ending:
        """How far it came; digests and reasons are sealed."""
        lines = digest_lines(self.digests)
        digest = hashlib.sha256(lines).hexdigest()
        sealed = {"sha256": digest.encode(), "digests": lines}
        if self.left_out:
            sealed["left-out"] = b"".join(b"%s  %s\n" % (why.encode(), path) for path, why in self.left_out)
        sizes = {"bytes": self.size, "files": len(self.digests), "left-out": len(self.left_out), **copy.sizes}
        return Ending(size=self.size, sha256=digest, recording=copy.name, sizes=sizes, sealed=sealed)

    def _group(self, first: int, opened: ExitStack) -> Iterator[tuple[FileHead, bytes]]:
        """Files from number `first` on; a folder is walked to once a group."""
        folder: bytes | None = None
        size = 0
        for number in range(first, min(first + GROUP_FILES, len(self.paths))):
            path = self.paths[number]
            above, _, name = path.rpartition(b"/")
            try:
                if above != folder:
                    opened.close()
                    folder = None
                    descriptor = opened.enter_context(self._files.open_folder(above or b"/"))
                    folder = above
                one = self._read(number, Place(descriptor, name, path))
            except (AssistError, OSError) as error:
                one = _absent(number, error), b""
            size += len(one[1])
            yield one
            if size >= GROUP_BYTES:
                return

    def _read(self, number: int, place: Place) -> tuple[FileHead, bytes]:
        self.machine.check_limits(place.path)
        descriptor = self._files.open_regular_at(place)
        try:
            found = os.fstat(descriptor)
            content = read_at_most(descriptor, min(found.st_size, MAX_FILE_BYTES + 1) or MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
        if len(content) > min(MAX_FILE_BYTES, self.left):
            raise RefusedError("it is too large to come with others", reason=TOO_LARGE)
        self.left -= len(content)
        digest = hashlib.sha256(content).hexdigest()
        return FileHead(number=number, size=len(content), modified=found.st_mtime, sha256=digest), content

    @property
    def _files(self) -> PosixFiles:
        return self.machine.files


def _check_folder(machine: Machine, folder: bytes) -> None:
    """Raise what refuses the whole batch: no such folder, a link, off limits."""
    with machine.files.open_folder(folder):
        return


def _listed(machine: Machine, number: int, path: bytes) -> list[FolderListed]:
    """What is said about one folder; blocks."""
    try:
        machine.check_limits(path)
        entries, truncated = machine.files.list_folder(path, max_entries=MAX_ENTRIES)
        if [os.fsencode(one.path) for one in entries] == [path]:
            raise AssistError("it is a file now")
    except (AssistError, OSError) as error:
        absent = _absent(number, error)
        return [FolderListed(number=number, reason=absent.reason, sentence=absent.sentence)]
    parts = range(0, max(1, len(entries)), LISTING_ENTRIES)
    return [
        FolderListed(
            number=number,
            entries=tuple(entry_of(one) for one in entries[start : start + LISTING_ENTRIES]),
            truncated=truncated,
        )
        for start in parts
    ]


def _absent(number: int, error: AssistError | OSError) -> FileHead:
    sentence = error.message if isinstance(error, AssistError) else error.strerror or "it cannot be read"
    reason = error.reason if isinstance(error, RefusedError) else "failed"
    return FileHead(number=number, reason=reason, sentence=sentence[:MAX_SENTENCE_CHARS])


async def _send(caller: Caller, running: Running, reading: Reading, copy: SealedCopy) -> Ending:
    await caller.accept(running, size=len(reading.paths))
    groups = reading.groups()
    following = asyncio.ensure_future(asyncio.to_thread(next, groups, None))
    try:
        while group := await following:
            await running.go_on()
            following = asyncio.ensure_future(asyncio.to_thread(next, groups, None))
            if copy.keeps:
                await copy.take(_archived(reading.paths, group))
                await copy.rest()
            await caller.channel.send_data(group.stream)
            reading.sent(group)
            running.partial = reading.ending(copy)
    finally:
        await asyncio.gather(following, return_exceptions=True)
    return reading.ending(copy)


def _archived(paths: Sequence[bytes], group: Group) -> bytes:
    """A group as a piece of a tar archive (pax); `tar` reads one without its end blocks."""
    parts: list[bytes] = []
    for head, content in group.files:
        if not head.reason:
            member = tarfile.TarInfo(os.fsdecode(paths[head.number].lstrip(b"/")))
            member.size, member.mtime, member.mode = head.size, int(head.modified), 0o600
            parts += (member.tobuf(tarfile.PAX_FORMAT), content, bytes(-head.size % tarfile.BLOCKSIZE))
    return b"".join(parts)

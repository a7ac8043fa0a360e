"""Requests for files: list a folder, read a file, bring a file. One action each.

Rule 1: every path is walked without following links (transport/posix_files.py); nothing is opened outside an action.
Rule 2: disk and digest work happens in threads, one piece ahead of what is being sent.
Rule 3: consent is looked at again before every piece.
"""

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from remote_assist.agent.actions import Ending, list_action, read_action, write_action
from remote_assist.agent.conversation import Caller, Input
from remote_assist.agent.gate import Performed, Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.recordings import FILE_CHUNK, Recordings
from remote_assist.agent.sealed_copy import SealedCopy
from remote_assist.core.requests import Entry, ListFolder, Listing, ReadFile, WriteFile
from remote_assist.core.target import FileStatus
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError
from remote_assist.transport.posix_files import check_name, read_at_most, split_path
from remote_assist.transport.posix_new_file import NewFile, open_new_file

PIECE_BYTES = 2 << 20
"""Read and digested at a time, while the piece before is sent."""

MAX_UNSIZED_BYTES = 16 << 20
"""Longest content of a file that has no size (/proc, /sys): it is read whole when it is opened."""

MAX_ENTRIES = 20_000
LISTING_ENTRIES = 1000
"""Entries in one Listing."""

MAX_FILE_BYTES = 1 << 40
MODES = 0o777


class Digest(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


async def list_folder(caller: Caller, request: ListFolder) -> None:
    """Entries of a folder, in parts."""
    split_path(request.path)

    async def work(machine: Machine, running: Running) -> Ending:
        entries, truncated = await asyncio.to_thread(machine.files.list_folder, request.path, max_entries=MAX_ENTRIES)
        await caller.accept(running, size=len(entries))
        for start in range(0, len(entries), LISTING_ENTRIES):
            part = tuple(entry_of(status) for status in entries[start : start + LISTING_ENTRIES])
            await caller.channel.send(Listing(entries=part, truncated=truncated))
        return Ending(size=len(entries), truncated=truncated, sizes={"entries": len(entries)})

    await caller.finish(await caller.perform(list_action(request.path), work))


class FileRequests:
    """Files that are read; with `recordings`, a sealed copy is kept of those that policy or request name."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self._recordings = recordings

    async def read(self, caller: Caller, request: ReadFile) -> None:
        """The bytes of a regular file, as long as it was when it was opened."""
        split_path(request.path)
        if request.offset < 0:
            raise UsageError("a file is not read from before its beginning")
        kept_with = self._kept_with(request)
        if kept_with is not None:
            request = msgspec.structs.replace(request, offset=0)  # a copy is whole

        async def work(machine: Machine, running: Running) -> Ending:
            source = await asyncio.to_thread(_open_source, machine, request)
            try:
                if kept_with is not None and source.size > kept_with.policy.keep_bytes:
                    most = kept_with.policy.keep_bytes
                    raise RefusedError(f"a file of more than {most:,} bytes is not kept here", reason="too-large")
                return await _send(caller, running, source, SealedCopy(kept_with, FILE_CHUNK, running.number))
            finally:
                source.close()

        await caller.finish(await caller.perform(read_action(request.path, request.offset), work))

    def _kept_with(self, request: ReadFile) -> Recordings | None:
        if self._recordings is None or not (request.keep or self._recordings.policy.keep_files):
            return None
        return self._recordings


async def write_file(caller: Caller, request: WriteFile) -> None:
    """A new or replaced file, which appears only whole and checked."""
    path = checked_target(request)

    async def work(machine: Machine, running: Running) -> Ending:
        incoming = await asyncio.to_thread(_open_incoming, machine, request, path)
        try:
            return await _receive(caller, running, incoming, request)
        finally:
            await asyncio.to_thread(incoming.file.keep_part)

    action = write_action(path, request.size, request.sha256, request.mode)
    performed: Performed = await caller.perform(action, work)
    await caller.finish(performed)


# --- reading --------------------------------------------------------------------------------------


@dataclass
class Source:
    """An open file on its way out. `offset` is where sending starts, `digest` covers everything before it."""

    descriptor: int
    size: int
    offset: int = 0
    whole: bytes | None = None
    digest: Digest = field(default_factory=hashlib.sha256)

    def read(self, at: int) -> bytes:
        """The piece at `at`, already in the digest; empty at the end (or where a shrunken file ends)."""
        count = min(PIECE_BYTES, self.size - at)
        piece = os.pread(self.descriptor, count, at) if self.whole is None else self.whole[at : at + count]
        self.digest.update(piece)
        return piece

    def close(self) -> None:
        os.close(self.descriptor)


def _open_source(machine: Machine, request: ReadFile) -> Source:
    descriptor = machine.files.open_regular(request.path)
    try:
        size = os.fstat(descriptor).st_size
        whole = None
        if size == 0:
            whole = read_at_most(descriptor, MAX_UNSIZED_BYTES)
            size = len(whole)
        source = Source(descriptor, size, whole=whole)
        _skip_prefix(source, request)
        return source
    except BaseException:
        os.close(descriptor)
        raise


def _skip_prefix(source: Source, request: ReadFile) -> None:
    """Go on after the bytes the technician holds, if the file still begins with them."""
    if not 0 < request.offset <= source.size:
        return
    at = 0
    digest = hashlib.sha256()
    while at < request.offset:
        count = min(PIECE_BYTES, request.offset - at)
        piece = os.pread(source.descriptor, count, at) if source.whole is None else source.whole[at : at + count]
        if not piece:
            return
        digest.update(piece)
        at += len(piece)
    if digest.hexdigest() == request.prefix_sha256:
        source.offset, source.digest = at, digest


async def _send(caller: Caller, running: Running, source: Source, copy: SealedCopy) -> Ending:
    await caller.accept(running, size=source.size, offset=source.offset)
    sent = source.offset
    following = asyncio.ensure_future(asyncio.to_thread(source.read, sent))
    try:
        while piece := await following:
            await running.go_on()
            following = asyncio.ensure_future(asyncio.to_thread(source.read, sent + len(piece)))
            await _send_kept(caller, await copy.take(piece))
            sent += len(piece)
            running.partial = Ending(
                size=sent, recording=copy.name, sizes={"bytes": sent - source.offset, **copy.sizes}
            )
        await _send_kept(caller, await copy.rest())
    finally:
        await asyncio.gather(following, return_exceptions=True)  # the thread must be out before the file closes
    digest = source.digest.hexdigest()
    short = sent < source.size
    return Ending(
        size=sent,
        sha256=digest,
        truncated=short,
        sentence="the file became shorter while it was read" if short else "",
        recording=copy.name,
        sizes={"bytes": sent - source.offset, "size": sent, **copy.sizes},
        sealed={"sha256": digest.encode()},
    )


async def _send_kept(caller: Caller, ready: bytes) -> None:
    if ready:
        await caller.channel.send_data(ready)


def entry_of(status: FileStatus) -> Entry:
    """A name as a listing gives it."""
    return Entry(
        name=os.fsencode(status.path).rpartition(b"/")[2] or b"/",
        kind=status.kind,
        size=status.size_bytes,
        mode=status.mode,
        modified=status.modified,
    )


# --- writing --------------------------------------------------------------------------------------


@dataclass
class Incoming:
    """A file on its way in: what came so far and its digest."""

    file: NewFile
    held: int
    digest: Digest

    def write(self, raw: bytes) -> None:
        self.digest.update(raw)
        self.file.write(raw)
        self.held += len(raw)


def checked_target(request: WriteFile) -> bytes:
    """The path of the file that is brought. Raises UsageError for a size, mode or digest no file has."""
    split_path(request.folder)
    check_name(request.name)
    if not 0 <= request.size <= MAX_FILE_BYTES or request.mode & ~MODES:
        raise UsageError("a file has a size from 0 to 1 TiB and a mode of nine bits")
    if len(request.sha256) != 64 or not all(sign in "0123456789abcdef" for sign in request.sha256):
        raise UsageError("the file's digest is not a SHA-256 in lower-case hex")
    return request.folder.rstrip(b"/") + b"/" + request.name


def _open_incoming(machine: Machine, request: WriteFile, path: bytes) -> Incoming:
    with machine.files.open_folder(request.folder) as folder:
        there = machine.files.check_replaceable(folder, path)
    if there is not None and not request.overwrite:
        raise RefusedError(
            "a file of this name is there already", reason="exists", advice="Say that it may be overwritten."
        )
    file = open_new_file(machine.files, request.folder, request.name, tag=request.sha256)
    try:
        return _take_up(file, request.size)
    except BaseException:
        file.keep_part()
        raise


def _take_up(file: NewFile, size: int) -> Incoming:
    if file.size > size:
        file.start_again()
    incoming = Incoming(file, 0, hashlib.sha256())
    while piece := file.read(PIECE_BYTES):
        incoming.digest.update(piece)
        incoming.held += len(piece)
    return incoming


async def _receive(caller: Caller, running: Running, incoming: Incoming, request: WriteFile) -> Ending:
    began = incoming.held
    prefix = incoming.digest.hexdigest() if began else ""
    await caller.accept(running, size=request.size, offset=began, prefix_sha256=prefix)
    while raw := await gather_input(caller.input):
        await running.go_on()
        if incoming.held + len(raw) > request.size:
            raise RemoteProtocolError("more bytes came than the file was said to have")
        await asyncio.to_thread(incoming.write, raw)
        running.partial = Ending(size=incoming.held, sizes={"bytes": incoming.held - began})
    if incoming.held < request.size:
        raise AssistError(f"only {incoming.held} of {request.size} bytes came; they are kept for the next try")
    digest = incoming.digest.hexdigest()
    if digest != request.sha256:
        incoming.file.discard()
        raise AssistError("what came is not the file that was announced; nothing was kept")
    running.require()
    await asyncio.to_thread(incoming.file.commit, mode=request.mode, overwrite=request.overwrite)
    return Ending(
        size=incoming.held,
        sha256=digest,
        sizes={"bytes": incoming.held - began, "size": incoming.held},
        sealed={"sha256": digest.encode()},
    )


async def gather_input(source: Input) -> bytes:
    """The next pieces together, so that the disk gets few large writes."""
    piece = await source.read()
    return piece + source.take_waiting(PIECE_BYTES) if piece else b""

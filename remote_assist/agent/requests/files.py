"""Requests for files: list a folder, read a file, bring a file. One action each, on this computer or one behind it.

Rule 1: nothing is opened outside an action. Rule 2: a piece is read ahead of the one that is being sent.
Rule 3: consent is looked at again before every piece.
"""

import asyncio
import os

import msgspec

from remote_assist.agent.actions import Ending, list_action, read_action, write_action
from remote_assist.agent.conversation import Caller, Input
from remote_assist.agent.files.chosen import files_of
from remote_assist.agent.files.machine_files import PIECE_BYTES, Incoming, Source
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.record.recordings import FILE_CHUNK, Recordings
from remote_assist.agent.record.sealed_copy import SealedCopy
from remote_assist.core.requests import Entry, ListFolder, Listing, ReadFile, WriteFile
from remote_assist.core.target import FileStatus
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError
from remote_assist.transport.posix.files import check_name, split_path

MAX_ENTRIES = 20_000
LISTING_ENTRIES = 1000
"""Entries in one Listing."""

MAX_FILE_BYTES = 1 << 40
MODES = 0o777


async def list_folder(caller: Caller, request: ListFolder) -> None:
    """Entries of a folder, in parts."""
    split_path(request.path)

    async def work(machine: Machine, running: Running) -> Ending:
        entries, truncated = await files_of(machine).list(request.path, MAX_ENTRIES)
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
            source = await files_of(machine).source(request)
            try:
                if kept_with is not None and source.size > kept_with.policy.keep_bytes:
                    most = kept_with.policy.keep_bytes
                    raise RefusedError(f"a file of more than {most:,} bytes is not kept here", reason="too-large")
                return await _send(caller, running, source, SealedCopy(kept_with, FILE_CHUNK, running.number))
            finally:
                await source.close()

        await caller.finish(await caller.perform(read_action(request.path, request.offset), work))

    def _kept_with(self, request: ReadFile) -> Recordings | None:
        if self._recordings is None or not (request.keep or self._recordings.policy.keep_files):
            return None
        return self._recordings


async def write_file(caller: Caller, request: WriteFile) -> None:
    """A new or replaced file, which appears only whole and checked."""
    path = checked_target(request)

    async def work(machine: Machine, running: Running) -> Ending:
        incoming = await files_of(machine).incoming(request, path)
        try:
            return await _receive(caller, running, incoming, request)
        finally:
            await incoming.leave()

    action = write_action(path, request.size, request.sha256, request.mode)
    await caller.finish(await caller.perform(action, work))


# --- reading --------------------------------------------------------------------------------------


async def _send(caller: Caller, running: Running, source: Source, copy: SealedCopy) -> Ending:
    await caller.accept(running, size=source.size, offset=source.offset)
    sent = source.offset
    following = asyncio.ensure_future(source.read())
    try:
        while piece := await following:
            await running.go_on()
            following = asyncio.ensure_future(source.read())
            await _send_kept(caller, await copy.take(piece))
            sent += len(piece)
            running.partial = Ending(
                size=sent, recording=copy.name, sizes={"bytes": sent - source.offset, **copy.sizes}
            )
        await _send_kept(caller, await copy.rest())
    finally:
        await asyncio.gather(following, return_exceptions=True)  # whoever reads must be out before the file closes
    digest = source.sha256
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


def checked_target(request: WriteFile) -> bytes:
    """The path of the file that is brought. Raises UsageError for a size, mode or digest no file has."""
    split_path(request.folder)
    check_name(request.name)
    if not 0 <= request.size <= MAX_FILE_BYTES or request.mode & ~MODES:
        raise UsageError("a file has a size from 0 to 1 TiB and a mode of nine bits")
    if len(request.sha256) != 64 or not all(sign in "0123456789abcdef" for sign in request.sha256):
        raise UsageError("the file's digest is not a SHA-256 in lower-case hex")
    return request.folder.rstrip(b"/") + b"/" + request.name


async def _receive(caller: Caller, running: Running, incoming: Incoming, request: WriteFile) -> Ending:
    began = incoming.held
    prefix = incoming.sha256 if began else ""
    await caller.accept(running, size=request.size, offset=began, prefix_sha256=prefix)
    while raw := await gather_input(caller.input):
        await running.go_on()
        if incoming.held + len(raw) > request.size:
            raise RemoteProtocolError("more bytes came than the file was said to have")
        await incoming.write(raw)
        running.partial = Ending(size=incoming.held, sizes={"bytes": incoming.held - began})
    if incoming.held < request.size:
        rest = "they are kept for the next try" if incoming.resumable else "nothing was kept"
        raise AssistError(f"only {incoming.held} of {request.size} bytes came; {rest}")
    if incoming.sha256 != request.sha256:
        await incoming.discard()
        raise AssistError("what came is not the file that was announced; nothing was kept")
    running.require()
    await incoming.commit()
    return Ending(
        size=incoming.held,
        sha256=request.sha256,
        sizes={"bytes": incoming.held - began, "size": incoming.held},
        sealed={"sha256": request.sha256.encode()},
    )


async def gather_input(source: Input) -> bytes:
    """The next pieces together, so that the disk gets few large writes."""
    piece = await source.read()
    return piece + source.take_waiting(PIECE_BYTES) if piece else b""

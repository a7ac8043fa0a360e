"""Files to and from the customer: `get`, `put`, `ls` over one conversation each.

Rule: a fetched file lands in the folder the technician chose, under the base name of the path they asked for.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.requests import (
    Accepted,
    Done,
    Entry,
    FolderListed,
    InputEnd,
    ListFolder,
    ListMany,
    Progress,
    ReadFile,
    WriteFile,
)
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError, VerificationError
from remote_assist.technician.conversation import Conversation, check_done
from remote_assist.technician.names import place_in
from remote_assist.technician.part_file import PartFile

CHUNK_BYTES = 1 << 20
"""How much of a local file is read at once."""

OnProgress = Callable[[Progress], None]
"""Told how many bytes of how many have moved: `item` is the file's name."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that arrived whole. `resumed_bytes`: what an earlier try had brought."""

    path: Path
    size: int
    sha256: str
    resumed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FolderListing:
    """Entries of a remote folder; `truncated` when there were more."""

    entries: tuple[Entry, ...]
    truncated: bool


async def list_folder(conversation: Conversation, path: bytes) -> FolderListing:
    """What is in a folder. Raises RefusedError, AssistError."""
    result = await conversation.ask(ListFolder(path=path))
    assert result.done is not None
    check_done(result.done)
    return FolderListing(tuple(result.entries), result.truncated or result.done.truncated)


async def list_folders(
    conversation: Conversation, folder: bytes, names: Sequence[bytes], max_entries: int
) -> list[FolderListing | RefusedError]:
    """What is in folders below `folder`, in the order of `names`; for one that cannot be listed, why.

    Raises RefusedError (also for more than `max_entries`), AssistError.
    """
    entries: list[list[Entry]] = [[] for _ in names]
    said: dict[int, FolderListed] = {}
    left = max_entries

    def take(part: FolderListed) -> None:
        nonlocal left
        left -= len(part.entries)
        if not 0 <= part.number < len(names):
            raise RemoteProtocolError("a listing of a folder that was not asked for")
        if left < 0:
            raise RefusedError("there are more names than may be listed", reason="too-many")
        entries[part.number] += part.entries
        said[part.number] = part

    await conversation.begin(ListMany(folder=folder, names=tuple(names)))
    done = (await conversation.finish(on_listed=take)).done
    assert done is not None
    check_done(done)
    if len(said) < len(names):
        raise RemoteProtocolError("the listing of a folder is missing")
    return [_listing_of(said[number], entries[number]) for number in range(len(names))]


def _listing_of(last: FolderListed, entries: list[Entry]) -> FolderListing | RefusedError:
    if last.reason:
        return RefusedError(last.sentence, reason=last.reason)
    return FolderListing(tuple(entries), last.truncated)


async def fetch(
    conversation: Conversation,
    remote: bytes,
    folder: Path,
    *,
    force: bool = False,
    keep: bool = False,
    on_progress: OnProgress | None = None,
) -> FetchedFile:
    """Bring one file into `folder`; with `keep` a sealed copy stays for the reviewers.

    Raises RefusedError (name, consent, exists), VerificationError, AssistError.
    """
    check_folder(folder)
    part = PartFile(place_in(folder, remote), force=force)
    try:
        await part.open()
        accepted = await conversation.begin(
            ReadFile(path=remote, offset=part.held, prefix_sha256=part.prefix, keep=keep)
        )
        await part.start_at(accepted.offset)
        resumed = part.held
        done = await _receive(conversation, part, accepted, on_progress)
        check_done(done)
        path = await part.finish(sha256=done.sha256, size=done.size)
        return FetchedFile(path, done.size, done.sha256, resumed)
    finally:
        await part.close()


async def begin(conversation: Conversation, remote: bytes, max_bytes: int) -> bytes:
    """The first bytes of a file; the conversation is quiet when that was all. Raises RefusedError, AssistError."""
    await conversation.begin(ReadFile(path=remote))
    content = bytearray()

    async def take(_: int, data: bytes) -> None:
        content.extend(data)
        if len(content) > max_bytes:
            raise _EnoughError("enough of it")

    try:
        result = await conversation.finish(on_data=take)
    except _EnoughError:
        return bytes(content[:max_bytes])
    assert result.done is not None
    check_done(result.done)
    return bytes(content)


class _EnoughError(AssistError):
    """Ends the reading of a file in the middle."""


async def bring(
    conversation: Conversation,
    local: Path,
    folder: bytes,
    *,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Done:
    """Put one local file into a remote folder.

    Raises UsageError (no such file), RefusedError, VerificationError (another digest there), AssistError.
    """
    size, sha256, mode = await asyncio.to_thread(_measure, local)
    request = WriteFile(
        folder=folder, name=os.fsencode(local.name), size=size, sha256=sha256, mode=mode, overwrite=force
    )
    accepted = await conversation.begin(request)
    await _check_prefix(local, accepted, size)
    sent = accepted.offset
    async for chunk in _chunks(local, sent):
        await conversation.send_data(chunk)
        sent += len(chunk)
        if on_progress is not None:
            on_progress(Progress(item=local.name, status="sending", done=sent, total=size))
    await conversation.send(InputEnd())
    result = await conversation.finish()
    assert result.done is not None
    done = check_done(result.done)
    if (done.size, done.sha256) != (size, sha256):
        raise VerificationError(
            f"{local.name} did not arrive as it was sent (digest {done.sha256[:16]}…, expected {sha256[:16]}…)",
            where=str(local),
            advice="Look at it there before you rely on it, and put it again with --force.",
        )
    return done


async def _receive(
    conversation: Conversation, part: PartFile, accepted: Accepted, on_progress: OnProgress | None
) -> Done:
    async def take(_: int, data: bytes) -> None:
        await part.write(data)
        if on_progress is not None:
            on_progress(Progress(item=part.target.name, status="receiving", done=part.size, total=accepted.size))

    result = await conversation.finish(on_data=take)
    assert result.done is not None
    return result.done


async def _check_prefix(local: Path, accepted: Accepted, size: int) -> None:
    """What an earlier try left at the agent must be the beginning of this very file."""
    if accepted.offset == 0:
        return
    if not 0 < accepted.offset <= size:
        raise RemoteProtocolError("the agent starts beyond the end of the file")
    if await asyncio.to_thread(_digest, local, accepted.offset) != accepted.prefix_sha256:
        raise VerificationError("what an earlier try left at the agent is not the beginning of this file")


def check_folder(folder: Path) -> None:
    """Raise UsageError unless the folder is there."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", advice="Make it first, or name another.")


def _measure(local: Path) -> tuple[int, str, int]:
    try:
        found = local.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{local} is not a regular file")
        return found.st_size, _digest(local, found.st_size), stat.S_IMODE(found.st_mode) & 0o777
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {local}") from error
    except OSError as error:
        raise AssistError(f"{local} cannot be read: {error.strerror}") from error


def _digest(local: Path, size: int) -> str:
    digest = hashlib.sha256()
    with local.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK_BYTES, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


async def _chunks(local: Path, offset: int) -> AsyncIterator[bytes]:
    """The file from `offset` on; the next chunk is read while the last one is sent."""
    with await asyncio.to_thread(local.open, "rb") as file:
        await asyncio.to_thread(file.seek, offset)
        following = asyncio.ensure_future(asyncio.to_thread(file.read, CHUNK_BYTES))
        try:
            while chunk := await following:
                following = asyncio.ensure_future(asyncio.to_thread(file.read, CHUNK_BYTES))
                yield chunk
        finally:
            await asyncio.gather(following, return_exceptions=True)

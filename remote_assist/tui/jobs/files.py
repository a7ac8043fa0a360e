"""Files as jobs: list a folder here or there, look into a file, move what waits in the queue."""

import asyncio
import os
from pathlib import Path

from textual.message import Message
from textual.widget import Widget

from remote_assist.core.requests import Entry
from remote_assist.errors import ContentError
from remote_assist.technician.local_folder import list_local
from remote_assist.technician.log_file import LogFile
from remote_assist.technician.transfers import Transfers
from remote_assist.tui.job import Job
from remote_assist.tui.messages import FilesMoved, FolderListed, LogOpened
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.work import Work

PEEK_BYTES = 256 << 10
"""How much of a customer's file is fetched to look into it."""


def list_remote(work: Work, pane: Widget, session: SessionPort, path: bytes) -> None:
    """List a folder of the customer."""

    async def call() -> Message:
        return FolderListed(path, await session.ls(path), remote=True)

    work.start(pane, Job.LIST, call, exclusive=True)


def list_here(work: Work, pane: Widget, path: bytes) -> None:
    """List a folder of this machine."""

    async def call() -> Message:
        folder, entries = await asyncio.to_thread(_list_here, path)
        return FolderListed(folder, entries, remote=False)

    work.start(pane, Job.LIST_HERE, call, exclusive=True)


def list_downloads(work: Work, pane: Widget, folder: Path) -> None:
    """List the folder a session's files come to, made when it is not there."""

    async def call() -> Message:
        await asyncio.to_thread(_make, folder)
        path, entries = await asyncio.to_thread(_list_here, os.fsencode(folder))
        return FolderListed(path, entries, remote=False)

    work.start(pane, Job.LIST_HERE, call, exclusive=True)


def peek(work: Work, pane: Widget, session: SessionPort, path: bytes) -> None:
    """Show the beginning of a customer's file."""

    async def call() -> Message:
        content, whole = await session.peek(path, PEEK_BYTES)
        name = os.fsdecode(path.rpartition(b"/")[2])
        return LogOpened(LogFile(name if whole else f"{name} (its beginning)", content))

    work.start(pane, Job.PEEK, call, exclusive=True)


def view_here(work: Work, pane: Widget, path: bytes) -> None:
    """Show a file of this machine."""

    async def call() -> Message:
        return LogOpened(await asyncio.to_thread(LogFile.open, Path(os.fsdecode(path))))

    work.start(pane, Job.PEEK, call, exclusive=True)


def move(work: Work, pane: Widget, queue: Transfers) -> None:
    """Move what waits until nothing does."""

    async def call() -> Message:
        await queue.run()
        return FilesMoved()

    work.start(pane, Job.MOVE, call)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ContentError(f"{folder} cannot be made: {error.strerror}") from error


def _list_here(path: bytes) -> tuple[bytes, list[Entry]]:
    folder = Path(os.fsdecode(path)).expanduser().absolute()
    return os.fsencode(folder), list_local(folder)

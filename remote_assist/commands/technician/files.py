"""Verbs for files: ls, get, put."""

import argparse
import base64
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.technician.folders import get_folders
from remote_assist.commands.technician.options import (
    add_machine_options,
    add_session_argument,
    add_technician_options,
    checked_session,
    connect,
    open_desk,
    two_or_more,
)
from remote_assist.core.file_batch import FolderLimits
from remote_assist.core.hostile import safe_text
from remote_assist.core.requests import Entry
from remote_assist.errors import Exit


def add_commands(verbs: Any) -> None:
    """Add ls, get and put."""
    ls = verbs.add_parser("ls", help="list a folder of the customer")
    add_technician_options(ls)
    add_session_argument(ls)
    add_machine_options(ls)
    ls.add_argument("path", metavar="PATH", help="an absolute path of the customer's machine")
    ls.set_defaults(run=_ls)
    get = verbs.add_parser(
        "get",
        help="fetch files",
        description="Fetch files, or with -r whole folders, into a folder that is there. What breaks off goes on where "
        "it was the next time.",
    )
    put = verbs.add_parser("put", help="bring files", description="Bring files into a folder of the customer.")
    for parser, paths, text in (
        (get, "REMOTE… LOCALDIR", "files of the customer, then the folder here"),
        (put, "LOCAL… REMOTEDIR", "files here, then the customer's folder"),
    ):
        add_technician_options(parser)
        add_session_argument(parser)
        add_machine_options(parser)
        parser.add_argument("paths", metavar=paths, nargs="+", help=text)
        parser.add_argument("--force", action="store_true", help="replace a file that is there already")
    get.add_argument("--keep", action="store_true", help="keep a sealed copy at the relay, for the reviewers")
    _add_folder_options(get)
    get.set_defaults(run=_get)
    put.set_defaults(run=_put)


def _add_folder_options(get: argparse.ArgumentParser) -> None:
    get.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help="fetch folders with all below them; links are named, not followed; what is here already is not fetched",
    )
    standard = FolderLimits()
    get.add_argument(
        "--max-files", metavar="N", type=int, default=standard.files, help="with -r: the most (default %(default)s)"
    )
    get.add_argument(
        "--max-bytes",
        metavar="N",
        type=int,
        default=standard.size_bytes,
        help="with -r: likewise (default %(default)s)",
    )


async def _ls(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
        listing = await connected.listing(os.fsencode(arguments.path))
    for entry in listing.entries:
        if printer.plain:
            printer.value("name", safe_text(entry.name))
        else:
            printer.object(_entry_object(entry))
            printer.line(_entry_line(entry))
    if listing.truncated:
        printer.note("there is more than is shown")
    return Exit.DONE


def _entry_object(entry: Entry) -> dict[str, object]:
    """`name` is safe to show; `name_base64` are the exact bytes."""
    return {
        "name": safe_text(entry.name),
        "name_base64": base64.b64encode(entry.name).decode(),
        "kind": entry.kind,
        "size": entry.size,
        "mode": entry.mode,
        "modified": entry.modified,
    }


def _entry_line(entry: Entry) -> str:
    letter = {"folder": stat.S_IFDIR, "link": stat.S_IFLNK, "file": stat.S_IFREG}.get(entry.kind, 0)
    try:
        when = f"{datetime.fromtimestamp(entry.modified, UTC):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        when = "?"
    mode = stat.filemode(letter | (entry.mode & 0o7777))
    return f"{mode}  {entry.size:>12}  {when:<16}  {safe_text(entry.name)}"


async def _get(arguments: argparse.Namespace) -> int:
    if arguments.recursive:
        return await get_folders(arguments)
    session = checked_session(arguments.session)
    *remote, folder = two_or_more(arguments.paths, "get SESSION REMOTE… LOCALDIR")
    printer, progress = Printer(arguments), ProgressLine()
    async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
        for path in remote:
            try:
                fetched = await connected.get(
                    os.fsencode(path), Path(folder), progress, force=arguments.force, keep=arguments.keep
                )
            finally:
                progress.clear()
            shown = safe_text(os.fsencode(fetched.path))
            again = f", {size_words(fetched.resumed_bytes)} were here already" if fetched.resumed_bytes else ""
            _print_moved(printer, shown, fetched.size, fetched.sha256, again)
    return Exit.DONE


async def _put(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    *local, folder = two_or_more(arguments.paths, "put SESSION LOCAL… REMOTEDIR")
    printer, progress = Printer(arguments), ProgressLine()
    async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
        for path in local:
            try:
                done = await connected.put(Path(path), os.fsencode(folder), progress, force=arguments.force)
            finally:
                progress.clear()
            _print_moved(printer, safe_text(os.fsencode(path)), done.size, done.sha256, "")
    return Exit.DONE


def _print_moved(printer: Printer, path: str, size: int, sha256: str, remark: str) -> None:
    if printer.plain:
        printer.value("path", path)
        return
    printer.object({"path": path, "size": size, "sha256": sha256})
    printer.line(f"{path}  {size_words(size)}, digests equal at both ends{remark}")

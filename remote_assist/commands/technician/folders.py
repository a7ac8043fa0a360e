"""`get -r`: whole folders from the customer. What did not come is named, line by line, before the sum."""

import argparse
import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.technician.options import checked_session, connect, open_desk, two_or_more
from remote_assist.core.file_batch import FolderLimits
from remote_assist.core.hostile import safe_text
from remote_assist.errors import Exit, UsageError

if TYPE_CHECKING:
    from remote_assist.technician.files import FetchedFile
    from remote_assist.technician.folder_fetch import FetchedFolder
    from remote_assist.technician.remote_tree import LeftOut


async def get_folders(arguments: argparse.Namespace) -> int:
    """Run `get -r`."""
    session = checked_session(arguments.session)
    *remote, folder = two_or_more(arguments.paths, "get -r SESSION FOLDER… LOCALDIR")
    limits = _limits(arguments)
    printer, progress = Printer(arguments), ProgressLine()
    missing = False
    async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
        for path in remote:
            try:
                fetched = await connected.get_folder(
                    os.fsencode(path),
                    Path(folder),
                    progress,
                    lambda path, file: _print_file(printer, path, file),
                    force=arguments.force,
                    keep=arguments.keep,
                    limits=limits,
                )
            finally:
                progress.clear()
            _print_folder(printer, path, fetched)
            missing = missing or not all(one.harmless for one in fetched.left_out)
    return Exit.FAILED if missing else Exit.DONE


def _limits(arguments: argparse.Namespace) -> FolderLimits:
    if min(arguments.max_files, arguments.max_bytes) < 1:
        raise UsageError("--max-files and --max-bytes take numbers from 1 on")
    return FolderLimits(files=arguments.max_files, size_bytes=arguments.max_bytes)


def _print_file(printer: Printer, path: bytes, file: "FetchedFile") -> None:
    if printer.plain:
        printer.value("path", safe_text(path))
    else:
        printer.object({"path": safe_text(path), "size": file.size, "sha256": file.sha256})


def _print_folder(printer: Printer, path: str, fetched: "FetchedFolder") -> None:
    for one in fetched.left_out:
        _print_left_out(printer, path, one)
    shown = safe_text(os.fsencode(path))
    printer.object(
        {
            "folder": shown,
            "files": fetched.files,
            "size": fetched.size,
            "here_already": fetched.here_already,
            "left_out": len(fetched.left_out),
        }
    )
    parts = ["nothing to fetch"]
    if fetched.files:
        parts = [f"{_counted(fetched.files)}, {size_words(fetched.size)}, digests equal at both ends"]
    if fetched.here_already:
        parts.append(f"{_counted(fetched.here_already)} here already")
    if fetched.left_out:
        parts.append(f"{len(fetched.left_out):,} left out ({_reasons(fetched.left_out)})")
    printer.line(f"{shown} → {safe_text(os.fsencode(fetched.path))}  {'; '.join(parts)}")


def _print_left_out(printer: Printer, folder: str, one: "LeftOut") -> None:
    path = os.fsencode(folder).rstrip(b"/") + (b"/" + one.path if one.path else b"")
    shown, sentence = safe_text(path), safe_text(one.sentence)
    if printer.json:
        name = base64.b64encode(path).decode()
        printer.object({"path": shown, "path_base64": name, "left_out": one.reason, "sentence": sentence})
    else:
        printer.note(f"left out: {shown}: {sentence}")


def _reasons(left_out: Sequence["LeftOut"]) -> str:
    return ", ".join(sorted({one.reason for one in left_out}))


def _counted(files: int) -> str:
    return f"{files:,} file{'' if files == 1 else 's'}"

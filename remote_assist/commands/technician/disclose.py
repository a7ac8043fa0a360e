"""The verb `disclose`: what of a session goes onto its ticket, chosen, previewed, recorded, then sent."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import size_words
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.disclosure import BUNDLE, CUSTOMER, FILE, FINDINGS, INTERNAL, SCREENSHOT, TEXT
from remote_assist.errors import Exit, RefusedError, UsageError
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.transport.bundle_keys import private_key

if TYPE_CHECKING:  # only names for types: it loads the redaction
    from remote_assist.technician.disclosure_preview import Preview

MAX_PREVIEW_LINES = 20


def add_commands(verbs: Any) -> None:
    """Add disclose."""
    parser = verbs.add_parser(
        "disclose",
        help="put a finding, text or file on the session's ticket",
        description="Exactly what is shown goes onto the ticket, after it was recorded and shown to the customer. "
        "With your own login for the ticket system (tickets.toml in your state folder); without one, words by the "
        "relay. A file the system cannot keep from the customer is refused.",
    )
    add_technician_options(parser)
    add_session_argument(parser)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument(
        "--finding",
        metavar="ISSUE",
        action="append",
        nargs="?",
        const="",
        help="a finding of the last bundle, by its known issue; may be repeated; without ISSUE: all that matter",
    )
    chosen.add_argument("--text", metavar="TEXT", help="these words")
    chosen.add_argument("--file", metavar="FILE", type=Path, help="a file of this machine, for example one you fetched")
    chosen.add_argument("--screenshot", metavar="FILE", type=Path, help="a picture of this machine")
    chosen.add_argument("--bundle", action="store_true", help="the session's last bundle")
    parser.add_argument("--visible", action="store_true", help="the customer may read it too")
    parser.add_argument("--seal-to", metavar="KEY", type=Path, help="a file: only the holder of this key can read it")
    parser.add_argument("--digest-only", action="store_true", help="a file: only its name, size and SHA-256")
    parser.add_argument("--preview", action="store_true", help="show what would go, where and to whom; send nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask after the preview")
    parser.set_defaults(run=_disclose)
    opening = verbs.add_parser("unseal", help="open a file that was disclosed sealed")
    opening.add_argument("file", metavar="FILE", type=Path)
    opening.add_argument("--key", metavar="KEY", type=Path, required=True, help="the private key (PEM, X25519)")
    opening.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)
    opening.set_defaults(run=_unseal)


async def _disclose(arguments: argparse.Namespace) -> int:
    printer, session = Printer(arguments), checked_session(arguments.session)
    choice = _choice(arguments)
    choice.check()
    async with await open_desk(arguments) as desk:
        preview = await desk.preview_disclosure(session, choice)
        _show(printer, preview)
        if arguments.preview:
            return Exit.DONE
        if not arguments.yes:
            _ask(printer)
        remote, what = await preview.send(), preview.what
    printer.object({"ticket": preview.ticket, "id": remote, "sha256": what.sha256, "readers": what.readers})
    printer.line(f"on ticket {preview.ticket}")
    if printer.plain:
        printer.value("id", remote)
    return Exit.DONE


def _choice(arguments: argparse.Namespace) -> Choice:
    kind, words = _kind_and_words(arguments)
    return Choice(
        kind,
        CUSTOMER if arguments.visible else INTERNAL,
        words,
        tuple(issue for issue in arguments.finding or () if issue),
        arguments.seal_to,
        arguments.digest_only,
    )


def _kind_and_words(arguments: argparse.Namespace) -> tuple[str, str]:
    if arguments.bundle:
        return BUNDLE, ""
    if arguments.text is not None:
        return TEXT, arguments.text
    if arguments.screenshot is not None:
        return SCREENSHOT, str(arguments.screenshot)
    return (FINDINGS, "") if arguments.file is None else (FILE, str(arguments.file))


def _show(printer: Printer, preview: "Preview") -> None:
    """What goes, byte for byte where it is text, and who will read it."""
    what, lines = preview.what, preview.text.splitlines()
    readers = "the customer and the organisation" if what.readers == CUSTOMER else "the organisation alone"
    printer.note(f"onto ticket {preview.ticket}, to be read by {readers}:")
    printer.note(f"  {what.kind}: {what.name}, {size_words(len(what.raw))}, SHA-256 {what.sha256}")
    if preview.sealed_to is not None:
        printer.note(f"  sealed: only the holder of the private key of {preview.sealed_to} can read it")
    for line in lines[:MAX_PREVIEW_LINES]:
        printer.note(f"  | {line}")
    if len(lines) > MAX_PREVIEW_LINES:
        printer.note(f"  | … and {len(lines) - MAX_PREVIEW_LINES} further lines")
    if preview.private:
        printer.note(f"  ! it holds what looks like {preview.private}; `remote-assist redact` takes such things out")


def _ask(printer: Printer) -> None:
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to look at the preview", advice="Look with --preview, then send with --yes.")
    printer.note("send exactly this? [y/N] ")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was sent", reason="denied")


def _unseal(arguments: argparse.Namespace) -> int:
    from remote_assist.core.sealed_stream import open_stream
    from remote_assist.transport.private_files import write_private

    try:
        opened = open_stream(arguments.file.read_bytes(), private_key(arguments.key))
        write_private(arguments.output, opened, replace=False)
    except FileExistsError as error:
        raise UsageError(f"{arguments.output} is there already", advice="Name another file.") from error
    except OSError as error:
        raise UsageError(f"{error.filename or arguments.file}: {error.strerror}") from error
    return Exit.DONE

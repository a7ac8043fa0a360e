"""`redact`: what redaction takes out of a file, or (on the customer's own machine) what tokens stand for."""

import argparse
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.redaction import PROFILES, Redactor
from remote_assist.errors import Exit, UsageError

PIECE_BYTES = 1 << 20
"""Text redacted at once; pieces end with a line and never within a private key."""

MAX_PIECE_BYTES = 3 << 20
"""Longest line."""

LONGEST_KEY_BYTES = 64 << 10
"""What begins like a key and goes on for longer is none."""

BEGIN, END = b"-----BEGIN ", b"-----END "


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `redact`."""
    parser = verbs.add_parser(
        "redact",
        help="show what redaction takes out of a file",
        description="Prints the text as it would leave this machine, and counts what was taken out by class. "
        "Detection rates: docs/redaction.md.",
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a text; else standard input")
    parser.add_argument("--profile", choices=PROFILES, default="strict", help="strict also hides personal data")
    parser.add_argument("--word", metavar="WORD", action="append", default=[], help="hide this too; may be repeated")
    parser.add_argument("--counts", action="store_true", help="only count, do not print the text")
    parser.add_argument(
        "--reveal", action="store_true", help="the other way: replace tokens by what this machine's map says they are"
    )
    add_output_options(parser)
    parser.set_defaults(run=_redact)


def _redact(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    if arguments.reveal:
        return _reveal(printer, arguments.file)
    redactor = Redactor(secrets.token_bytes(32), profile=arguments.profile, seeds=dict.fromkeys(arguments.word, "word"))
    counts: Counter[str] = Counter()
    for text in _pieces(arguments.file):
        _print(printer, redactor.text(text, counts), silent=arguments.counts)
    printer.object({"taken_out": dict(counts)})
    if not printer.json:
        taken = ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))
        printer.note(f"taken out: {taken or 'nothing'}")
    return Exit.DONE


def _reveal(printer: Printer, file: Path | None) -> int:
    from remote_assist.agent.token_map import TokenMap
    from remote_assist.commands.customer.join import home_folder

    tokens = TokenMap(home_folder(os.environ), secrets.token_bytes)
    for text in _pieces(file):
        _print(printer, tokens.reveal(text), silent=False)
    return Exit.DONE


def _print(printer: Printer, text: str, *, silent: bool) -> None:
    for line in () if silent else text.splitlines():
        printer.value("text", line)


def _pieces(file: Path | None) -> Iterator[str]:
    """The text in pieces that can be redacted by themselves. Raises UsageError."""
    try:
        with file.open("rb") if file else _standard_input() as stream:
            yield from (piece.decode("utf-8", "replace") for piece in pieces(stream))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _standard_input() -> Any:
    """Standard input, left open at the end."""
    return open(sys.stdin.fileno(), "rb", closefd=False)


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Whole lines, about PIECE_BYTES at a time. Raises UsageError for a line that is too long."""
    held = b""
    while raw := stream.read(PIECE_BYTES):
        held += raw
        end = held.rfind(b"\n") + 1
        begun = held.rfind(BEGIN, 0, end)
        if begun >= 0 and held.find(END, begun, end) < 0 and len(held) - begun < LONGEST_KEY_BYTES:
            end = begun
        if end > 0:
            yield held[:end]
        held = held[end:]
        if len(held) > MAX_PIECE_BYTES:
            raise UsageError(f"a line is longer than {MAX_PIECE_BYTES} bytes", advice="Is it a text?")
    if held:
        yield held

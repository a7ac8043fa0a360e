"""The verb run: a program at the customer's, its output here, its status as ours; 255 is our own trouble.

Rule: to a terminal, output goes through `safe_text`; into a pipe or file, it goes as the bytes it is.
"""

import argparse
import asyncio
import base64
import codecs
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec

from remote_assist.commands.printing import Printer, ascii_json
from remote_assist.commands.standard_streams import stdin_chunks, text_lines, write_all
from remote_assist.commands.technician.options import (
    add_machine_options,
    add_session_argument,
    add_technician_options,
    checked_session,
    connect,
    open_desk,
)
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.requests import KIND_ERROR, Done
from remote_assist.errors import AssistError, Exit, UsageError

if TYPE_CHECKING:  # only a name for types: the desk loads SSH and HTTP
    from remote_assist.technician.session import Session

MAX_CAPTURED_BYTES = 16 << 20
"""How much output of a command goes into its JSON object."""

_STDOUT, _STDERR = 1, 2


def add_commands(verbs: Any) -> None:
    """Add run."""
    parser = verbs.add_parser(
        "run",
        help="run a program",
        description="Run a program, without a shell; exit with its status. 255 means that it did not run or was lost.",
        usage="remote-assist run [options] SESSION -- PROGRAM ARGUMENT…",
    )
    add_technician_options(parser)
    parser.add_argument("-i", "--input", action="store_true", help="forward standard input to the program")
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="read commands from standard input, one a line (shell-like words or a JSON array), on one connection; "
        "exits with the first status that is not 0",
    )
    parser.add_argument("--folder", metavar="PATH", default="", help="the customer's folder to run it in")
    add_session_argument(parser)
    add_machine_options(parser)
    parser.epilog = "Everything after -- is the program and its arguments, whatever it looks like."
    keep_words_after_dashes(parser)
    parser.set_defaults(run=_run)


def keep_words_after_dashes(parser: argparse.ArgumentParser) -> None:
    """Put the words after the first `--` into `argv` untouched.

    argparse's own way (nargs="*") loses them when an option stands between SESSION and `--`.
    """
    parse = parser.parse_known_args

    def parse_known_args(args: Any = None, namespace: Any = None) -> Any:
        words = list(args or ())
        place = words.index("--") if "--" in words else len(words)
        found, unknown = parse(words[:place], namespace)
        found.argv = words[place + 1 :]
        return found, unknown

    parser.parse_known_args = parse_known_args  # type: ignore[method-assign]  # the one hook there is


async def _run(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    if bool(arguments.argv) == arguments.stdin:
        raise UsageError(
            "no program was named" if not arguments.argv else "--stdin takes no program of its own",
            advice="remote-assist run SESSION -- uname -a",
        )
    if arguments.input and arguments.stdin:
        raise UsageError("-i and --stdin both want standard input", advice="Choose one.")
    try:
        async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
            if arguments.stdin:
                return await _run_lines(arguments, connected)
            stdin = stdin_chunks() if arguments.input else None
            return await _run_one(arguments, connected, arguments.argv, stdin)
    except UsageError:
        raise
    except BrokenPipeError:
        return Exit.REMOTE_STATUS_UNKNOWN  # whoever read our output has left, as `head` does: nothing to say to nobody
    except AssistError as error:
        return own_trouble(error, as_json=arguments.json)


async def _run_one(
    arguments: argparse.Namespace, connected: "Session", argv: list[str], stdin: AsyncIterator[bytes] | None
) -> int:
    printer = Printer(arguments)
    output = _Captured() if printer.json else _PassedOn()
    began = time.monotonic()
    done = await connected.run(argv, stdin=stdin, on_output=output, folder=arguments.folder)
    seconds = round(time.monotonic() - began, 6)
    status = exit_status(done)
    if isinstance(output, _Captured):
        printer.object(
            {"argv": argv, "status": status, "seconds": seconds, **output.fields(), "sentence": done.sentence}
        )
    elif done.sentence:
        printer.note(done.sentence)
    return status


async def _run_lines(arguments: argparse.Namespace, connected: "Session") -> int:
    first_fault = 0
    async for line in text_lines(stdin_chunks()):
        argv = parse_command(line)
        if not argv:
            continue
        status = await _run_one(arguments, connected, argv, None)
        first_fault = first_fault or status
    return first_fault


def parse_command(line: str) -> list[str]:
    """A line of `--stdin`: a JSON array of words, or words as a shell would split them; # begins a comment.

    Raises UsageError.
    """
    try:
        if line.lstrip().startswith("["):
            return msgspec.json.decode(line, type=list[str])
        return shlex.split(line, comments=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"this line is not a command: {line.strip()[:80]}", advice=f"{error}.") from error


def exit_status(done: Done) -> int:
    """The status to exit with, as ssh does: the program's, 128 + n after signal n.

    Raises AssistError when the program did not run, or was stopped before it ended.
    """
    if done.exit < 0:
        return 128 - done.exit
    if done.status not in {"done", "failed"} or (done.status == "failed" and done.exit == 0):
        raise AssistError(done.sentence or f"the program was not run to its end: {done.status}")
    return done.exit


def own_trouble(error: AssistError, *, as_json: bool) -> int:
    """Say what went wrong with us, on standard error; standard output belongs to the program."""
    status = int(Exit.REMOTE_STATUS_UNKNOWN)
    sentence = safe_text(HostileStr(error.message))
    if as_json:
        body = {"error": sentence, "reason": getattr(error, "reason", type(error).__name__), "exit": status}
        sys.stderr.write(ascii_json({**body, "cause": int(error.exit_code)}) + "\n")
    else:
        sys.stderr.write(f"remote-assist: {sentence}\n")
        if error.advice:
            sys.stderr.write(f"  {safe_text(HostileStr(error.advice))}\n")
    sys.stderr.flush()
    return status


class _PassedOn:
    """Output goes on as it comes: safe text to a terminal, raw bytes elsewhere. Written in a thread: pagers wait."""

    def __init__(self) -> None:
        self._decoders = {
            file: codecs.getincrementaldecoder("utf-8")("backslashreplace") if os.isatty(file) else None
            for file in (_STDOUT, _STDERR)
        }

    async def __call__(self, kind: int, data: bytes) -> None:
        file = _STDERR if kind == KIND_ERROR else _STDOUT
        decoder = self._decoders[file]
        raw = data if decoder is None else for_terminal(decoder.decode(data))
        await asyncio.to_thread(write_all, file, raw)


class _Captured:
    """Output is kept for the JSON object, up to a limit."""

    def __init__(self) -> None:
        self._parts: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray()}
        self._truncated = False

    def __call__(self, kind: int, data: bytes) -> None:
        kept = self._parts[_STDERR if kind == KIND_ERROR else _STDOUT]
        room = MAX_CAPTURED_BYTES - len(kept)
        self._truncated = self._truncated or len(data) > room
        kept += data[:room]

    def fields(self) -> dict[str, object]:
        """`stdout` and `stderr` as text; bytes that are not UTF-8 also as `…_base64`."""
        found: dict[str, object] = {"truncated": self._truncated}
        for name, file in (("stdout", _STDOUT), ("stderr", _STDERR)):
            raw = bytes(self._parts[file])
            found[name] = raw.decode("utf-8", "backslashreplace")
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                found[f"{name}_base64"] = base64.b64encode(raw).decode()
        return found


def for_terminal(text: str) -> bytes:
    """A piece of a program's output as a terminal may show it, lines kept."""
    return safe_text(HostileStr(text), lines=True, max_chars=len(text) * 10 + 1).encode("utf-8", "backslashreplace")

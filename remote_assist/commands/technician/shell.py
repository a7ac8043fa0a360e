"""The verb shell: the customer's shell in this terminal, recorded for the reviewers; its status as ours, as ssh does.

Rule: to a terminal goes only what core/picture/terminal_filter.py lets through; into a pipe or file go the bytes as
they are.
"""

import argparse
import asyncio
import codecs
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.standard_streams import stdin_chunks, write_all
from remote_assist.commands.technician.options import (
    add_machine_options,
    add_session_argument,
    add_technician_options,
    checked_session,
    connect,
    open_desk,
)
from remote_assist.commands.technician.run import exit_status, own_trouble
from remote_assist.core.picture.terminal_filter import TerminalFilter
from remote_assist.errors import AssistError, Exit, UsageError
from remote_assist.transport.own_terminal import keys, on_resize, raw_keys, screen, window_size

if TYPE_CHECKING:  # only a name for types: the desk loads SSH and HTTP
    from remote_assist.technician.terminal import Terminal

STDIN, STDOUT = 0, 1

LEAVE = b"~."
"""Typed at the beginning of a line, it closes the terminal at once, as in ssh."""

_LEAVING = re.compile(rb"[\r\n]" + re.escape(LEAVE))

RESET = b"\x1b[0m\x1b[?25h\x1b[?1049l\x1b[?1l\x1b[?2004l\x1b(B\x1b>"
"""Undoes what a program that was cut off may have left: colours, hidden cursor, other screen, key modes."""


def add_commands(verbs: Any) -> None:
    """Add shell."""
    parser = verbs.add_parser(
        "shell",
        help="open a shell at the customer's",
        description="Open the customer's shell in this terminal. What it shows is recorded for the reviewers, and the "
        "customer sees it. Ends with the shell's status; 255 means that it did not run or was lost.",
        epilog="Enter, then ~. closes it at once.",
    )
    add_technician_options(parser)
    parser.add_argument("--term", default=os.environ.get("TERM", "dumb"), help="the terminal's kind (else $TERM)")
    add_session_argument(parser)
    add_machine_options(parser)
    parser.set_defaults(run=_shell)


async def _shell(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    try:
        async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
            columns, rows = window_size(STDOUT)
            async with connected.shell(term=arguments.term, columns=columns, rows=rows) as terminal:
                await _hold(terminal)
            return _told(arguments, terminal)
    except UsageError:
        raise
    except BrokenPipeError:
        return Exit.REMOTE_STATUS_UNKNOWN
    except AssistError as error:
        return own_trouble(error, as_json=arguments.json)


async def _hold(terminal: "Terminal") -> None:
    """Carry keys and output until the terminal ends, or the technician leaves it."""
    with raw_keys(STDIN) as is_terminal, _resizing(terminal):
        typing = asyncio.create_task(_type(terminal, leaving=is_terminal))
        try:
            await _show(terminal)
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
            if os.isatty(STDOUT):
                await asyncio.to_thread(write_all, STDOUT, RESET)


async def _show(terminal: "Terminal") -> None:
    safe = SafeOutput() if os.isatty(STDOUT) else None
    with screen(STDOUT, _write_out) as show:
        async for raw in terminal.output():
            await show(raw if safe is None else safe.feed(raw))


async def _write_out(raw: bytes) -> None:
    await asyncio.to_thread(write_all, STDOUT, raw)


async def _type(terminal: "Terminal", *, leaving: bool) -> None:
    with contextlib.suppress(AssistError):  # the output side says what happened to the link
        async for raw in _until_left(keys(STDIN)) if leaving else stdin_chunks():
            await terminal.write(raw)
        if leaving:
            await terminal.close()
        else:
            await terminal.end_input()


async def _until_left(typed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The keys up to `~.` at the beginning of a line. A lone ~ there waits for the next key."""
    fresh, held = True, b""
    async for raw in typed:
        rest, held = held + raw, b""
        line = b"\r" if fresh else b""  # so that one pattern finds it wherever a line begins
        if found := _LEAVING.search(line + rest):
            if before := rest[: found.start() + 1 - len(line)]:
                yield before
            return
        if (line + rest).endswith((b"\r" + LEAVE[:1], b"\n" + LEAVE[:1])):
            rest, held = rest[:-1], LEAVE[:1]
        fresh = (line + rest).endswith((b"\r", b"\n"))
        if rest:
            yield rest


class SafeOutput:
    """Bytes of a customer's terminal → bytes ours may be given."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._filter = TerminalFilter()

    def feed(self, raw: bytes) -> bytes:
        """What of the next bytes may be shown."""
        return self._filter.feed(self._decoder.decode(raw)).encode()


@contextlib.contextmanager
def _resizing(terminal: "Terminal") -> Any:
    tasks: set[asyncio.Task[None]] = set()

    def resize() -> None:
        task = asyncio.create_task(_resize(terminal))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with on_resize(resize):
        yield


async def _resize(terminal: "Terminal") -> None:
    with contextlib.suppress(AssistError):
        await terminal.resize(*window_size(STDOUT))


def _told(arguments: argparse.Namespace, terminal: "Terminal") -> int:
    """How it ended: the shell's own status; a terminal that was closed from outside is our trouble."""
    done = terminal.done
    if done is None:
        raise AssistError("the terminal was left before it said how it ended")
    if done.status == "cancelled":
        sys.stderr.write("\nremote-assist: the terminal was closed\n")
        return Exit.REMOTE_STATUS_UNKNOWN
    if done.sentence and not arguments.json:
        Printer(arguments).note(done.sentence)
    return exit_status(done)

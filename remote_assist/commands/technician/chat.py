"""The verb `chat`: say a line to the customer, follow what is said, or hold a conversation at the terminal."""

import argparse
import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.standard_streams import stdin_chunks, text_lines
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.chat import CUSTOMER
from remote_assist.core.durations import parse_duration
from remote_assist.errors import AssistError, Exit, RefusedError, UsageError

if TYPE_CHECKING:  # only names for types: the session loads SSH
    from remote_assist.core.requests import ChatLine
    from remote_assist.technician.session import Session

TRANSLATE_VARIABLE = "REMOTE_ASSIST_TRANSLATE"
"""A command line (split into words, run without a shell) that translates the customer's lines."""

LOOK_SECONDS = 0.2
"""How often a wait for an answer looks whether one came."""


def add_commands(verbs: Any) -> None:
    """Add chat."""
    parser = verbs.add_parser(
        "chat",
        help="write to the customer and read what they write",
        description="With TEXT: say it and leave. Without: a conversation at the terminal; from a pipe, every line "
        "is said. The customer presses c to write. Lines that show a support code are refused.",
    )
    add_technician_options(parser)
    add_session_argument(parser)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="say this")
    parser.add_argument("--wait", metavar="2m", default="", help="after saying it, wait so long for an answer")
    parser.add_argument("--history", action="store_true", help="print what was said so far and leave")
    parser.add_argument(
        "--translate",
        metavar="COMMAND",
        default=os.environ.get(TRANSLATE_VARIABLE, ""),
        help=f"translates the customer's lines: text in, translation out (else ${TRANSLATE_VARIABLE})",
    )
    parser.set_defaults(run=_chat)


async def _chat(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    wait = parse_duration(arguments.wait).total_seconds() if arguments.wait else 0.0
    if arguments.history and arguments.text:
        raise UsageError("--history says nothing", advice="Leave TEXT away.")
    lines = LinePrinter(Printer(arguments), _words_of(arguments.translate))
    async with await open_desk(arguments) as desk, await desk.connect(session) as connected:
        if arguments.history:
            for line in await connected.chat_lines():
                await lines.show(line)
        elif arguments.text:
            await _say_once(connected, lines, " ".join(arguments.text), wait)
        else:
            await _converse(connected, lines, wait)
    return Exit.DONE


class LinePrinter:
    """Prints chat lines in order, the translation below the customer's."""

    def __init__(self, printer: Printer, translate: Sequence[str]) -> None:
        self._printer = printer
        self._translate = translate
        self.answers = 0

    async def show(self, line: "ChatLine") -> None:
        """One line, with what the translation command makes of it."""
        self.answers += line.author == "customer"
        translated = await self._translated(line.text) if line.author == "customer" else ""
        self._printer.object(
            {"number": line.number, "author": line.author, "text": line.text, "time": line.time}
            | ({"translation": translated} if translated else {})
        )
        if self._printer.plain:
            self._printer.value("text", line.text)
        self._printer.line(f"{line.time[11:19]}  {line.author}: {line.text}")
        if translated:
            self._printer.line(f"          ({translated})")

    def note(self, text: str) -> None:
        """A remark beside the conversation."""
        self._printer.note(text)

    async def _translated(self, text: str) -> str:
        if not self._translate:
            return ""
        from remote_assist.technician.translation import translate

        try:
            return await translate(self._translate, text)
        except AssistError as error:
            self._printer.note(error.message)
            return ""


async def _say_once(session: "Session", lines: LinePrinter, text: str, wait_seconds: float) -> None:
    """Say one line; with `wait_seconds`, print the customer's answer, if it comes in time."""
    seen = max((line.number for line in await session.chat_lines()), default=0)
    await session.say(text)
    if not wait_seconds:
        return
    following = asyncio.create_task(_follow(session, lines, seen, until_answer=True))
    try:
        async with asyncio.timeout(wait_seconds):
            await following
    except TimeoutError:
        raise AssistError("the customer did not answer in time", advice="Look again: chat SESSION --history.") from None


async def _converse(session: "Session", lines: LinePrinter, wait_seconds: float) -> None:
    """Say what standard input says, print what is said. At its end, wait for an answer if asked to."""
    following = asyncio.create_task(_follow(session, lines, 0))
    try:
        async for line in text_lines(stdin_chunks()):
            if following.done():
                break
            if line.strip():
                await _say_or_note(session, lines, line)
        before = lines.answers
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                while lines.answers == before and not following.done():
                    await asyncio.wait({following}, timeout=LOOK_SECONDS)
    finally:
        if not following.done():
            following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def _say_or_note(session: "Session", lines: LinePrinter, text: str) -> None:
    """A line that is refused stops no conversation at a terminal; from a pipe it is the end."""
    try:
        await session.say(text)
    except (UsageError, RefusedError) as error:
        if not sys.stdin.isatty():
            raise
        lines.note(f"{error.message}. {error.advice}")


async def _follow(session: "Session", lines: LinePrinter, seen: int, *, until_answer: bool = False) -> None:
    """Print lines after `seen` as they come; with `until_answer` only the customer's, up to the first."""
    queue: asyncio.Queue[ChatLine] = asyncio.Queue()
    reading = asyncio.create_task(session.follow_chat(queue.put_nowait, seen))
    try:
        while not (until_answer and lines.answers):
            getting = asyncio.create_task(queue.get())
            await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                await reading
                return
            line = getting.result()
            if line.author == CUSTOMER or not until_answer:
                await lines.show(line)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _words_of(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the translation command cannot be read: {error}") from error

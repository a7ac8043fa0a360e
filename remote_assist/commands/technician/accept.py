"""The verb `accept`: take the code a customer made with `ask`, for a ticket."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine
from remote_assist.commands.technician.consent import add_scope_options, add_ticket_options, ticket_of, wanted_seconds
from remote_assist.commands.technician.options import add_technician_options, open_desk
from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.core.wishes import parse_wishes
from remote_assist.errors import Exit, UsageError
from remote_assist.settings import DEFAULT_SCOPES

if TYPE_CHECKING:  # only a name for types: pairing is loaded when a verb runs
    from remote_assist.core.messages import AgentStatement

STDIN = "-"
MAX_CODE_CHARS = 200
MOST_TRIES = 5
"""How often a code that is none may be typed; it is looked at here only, so that costs no guess."""


def add_commands(verbs: Any) -> None:
    """Add accept."""
    parser = verbs.add_parser(
        "accept",
        help="take a code that a customer made with `ask`, and wait for their yes",
        description="Asks for the code the customer reads out, waits for their yes, prints the session. A wrong "
        "word uses the code up: have it spelled when in doubt.",
        epilog="Ends with 0 and the session, 2 for a code that is none, 3 when the code was wrong, used, too old or "
        "unknown, the ticket may have no session, or the customer said no, 4 when the relay cannot be reached.",
    )
    add_technician_options(parser)
    add_ticket_options(parser)
    parser.add_argument("--code", metavar="-", default="", help="`-` reads the code from standard input")
    add_scope_options(parser, ",".join(DEFAULT_SCOPES))
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(run=_accept)


def _accept(arguments: argparse.Namespace) -> Coroutine[None, None, int]:
    """Asks for the code before any loop runs, so that Ctrl-C ends the program there too."""
    _refuse_code_on_the_command_line(arguments)
    scopes, seconds = parse_wishes(arguments.scopes), wanted_seconds(arguments.until)
    return _take(arguments, _read_code(piped=arguments.code == STDIN), scopes, seconds)


async def _take(arguments: argparse.Namespace, code: SupportCode, scopes: tuple[str, ...], seconds: int) -> int:
    printer, progress = Printer(arguments), ProgressLine()
    async with await open_desk(arguments) as desk:
        ticket = await ticket_of(desk, arguments, printer)
        said = ["checking the code"]

        def paired(agent: "AgentStatement") -> None:
            said[0] = f"the code is right; {agent.host_name} asks for a yes"
            progress.clear()
            printer.line(f"{said[0]} …")

        async with _waiting(progress, said):
            session = await desk.accept(code, ticket, scopes, seconds, paired)
    printer.value("session", session, f"session {session}")
    return Exit.DONE


def _refuse_code_on_the_command_line(arguments: argparse.Namespace) -> None:
    if arguments.words or arguments.code not in {"", STDIN}:
        raise UsageError(
            "a support code does not go on the command line, where other users of this computer can read it",
            advice="Type it when you are asked, or pipe it in with --code -. Have the customer make a new one.",
        )


def _read_code(*, piped: bool) -> SupportCode:
    """From standard input, or asked for there; a slip of the finger may be typed anew. Raises UsageError."""
    if piped:
        return parse_code(sys.stdin.readline(MAX_CODE_CHARS + 2))
    if not sys.stdin.isatty():
        raise UsageError("there is no support code", advice="Pipe it in and say --code -.")
    for left in range(MOST_TRIES - 1, -1, -1):
        _say("Code the customer reads out (six digits and three words): ")
        line = sys.stdin.readline(MAX_CODE_CHARS + 2)
        try:
            return parse_code(line)
        except UsageError as error:
            if not (left and line):
                raise
            _say(f"{error.message}. {error.advice} That cost nothing.\n")
    raise AssertionError("the last try returns or raises")


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


@contextlib.asynccontextmanager
async def _waiting(progress: ProgressLine, said: list[str]) -> AsyncIterator[None]:
    """What is waited for and since when, on standard error, when somebody looks."""

    async def count() -> None:
        began = time.monotonic()
        while True:
            progress.say(f"{said[0]} … {time.monotonic() - began:.0f} s")
            await asyncio.sleep(1)

    task = asyncio.create_task(count()) if sys.stderr.isatty() else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        progress.clear()

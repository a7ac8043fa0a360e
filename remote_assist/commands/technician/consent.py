"""Verbs that begin, widen and end a session: invite, request, end."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.api import Ticket
from remote_assist.core.codes import SupportCode
from remote_assist.core.durations import parse_duration
from remote_assist.core.requests import Status
from remote_assist.core.time_spent import parse_minutes
from remote_assist.core.wishes import SCOPES, parse_wishes
from remote_assist.errors import Exit, UnreachableError, UsageError
from remote_assist.settings import DEFAULT_SCOPES

if TYPE_CHECKING:  # only a name for types: pairing is loaded when a verb runs
    from remote_assist.technician.desk import Desk
    from remote_assist.technician.invite import Invitation

DEFAULT_UNTIL = "30m"

_SCOPES_HELP = (
    f"comma separated, of {', '.join(SCOPES)}; a place narrows or names: files:read=/var/log, forward=HOST:PORT, "
    "hop=ssh://USER@HOST"
)


def add_commands(verbs: Any) -> None:
    """Add invite, request and end."""
    invite = verbs.add_parser(
        "invite",
        help="make a support code for a ticket and wait for the customer",
        description="Print a code, wait for the customer's yes, print the session. Tell the code by voice only.",
    )
    add_technician_options(invite)
    add_ticket_options(invite)
    invite.add_argument(
        "--enroll", action="store_true", help="enrol the customer's machine (`remote-assist enroll` there); no session"
    )
    add_scope_options(invite, ",".join(DEFAULT_SCOPES))
    invite.set_defaults(run=_invite)
    request = verbs.add_parser("request", help="ask the customer for further scopes")
    add_technician_options(request)
    add_session_argument(request)
    request.add_argument("scopes", metavar="SCOPES", help=_SCOPES_HELP)
    request.add_argument("--until", metavar="TIME", default=DEFAULT_UNTIL, help="how long: 90s, 30m, 2h (30m)")
    request.add_argument("--reason", metavar="TEXT", default="", help="why, shown to the customer")
    request.set_defaults(run=_request)
    end = verbs.add_parser(
        "end",
        help="end a session with a note for the ticket",
        description="End for everybody; returns when the end is acknowledged and the ticket holds the note.",
    )
    add_technician_options(end)
    add_session_argument(end)
    end.add_argument("--note", metavar="TEXT", required=True, help="what was found and done; it goes on the ticket")
    end.add_argument("--reason", metavar="TEXT", default="", help="why it ends, shown to the customer")
    end.add_argument(
        "--time",
        metavar="TIME",
        default="",
        help="time spent, for the ticket: 15m, 2h, 0 for none (else as the relay's settings say)",
    )
    end.set_defaults(run=_end)


def add_ticket_options(parser: argparse.ArgumentParser) -> None:
    """--ticket, or why there is none; ticket_of reads them."""
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument(
        "--ticket", metavar="ID", default="", help="the ticket the session belongs to: 1001, or SYSTEM:ID"
    )
    about.add_argument(
        "--break-glass",
        metavar="REASON",
        default="",
        help="there is no ticket and no time: open one in the relay's book that says why, and is counted",
    )


def add_scope_options(parser: argparse.ArgumentParser, default: str) -> None:
    """--scopes and --until: what the customer is asked for."""
    parser.add_argument("--scopes", default=default, help=f"{_SCOPES_HELP} ({default})")
    parser.add_argument("--until", metavar="TIME", default=DEFAULT_UNTIL, help="how long: 90s, 30m, 2h (30m)")


def wanted_seconds(text: str) -> int:
    """What --until says. Raises UsageError."""
    return int(parse_duration(text).total_seconds())


async def _invite(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    scopes, seconds = parse_wishes(arguments.scopes), wanted_seconds(arguments.until)
    async with await open_desk(arguments) as desk:
        ticket = await ticket_of(desk, arguments, printer)
        async with await desk.invite(ticket, scopes, seconds, enrolling=arguments.enroll) as invitation:
            _print_code(printer, invitation.code, invitation.spoken)
            async with _countdown(invitation):
                session = await invitation.paired(_announcer(printer, invitation))
    if arguments.enroll:
        printer.value("machine", session, f"machine {session} is enrolled")
    else:
        printer.value("session", session, f"session {session}")
    return Exit.DONE


async def ticket_of(desk: "Desk", arguments: argparse.Namespace, printer: Printer) -> Ticket:
    """The ticket that was named, or one that is opened now for a reason."""
    if arguments.ticket:
        return await desk.ticket(arguments.ticket)
    if not arguments.break_glass.strip():
        raise UsageError("a session needs a ticket", advice="Name it with --ticket, or say why not with --break-glass.")
    ticket = await desk.api.new_ticket(arguments.break_glass, break_glass=True)
    printer.note(f"ticket #{ticket.id} was opened without one of your ticket system; link it there afterwards")
    return ticket


def _print_code(printer: Printer, code: SupportCode, spoken: str) -> None:
    printer.value("code", str(code), f"code     {code}")
    printer.line(f"say      {spoken}")
    printer.line("customer runs `remote-assist join`; the words never go into a link, mail or note")


def _announcer(printer: Printer, invitation: "Invitation") -> Any:
    """People are told a replaced code; a script could take it for the session, so there the wait ends."""
    if printer.json or printer.plain:
        return None

    def announce(code: SupportCode) -> None:
        printer.line("strangers tried this code; it was replaced:")
        _print_code(printer, code, invitation.spoken)

    return announce


@contextlib.asynccontextmanager
async def _countdown(invitation: "Invitation") -> AsyncIterator[None]:
    """How long the code is still good, on standard error, when somebody looks."""
    line = ProgressLine()
    task = asyncio.create_task(_count(invitation, line)) if sys.stderr.isatty() else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        line.clear()


async def _count(invitation: "Invitation", line: ProgressLine) -> None:
    while (left := int((invitation.expires - datetime.now(UTC)).total_seconds())) > 0:
        line.say(f"waiting … {left // 60}:{left % 60:02d} left")
        await asyncio.sleep(1)


async def _request(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    scopes, seconds = parse_wishes(arguments.scopes), wanted_seconds(arguments.until)
    async with await open_desk(arguments) as desk, await desk.connect(session) as connected:
        status = await connected.request_scopes(scopes, seconds, arguments.reason)
    _print_status(Printer(arguments), status)
    return Exit.DONE


def _print_status(printer: Printer, status: Status) -> None:
    printer.object(status)
    for grant in status.grants:
        if printer.plain:
            printer.value("scope", grant.scope)
        else:
            places = ", ".join((*grant.folders, *(grant.places or ())))
            printer.line(f"{grant.scope}{' ' if places else ''}{places} until {grant.until[:16].replace('T', ' ')} UTC")


async def _end(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    minutes = parse_minutes(arguments.time) if arguments.time else None
    async with await open_desk(arguments) as desk:
        result = await desk.end(session, arguments.note, arguments.reason, minutes=minutes)
        ticket = desk.session_facts(session).ticket
    if result.undelivered:
        raise UnreachableError(
            f"session {session}: {result.undelivered} could not be confirmed",
            advice="Repeat the same `end` later; nothing is said twice.",
        )
    printer = Printer(arguments)
    printer.value("session", session, f"session {session} ended; the note is on ticket #{ticket}")
    return Exit.DONE

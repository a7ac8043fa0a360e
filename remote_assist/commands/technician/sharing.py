"""Verbs for sessions of two technicians: share, transfer, attach."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.durations import parse_duration
from remote_assist.errors import Exit

if TYPE_CHECKING:  # only a name for types: its module loads what `--help` need not wait for
    from remote_assist.core.agreements.sharing import Part

DEFAULT_UNTIL = "30m"


def add_commands(verbs: Any) -> None:
    """Add share, transfer and attach."""
    share = verbs.add_parser(
        "share",
        help="ask the customer to let a second technician in",
        description="Sign an invitation for the holder of a certificate and ask the customer, who sees both names. The "
        "second technician then runs `remote-assist attach SESSION`.",
    )
    share.add_argument("--observe", action="store_true", help="they only watch: status and log, and no action at all")
    share.set_defaults(run=_share)
    transfer = verbs.add_parser(
        "transfer",
        help="hand a session over to another technician",
        description="As `share`; once the other technician is in, your own access ends.",
    )
    transfer.set_defaults(run=_transfer)
    for parser in (share, transfer):
        add_technician_options(parser)
        add_session_argument(parser)
        parser.add_argument("certificate", metavar="CERT", type=Path, help="the other technician's NAME-cert.pub")
        parser.add_argument("--until", metavar="TIME", default=DEFAULT_UNTIL, help="how long: 90s, 30m, 2h (30m)")
    attach = verbs.add_parser(
        "attach",
        help="enter a session that was shared with you or handed over to you",
        description="Prove to the customer's agent who you are; from then on the session is yours to use from here.",
    )
    add_technician_options(attach)
    add_session_argument(attach)
    attach.set_defaults(run=_attach)


async def _share(arguments: argparse.Namespace) -> int:
    from remote_assist.core.agreements.sharing import Part

    return await _invite_second(arguments, Part.OBSERVER if arguments.observe else Part.ACTIVE)


async def _transfer(arguments: argparse.Namespace) -> int:
    from remote_assist.core.agreements.sharing import Part

    return await _invite_second(arguments, Part.SUCCESSOR)


async def _invite_second(arguments: argparse.Namespace, part: "Part") -> int:
    session = checked_session(arguments.session)
    seconds = int(parse_duration(arguments.until).total_seconds())
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        printer.note("asking the customer …")
        done = await desk.share(session, arguments.certificate, part, seconds)
    printer.value("session", session, f"{done.sentence}; they run: remote-assist attach {session}")
    return Exit.DONE


async def _attach(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    async with await open_desk(arguments) as desk:
        facts = await desk.attach(session)
    printer = Printer(arguments)
    if printer.plain:
        printer.value("session", session)
        return Exit.DONE
    printer.object({"session": session, "part": facts.part, "scopes": facts.scopes, "ends": facts.ends})
    may = ", ".join(facts.scopes) or "you only watch"
    printer.line(f"session {session}  #{facts.ticket} {facts.subject}")
    printer.line(f"{facts.part} until {facts.ends[:16].replace('T', ' ')} UTC: {may}")
    return Exit.DONE

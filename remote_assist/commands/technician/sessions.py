"""Verbs around sessions: login, tui, sessions."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import (
    add_technician_options,
    ask_passphrase,
    checked_session,
    open_desk,
    technician_settings,
)
from remote_assist.core.api import SessionSummary
from remote_assist.errors import Exit

if TYPE_CHECKING:  # only a name for a type
    from remote_assist.commands.technician.tui_recordings import Recordings


def add_commands(verbs: Any) -> None:
    """Add login, tui and sessions."""
    _add_login(verbs)
    _add_tui(verbs)
    sessions = verbs.add_parser("sessions", help="list your sessions")
    add_technician_options(sessions)
    sessions.set_defaults(run=_sessions)


def _add_login(verbs: Any) -> None:
    parser = verbs.add_parser(
        "login",
        help="log in at the relay with your key and certificate",
        description="Sign the relay's challenge with your key. The certificate is expected beside it: KEY-cert.pub.",
    )
    add_technician_options(parser)
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="your private key")
    parser.add_argument("--cert", metavar="FILE", type=Path, help="its certificate, when it is not at KEY-cert.pub")
    parser.add_argument("--role", default="", help="the role, when the certificate holds several")
    parser.set_defaults(run=_login)


def _add_tui(verbs: Any) -> None:
    parser = verbs.add_parser("tui", help="open the terminal screen")
    add_technician_options(parser)
    parser.add_argument("session", metavar="SESSION", nargs="?", default="", help="go straight to this session")
    parser.set_defaults(run=_tui)


async def _login(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.login import login

    done = await login(
        technician_settings(arguments, os.environ),
        key_file=arguments.key,
        certificate_file=arguments.cert,
        role=arguments.role,
        ask_passphrase=ask_passphrase,
        clock=lambda: datetime.now(UTC),
    )
    printer = Printer(arguments)
    organisation = done.lists.organisation.name
    printer.object(
        {
            "name": done.identity.name,
            "role": done.identity.role,
            "organisation": organisation,
            "relay": done.identity.relay,
            "expires": done.expires.isoformat(),
            "certificate_expires": done.certificate.valid_before.isoformat(),
        }
    )
    ends = min(done.expires, done.certificate.valid_before).astimezone()
    printer.line(f"{done.identity.name}, {done.identity.role} of {organisation}, until {ends:%Y-%m-%d %H:%M}")
    if printer.plain:
        printer.value("name", done.identity.name)
    return Exit.DONE


def _tui(arguments: argparse.Namespace) -> int:
    from remote_assist.tui.app import run_tui

    def open_recordings() -> "Recordings":
        from remote_assist.commands.technician.tui_recordings import Recordings  # a tenth of the start, for who reviews

        return Recordings(arguments)

    session = checked_session(arguments.session) if arguments.session else ""
    return run_tui(technician_settings(arguments, os.environ), session=session, open_recordings=open_recordings)


async def _sessions(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        found = await desk.sessions()
    for session in found:
        _print_session(printer, session)
    if not found:
        printer.line("no sessions")
    return Exit.DONE


def _print_session(printer: Printer, session: SessionSummary) -> None:
    if printer.plain:
        printer.value("id", session.id)
        return
    printer.object(session)
    fault = f"  {session.incomplete} incomplete" if session.incomplete else ""
    state = f"ended ({session.end_reason})" if session.end_reason else session.state
    state += f", shared with you ({session.part})" if session.part else ""
    printer.line(f"{session.id}  {state}  #{session.ticket} {session.subject}  {session.opened[:16]}{fault}")

"""The customer's verbs for machines without people: enroll, standing, standby."""

import argparse
import asyncio
import os
import platform
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.customer.join import MAX_CODE_CHARS, ca_line_of, home_folder, services_folder
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.relay_options import RELAY_VARIABLE, add_relay_options, proxy_url, relay_origins
from remote_assist.commands.stopping import stopped_by_signal
from remote_assist.core.codes import parse_code, relay_origin
from remote_assist.core.durations import parse_duration
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.signing.keys import fingerprint
from remote_assist.core.wishes import parse_wishes
from remote_assist.errors import ConsentDenied, Exit, UsageError
from remote_assist.settings import AgentSettings

if TYPE_CHECKING:  # only names for types
    from remote_assist.agent.enrolled.holdings import EnrolledHome
    from remote_assist.agent.surroundings import Surroundings
    from remote_assist.core.agreements.enrolment import Machine
    from remote_assist.core.agreements.standing import StandingConsent
    from remote_assist.core.identity.statement import VerifiedTechnician


def add_commands(verbs: Any) -> None:
    """Add enroll, standing and standby."""
    enroll = verbs.add_parser(
        "enroll",
        help="make this machine one that can be called: pair once, by a code",
        description="For a server nobody sits at. The code comes from `remote-assist invite --enroll`. Nothing may be "
        "done here before you say what stands: remote-assist standing allow.",
    )
    add_output_options(enroll)
    add_relay_options(enroll)
    enroll.add_argument("--name", default=platform.node().lower(), help="what the machine is called (its host name)")
    enroll.add_argument("--ca", metavar="FILE", type=Path, help="the organisation's ca.pub, if they gave it to you")
    enroll.add_argument("--code", metavar="-", default="", help="`-` reads the code from standard input")
    enroll.add_argument("--yes", action="store_true", help="do not ask; only with --ca")
    enroll.set_defaults(run=_enroll)
    standing = verbs.add_parser("standing", help="what may be done here without asking: show, allow, revoke")
    acts = standing.add_subparsers(metavar="show | allow | revoke", required=True)
    _act(acts, "show", _show, "what stands now")
    allow = _act(acts, "allow", _allow, "sign what stands from now on, in place of what stood")
    allow.add_argument("--scopes", required=True, help="diagnose, files:read=/var/log, fix …")
    allow.add_argument("--for", dest="people", metavar="NAME", action="append", default=[], help="only these people")
    allow.add_argument(
        "--window", metavar="WINDOW", action="append", default=[], help="'mon-fri 22:00-06:00' (UTC); else always"
    )
    allow.add_argument("--until", metavar="30d", required=True, help="how long it stands: 12h, 30d, at most 366d")
    _act(acts, "revoke", _revoke, "take it back; what runs under it ends at once")
    standby = verbs.add_parser(
        "standby",
        help="wait to be called, and answer by the standing consent",
        description="Goes on until it is stopped; each call is a session with gate, records and ticket notes.",
    )
    add_relay_options(standby)
    standby.add_argument("--services", metavar="FOLDER", type=Path, help="services of the `process` kind live here")
    standby.set_defaults(run=_standby)


def _act(acts: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=text, description=text)
    add_output_options(parser)
    parser.set_defaults(run=run)
    return parser


async def _enroll(arguments: argparse.Namespace) -> int:
    from remote_assist.agent.enrolled.enrolling import enroll

    if arguments.code not in {"", "-"}:
        raise UsageError("a support code does not go on the command line", advice="Pipe it in with --code -.")
    if arguments.yes and arguments.ca is None:
        raise UsageError("--yes needs --ca: somebody must have said whose machine this becomes")
    around = _surroundings(arguments)
    code = parse_code(await asyncio.to_thread(_ask_code, piped=arguments.code == "-"))

    async def confirm(technician: "VerifiedTechnician", machine: "Machine") -> bool:
        return await asyncio.to_thread(_confirmed, technician, machine, said=arguments.yes)

    machine = await enroll(around, code, arguments.name, confirm, ca_line=ca_line_of(arguments.ca))
    printer = Printer(arguments)
    printer.value("machine", machine.id, f"{machine.enrolment.name} is enrolled as {machine.id}")
    printer.note("nothing may be done here yet; next: remote-assist standing allow, then remote-assist standby")
    return Exit.DONE


def _confirmed(technician: "VerifiedTechnician", machine: "Machine", *, said: bool) -> bool:
    known = "known here" if technician.verified else "NOT known here"
    lines = (
        f"{technician.certificate.name} of {technician.lists.organisation.name} enrols {machine.enrolment.name}",
        f"  relay {technician.statement.relay}",
        f"  CA    {fingerprint(technician.certificate.ca_line)}, {known}",
    )
    for line in lines:
        _line_on_stderr(line)
    if said:
        return technician.verified
    if not sys.stdin.isatty():
        raise ConsentDenied("there is no terminal to ask at, and not --ca and --yes, so the answer is no")
    _line_on_stderr("Technicians of this organisation may then call this machine. Type its name to agree:")
    return sys.stdin.readline(MAX_CODE_CHARS).strip() == machine.enrolment.name


def _ask_code(*, piped: bool) -> str:
    if not piped and not sys.stdin.isatty():
        raise UsageError("there is no support code", advice="Pipe it in and say --code -.")
    if not piped:
        _line_on_stderr("Code from `remote-assist invite --enroll`:")
    return sys.stdin.readline(MAX_CODE_CHARS + 2)


def _home() -> "EnrolledHome":
    from remote_assist.agent.enrolled.holdings import EnrolledHome

    return EnrolledHome(home_folder(os.environ))


def _show(arguments: argparse.Namespace) -> int:
    home = _home()
    _tell(Printer(arguments), home, home.standing())
    return Exit.DONE


def _allow(arguments: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    home, until = _home(), now + parse_duration(arguments.until)
    wishes, windows = parse_wishes(arguments.scopes), tuple(arguments.window) or ("always",)
    _tell(Printer(arguments), home, home.allow(wishes, tuple(arguments.people), windows, until, now))
    return Exit.DONE


def _revoke(arguments: argparse.Namespace) -> int:
    home = _home()
    _tell(Printer(arguments), home, home.revoke(datetime.now(UTC)))
    return Exit.DONE


def _tell(printer: Printer, home: "EnrolledHome", consent: "StandingConsent | None") -> None:
    from remote_assist.core.agreements.standing import in_words

    machine = home.machine()
    printer.object({"machine": machine.id, "name": machine.enrolment.name, "standing": consent})
    printer.line(f"{machine.enrolment.name} ({machine.id}), enrolled by {machine.by.name}")
    lines = ["nothing stands"] if consent is None else in_words(consent)
    for line in lines:
        printer.line(f"  {line}")
    if printer.plain:
        printer.value("number", 0 if consent is None or not consent.wishes else consent.number)


async def _standby(arguments: argparse.Namespace) -> int:
    from remote_assist.agent.enrolled.standby import Standby

    waiting = asyncio.create_task(Standby(_surroundings(arguments), _line_on_stderr).run())
    with stopped_by_signal() as stopping:
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return Exit.DONE
    waiting.result()
    return Exit.DONE


def _surroundings(arguments: argparse.Namespace) -> "Surroundings":
    from remote_assist.agent.assembly import customers_shell
    from remote_assist.agent.keeper import system_moment
    from remote_assist.agent.memory import AgentHome
    from remote_assist.agent.surroundings import Surroundings

    origins = relay_origins(arguments, os.environ)
    if not origins:
        raise UsageError("no relay was named", advice=f"Use --relay URL, or set {RELAY_VARIABLE}.")
    settings = AgentSettings(
        home=home_folder(os.environ),
        relay_url=origins[0],
        other_relay_urls=origins[1:],
        tls_ca_file=arguments.ca_file,
        proxy_url=proxy_url(arguments),
    )
    return Surroundings(
        settings=settings,
        home=AgentHome(settings.home),
        origin=relay_origin(settings.relay_url),
        moment=system_moment,
        entropy=secrets.token_bytes,
        services=services_folder(arguments) if hasattr(arguments, "services") else None,
        shell=customers_shell(),
    )


def _line_on_stderr(line: str) -> None:
    sys.stderr.write(f"{safe_text(HostileStr(line))}\n")
    sys.stderr.flush()

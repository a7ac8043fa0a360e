"""The verbs `alert` (a monitoring system tells the relay) and `open` (a link in a ticket opens the invite)."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.ticket_ids import read_ticket_id
from remote_assist.errors import Exit, Fault, RefusedError, TicketSystemError, UnreachableError, UsageError

MAX_INPUT_BYTES = 256 << 10
MAX_SECRET_BYTES = 4096
LINK = "remote-assist://invite/"


def add_commands(verbs: Any) -> None:
    """Add alert and open."""
    alert = verbs.add_parser(
        "alert",
        help="tell the relay of an alarm, from a monitoring system",
        description="Reads the alarm from the environment (monitoring) or from standard input (trap, json).",
    )
    add_output_options(alert)
    alert.add_argument("--from", dest="kind", required=True, choices=("monitoring", "trap", "json"), help="who speaks")
    alert.add_argument("--relay", metavar="URL", default=os.environ.get("REMOTE_ASSIST_RELAY", ""), help="the relay")
    alert.add_argument("--source", metavar="NAME", required=True, help="this source, as the relay's settings name it")
    alert.add_argument("--secret-file", metavar="FILE", type=Path, required=True, help="its secret")
    alert.add_argument("--ca-file", metavar="FILE", type=Path, help="CA of the relay's TLS certificate")
    alert.set_defaults(run=_alert)
    opening = verbs.add_parser("open", help="open the invite that a link in a ticket names")
    opening.add_argument("link", metavar="LINK", help="remote-assist://invite/TICKET")
    opening.set_defaults(run=_open)


async def _alert(arguments: argparse.Namespace) -> int:
    from remote_assist.core.api import AlarmsTaken
    from remote_assist.tickets.http import Http

    printer = Printer(arguments)
    raw = _body(arguments.kind)
    if raw is None:
        printer.note("this notification is no alarm; nothing was sent")
        return Exit.DONE
    if not arguments.relay:
        raise UsageError("no relay is named", advice="Give --relay URL, or set REMOTE_ASSIST_RELAY.")
    headers = {
        "Authorization": f"Bearer {read_source_secret(arguments.secret_file)}",
        "Content-Type": "application/json",
    }
    http = Http(arguments.relay, headers=headers, tls_ca_file=arguments.ca_file)
    try:
        taken = (await http.call("POST", f"/v1/alarms/{arguments.source}/alarm", raw=raw)).read(AlarmsTaken)
    except TicketSystemError as error:
        raise _told(error) from error
    finally:
        await http.close()
    for one in taken.alarms:
        printer.value("ticket", one.ticket, f"{one.status}: ticket {one.ticket or 'to be opened'}")
    return Exit.DONE


def _body(kind: str) -> bytes | None:
    import msgspec

    from remote_assist.tickets.alarms import from_monitoring_macros, from_trap

    if kind == "monitoring":
        alarm = from_monitoring_macros(os.environ)
        return None if alarm is None else msgspec.json.encode(alarm)
    raw = sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)
    if len(raw) > MAX_INPUT_BYTES:
        raise UsageError(f"an alarm has at most {MAX_INPUT_BYTES} bytes")
    return msgspec.json.encode(from_trap(raw.decode("utf-8", "replace"))) if kind == "trap" else raw


def read_source_secret(file: Path) -> str:
    """The secret an alarm source shows to the relay. Raises UsageError when the file holds none."""
    try:
        with file.open("rb") as opened:
            secret = opened.read(MAX_SECRET_BYTES).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read as a secret") from error
    if not secret or not secret.isprintable():
        raise UsageError(f"{file} holds no secret")
    return secret


def _told(error: TicketSystemError) -> Exception:
    if error.fault in {Fault.NOT_SENT, Fault.UNCLEAR, Fault.SLOW_DOWN}:
        return UnreachableError(f"the relay did not take the alarm: {error.message}", advice="Tell it again later.")
    return RefusedError(f"the relay did not take the alarm: {error.message}", reason="refused")


def _open(arguments: argparse.Namespace) -> Any:
    from remote_assist.commands.technician.consent import add_commands as add_invite

    named = read_ticket_id(arguments.link.removeprefix(LINK).removesuffix("/"))
    if not arguments.link.startswith(LINK) or named is None:
        raise UsageError("this is no link to an invite", advice=f"It looks like {LINK}TICKET.")
    parser = argparse.ArgumentParser(prog="remote-assist")
    add_invite(parser.add_subparsers())
    invite = parser.parse_args(["invite", "--ticket", str(named)])
    return invite.run(invite)

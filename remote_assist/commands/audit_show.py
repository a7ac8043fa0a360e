"""`audit list` and `audit show`: what happened, for people."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict

from remote_assist.audit.own_chain import ChainReport
from remote_assist.audit.timeline import Opened, timeline
from remote_assist.audit.verify import Evidence
from remote_assist.commands.audit_fetch import Report, fetch, log_name, open_api, own_home, readable, verify_fetched
from remote_assist.commands.audit_trust import Unsealer, opened_of, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.core.api import SessionSummary
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record
from remote_assist.errors import Exit, VerificationError


async def list_sessions(arguments: argparse.Namespace) -> int:
    """Run `audit list`."""
    printer = Printer(arguments)
    async with open_api(arguments) as api:
        for one in await api.sessions():
            printer.object(one)
            if not printer.json:
                printer.value("session", one.id, _summary_words(one))
    return Exit.DONE


async def show_session(arguments: argparse.Namespace) -> int:
    """Run `audit show`."""
    printer, home = Printer(arguments), own_home()
    session = log_name(arguments.session)
    async with open_api(arguments) as api:
        trust = trust_of(arguments, home)
        fetched = await fetch(api, session, trust)
        fault: VerificationError | None = None
        names: dict[str, str] = {}
        try:
            report = await verify_fetched(api, fetched, trust, home, strict=arguments.strict)
            names = _names(report, fetched.records)
        except VerificationError as error:
            fault = error
    unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
    records = readable(fetched.records)
    opened = opened_of({one.seq: unsealer.disclose(one) for one in records}) if unsealer else {}
    _print_timeline(printer, records, opened, names)
    print_closed(printer, session, unsealer)
    if fault is not None:
        raise fault
    return Exit.DONE


def _names(report: Report, logged: Iterable[Evidence]) -> dict[str, str]:
    """Fingerprint → name: the certificate's key, and keys that act under its serial."""
    if isinstance(report, ChainReport):
        return {one.actor.key: report.owner for one in readable(logged) if one.actor.serial == report.serial}
    keys = {
        one.actor.key
        for one in readable(logged)
        if one.actor.kind == "technician" and one.actor.serial == report.certificate_serial
    }
    return dict.fromkeys(keys | {report.technician_key}, report.technician)


def _print_timeline(printer: Printer, records: list[Record], opened: Opened, names: dict[str, str]) -> None:
    for line in timeline(records, opened=opened, names=names):
        if printer.json:
            printer.object({**asdict(line), "name": CODES[line.code].name, "sealed": dict(line.sealed)})
        else:
            printer.value("line", line.text())


def print_closed(printer: Printer, session: str, unsealer: Unsealer | None) -> None:
    if unsealer is not None and unsealer.closed:
        printer.note(f"{session}: {unsealer.closed} sealed fields stay closed; their key was erased or is another's")


def _summary_words(one: SessionSummary) -> str:
    state = f"{one.state} ({one.end_reason})" if one.end_reason else one.state
    odd = f", {one.incomplete} without outcome" if one.incomplete else ""
    about = f"{one.technician}  {one.ticket} {one.subject}"
    return f"{one.id}  {one.opened[:16]}  {about}  {one.records} records{odd}  {state}"

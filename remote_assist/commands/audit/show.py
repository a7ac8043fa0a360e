"""`audit list` and `audit show`: what happened, for people."""

import argparse
from dataclasses import asdict

from remote_assist.audit.own_chain import ChainReport
from remote_assist.audit.review import Review, review_of
from remote_assist.audit.timeline import Opened, span_words, timeline
from remote_assist.commands.audit.fetch import (
    Fetched,
    Report,
    fetch,
    log_name,
    open_api,
    own_home,
    readable,
    verify_fetched,
)
from remote_assist.commands.audit.trust import Trust, Unsealer, opened_of, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.core.api import ChainSummary, SessionSummary
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record, record_hash
from remote_assist.errors import Exit, VerificationError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.home import Home

FILTERS = {
    "ticket": "of this ticket",
    "technician": "by a technician: a part of the name, or the key's fingerprint",
    "customer": "of a customer: a part of the ticket's texts or of who opened it",
    "machine": "on a machine: a part of its host key; for enrolled machines it stays the same",
    "action": "in which this was done: a record code, its name (`run`, `apply-fix`), or a catalog item",
    "outcome": "open, ended, refused (something was), incomplete (an intent without outcome), or the end's reason",
    "since": "opened at or after this time (RFC 3339 UTC, or its beginning: 2026-03-01)",
    "until": "opened before this time",
}


def add_filters(parser: argparse.ArgumentParser) -> None:
    """The filters of `audit list`."""
    for name, text in FILTERS.items():
        parser.add_argument(f"--{name}", default="", metavar=name.upper(), help=text)


async def list_sessions(arguments: argparse.Namespace) -> int:
    """Run `audit list`."""
    printer = Printer(arguments)
    wanted = {name: getattr(arguments, name) for name in FILTERS}
    catalog = "" if _is_action(wanted["action"]) else wanted.pop("action")
    async with open_api(arguments) as api:
        found = 0
        async for one in api.each_session(**wanted):
            if catalog and not await _uses(api, one.id, catalog):
                continue
            found += 1
            printer.object(one)
            if not printer.json:
                printer.value("session", one.id, _summary_words(one))
        if arguments.chains:
            for chain in await api.chains():
                printer.object(chain)
                if not printer.json:
                    printer.value("chain", chain.id, _chain_words(chain))
    if not found:
        printer.note("no session fits" if any(wanted.values()) or catalog else "there is no session yet")
    return Exit.DONE


def _is_action(text: str) -> bool:
    return not text or any(text in {code.code, code.name, code.family} for code in CODES.values())


async def _uses(api: RelayApi, session: str, catalog: str) -> bool:
    """Whether a session used a catalog item: the relay keeps no column of these, so its records are read."""
    async for page in api.record_pages(session):
        for record in readable(page.records):
            if catalog in {record.catalog, record.catalog.partition("@")[0]}:
                return True
    return False


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
            names = names_in(report, fetched)
        except VerificationError as error:
            fault = error
        reviews = await _reviews(api, trust, home, fetched)
    unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
    records = readable(fetched.records)
    opened = opened_of({one.seq: unsealer.disclose(one) for one in records}) if unsealer else {}
    _print_head(printer, fetched, fault)
    _print_timeline(printer, records, opened, names)
    for one in reviews:
        printer.line(f"signed off: {one.meaning} by {one.name} at {one.time}{f', {one.note}' if one.note else ''}")
        printer.object({"review": asdict(one)})
    print_closed(printer, session, unsealer)
    if fault is not None:
        raise fault
    return Exit.DONE


async def _reviews(api: RelayApi, trust: Trust, home: Home, fetched: Fetched) -> list[Review]:
    """Sign-offs of a session in reviewers' own chains that hold; only reviewers may read those."""
    if home.identity().role != "reviewer" or not fetched.records or isinstance(fetched.summary, ChainSummary):
        return []
    head = record_hash(fetched.records[-1].record)
    found = []
    for chain in await api.chains():
        if chain.role != "reviewer":
            continue
        kept = await fetch(api, chain.id, trust, chain, fetched.checkpoint)
        try:
            report = await verify_fetched(api, kept, trust, home, strict=False)
        except VerificationError:
            continue  # `audit verify` names it; nothing in it counts
        assert isinstance(report, ChainReport)
        found += [review_of(one, report.owner) for one in readable(kept.records) if one.about == fetched.summary.id]
    return [one for one in found if one is not None and one.head == head]


def names_in(report: Report, fetched: Fetched) -> dict[str, str]:
    """Fingerprint → name: the certificate's key, and keys that act under its serial."""
    if isinstance(report, ChainReport):
        return {one.actor.key: report.owner for one in readable(fetched.records) if one.actor.serial == report.serial}
    keys = {
        one.actor.key
        for one in readable(fetched.records)
        if one.actor.kind == "technician" and one.actor.serial == report.certificate_serial
    }
    return {**dict.fromkeys(keys, report.technician), **report.names}


def _print_head(printer: Printer, fetched: Fetched, fault: VerificationError | None) -> None:
    """Who helped whom with what, for how long, and whether the log of it holds. For people only."""
    one = fetched.summary
    state = "it does NOT hold" if fault else "verified"
    if isinstance(one, ChainSummary):
        printer.line(f"{one.id}: records of {one.owner}, {one.role}; {one.records} records, {state}")
        return
    printer.line(f"{one.id}: ticket {one.ticket}, {one.subject}")
    printer.line(
        f"technician {one.technician} with the customer; {_summary_state(one)}; {one.records} records, {state}"
    )


def _summary_state(one: SessionSummary) -> str:
    if not one.ended:
        return f"from {one.opened[:16].replace('T', ' ')}, {one.state}"
    return f"from {one.opened[:16].replace('T', ' ')}, {span_words(one.opened, one.ended)}, ended: {one.end_reason}"


def _print_timeline(printer: Printer, records: list[Record], opened: Opened, names: dict[str, str]) -> None:
    for line in timeline(records, opened=opened, names=names):
        if printer.json:
            printer.object({**asdict(line), "name": CODES[line.code].name, "sealed": dict(line.sealed)})
        else:
            printer.value("line", line.text(durations=True))


def print_closed(printer: Printer, session: str, unsealer: Unsealer | None) -> None:
    """Say that some of what was sealed could not be opened."""
    if unsealer is not None and unsealer.closed:
        printer.note(f"{session}: {unsealer.closed} sealed fields stay closed; their key was erased or is another's")


def _chain_words(chain: ChainSummary) -> str:
    return f"{chain.id}  {chain.opened[:16]}  {chain.owner}, {chain.role}  {chain.records} records"


def _summary_words(one: SessionSummary) -> str:
    state = f"{one.state} ({one.end_reason})" if one.end_reason else one.state
    odd = f", {one.incomplete} without outcome" if one.incomplete else ""
    about = f"{one.technician}  {one.ticket} {one.subject}"
    state += f", {span_words(one.opened, one.ended)}" if one.ended else ""
    return f"{one.id}  {one.opened[:16]}  {about}  {one.records} records{odd}  {state}"

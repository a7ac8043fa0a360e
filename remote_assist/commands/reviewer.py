"""`audit`: list, show, verify and export sessions. Parses and prints; what holds is decided in `audit/`."""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from remote_assist.audit.export import (
    ExportWriter,
    Header,
    RecordLine,
    check_disclosures,
    proof_of_line,
    read_export,
    read_trailer,
)
from remote_assist.audit.inclusion import check_included
from remote_assist.audit.receipt import MAX_RECEIPT_BYTES, read_receipt, verify_receipt
from remote_assist.audit.timeline import Opened, timeline
from remote_assist.audit.verify import Evidence, SessionReport, verify_session
from remote_assist.commands.audit_trust import Trust, Unsealer, add_trust_options, opened_of, trust_of, witnesses_of
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.relay_options import add_relay_options, proxy_url, relay_origins
from remote_assist.core.api import LoggedRecord, SessionSummary
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.codes import is_session_id
from remote_assist.core.messages import Wrap
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record, decode_record
from remote_assist.errors import AssistError, ContentError, Exit, RemoteProtocolError, UsageError, VerificationError
from remote_assist.technician.api import RelayApi, safe_addresses
from remote_assist.technician.home import Home, default_home

FORMATS = ("jsonl",)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A session as the relay hands it out. `proofs` stand beside the records, for the tree of `checkpoint`."""

    summary: SessionSummary
    records: list[LoggedRecord]
    wraps: list[Wrap]
    proofs: list[tuple[bytes, ...]]
    checkpoint: Checkpoint | None


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `audit` and what it can do."""
    audit = verbs.add_parser("audit", help="list, show, verify and export sessions")
    acts = audit.add_subparsers(metavar="list|show|verify|export", required=True)
    listing = _act(acts, "list", _list, "sessions you may see: a reviewer all, a technician their own")
    add_output_options(listing)
    show = _act(acts, "show", _show, "what happened, line by line")
    show.add_argument("session", metavar="SESSION")
    show.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key; without it sealed fields stay so")
    verify = _act(acts, "verify", _verify, "check signatures, chain and acknowledgements; without argument: all")
    verify.add_argument("what", nargs="?", metavar="SESSION|FILE", help="a session, an export or a receipt")
    export = _act(acts, "export", _export, "sessions as lines that verify elsewhere; without argument: all")
    export.add_argument("session", nargs="?", metavar="SESSION")
    export.add_argument("--format", choices=FORMATS, default="jsonl")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file; else standard output")
    export.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key: add what was sealed, with proof")
    for parser in (show, verify, export):
        add_trust_options(parser)
        add_output_options(parser)


async def _list(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with _api(arguments) as api:
        for one in await api.sessions():
            printer.object(one)
            if not printer.json:
                printer.value("session", one.id, _summary_words(one))
    return Exit.DONE


async def _show(arguments: argparse.Namespace) -> int:
    printer, home = Printer(arguments), _home()
    session = _session_name(arguments.session)
    async with _api(arguments) as api:
        trust = trust_of(arguments, home)
        fetched = await _fetch(api, session, trust)
        fault: VerificationError | None = None
        names: dict[str, str] = {}
        try:
            report = await _verify_fetched(api, fetched, trust, home, strict=arguments.strict)
            names = _names(report, fetched.records)
        except VerificationError as error:
            fault = error
    unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
    records = _readable(fetched.records)
    opened = opened_of({one.seq: unsealer.disclose(one) for one in records}) if unsealer else {}
    _print_timeline(printer, records, opened, names)
    _print_closed(printer, session, unsealer)
    if fault is not None:
        raise fault
    return Exit.DONE


async def _verify(arguments: argparse.Namespace) -> int:
    printer, home = Printer(arguments), _home()
    trust = trust_of(arguments, home)
    if arguments.what == "":
        raise _empty_session()
    if arguments.what is not None and not is_session_id(arguments.what):
        return _verify_file(Path(arguments.what), trust, home, printer, strict=arguments.strict)
    async with _api(arguments) as api:
        wanted = await _wanted(api, arguments.what)
        failures = 0
        for summary in wanted:
            try:
                fetched = await _fetch(api, summary.id, trust, summary)
                report = await _verify_fetched(api, fetched, trust, home, strict=arguments.strict)
            except VerificationError as error:
                if arguments.what is not None:
                    raise
                failures += 1
                _print_failure(printer, summary.id, error)
            else:
                _print_report(printer, report)
    return Exit.UNVERIFIED if failures else Exit.DONE


async def _export(arguments: argparse.Namespace) -> int:
    printer, home = Printer(arguments), _home()
    trust = trust_of(arguments, home)
    failures: list[VerificationError] = []
    session = None if arguments.session is None else _session_name(arguments.session)
    async with _api(arguments) as api:
        wanted = await _wanted(api, session)
        checkpoint = await _checkpoint(api, trust)
        with _output(arguments.output) as file:
            writer = ExportWriter(checkpoint.note if checkpoint else "")
            file.write(writer.header(origin=api.origin, lists=await api.lists(), now=datetime.now(UTC)))
            async for fetched in _each(api, wanted, trust, checkpoint):
                unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
                for logged, proof in zip(fetched.records, fetched.proofs, strict=True):
                    disclosed = unsealer.disclose_stored(logged.record) if unsealer else {}
                    file.write(writer.record(logged, disclosed, proof))
                _print_closed(printer, fetched.summary.id, unsealer)
                try:
                    await _verify_fetched(api, fetched, trust, home, strict=arguments.strict)
                except VerificationError as error:
                    failures.append(error)
            file.write(writer.trailer())
            file.flush()
    for failure in failures:
        printer.note(f"exported, but it does not hold: {failure.message}")
    return Exit.UNVERIFIED if failures else Exit.DONE


def _verify_file(path: Path, trust: Trust, home: Home, printer: Printer, *, strict: bool) -> int:
    try:
        with path.open("rb") as file:
            first = file.readline()
            file.seek(0)
            if first.strip() == b"{":
                _print_report(printer, _verify_receipt(file, trust, strict=strict))
            else:
                for report in _verify_export(file, trust, home, printer, strict=strict):
                    _print_report(printer, report)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", advice="Name a session (s-…), an export or a receipt."
        ) from error
    return Exit.DONE


def _verify_receipt(file: BinaryIO, trust: Trust, *, strict: bool) -> SessionReport:
    receipt = read_receipt(file.read(MAX_RECEIPT_BYTES + 1))
    return verify_receipt(receipt, log_keys=trust.log_keys, ca_line=trust.ca_line, strict=strict)


def _verify_export(
    file: BinaryIO, trust: Trust, home: Home, printer: Printer, *, strict: bool
) -> Iterator[SessionReport]:
    note = read_trailer(file).checkpoint
    log_keys, checkpoint = trust.log_keys, None
    for part in read_export(file):
        if isinstance(part, Header):
            log_keys = trust.with_lists(part.lists)
            checkpoint = open_checkpoint(note, log_keys) if note and log_keys else None
            if not note:
                printer.note("this export carries no checkpoint: nothing ties its records to the whole log")
            continue
        for line in part:
            check_disclosures(line)
        session = decode_record(part[0].record).session
        report = verify_session(
            part,
            log_keys=log_keys,
            ca_line=trust.ca_line,
            strict=strict,
            session=session,
            witnesses=witnesses_of(home, session),
        )
        _check_proofs(part, checkpoint, printer)
        yield report


def _check_proofs(lines: list[RecordLine], checkpoint: Checkpoint | None, printer: Printer) -> None:
    if checkpoint is None:
        if any(line.proof for line in lines):
            raise VerificationError("the export has inclusion proofs, but no checkpoint", where="trailer")
        return
    newer = check_included([(line.acknowledgement, proof_of_line(line)) for line in lines], checkpoint)
    if newer:
        printer.note(f"{lines[0].acknowledgement.session}: {newer} records are newer than the export's checkpoint")


async def _verify_fetched(api: RelayApi, fetched: Fetched, trust: Trust, home: Home, *, strict: bool) -> SessionReport:
    report = verify_session(
        fetched.records,
        log_keys=trust.with_lists(await api.lists()) if trust.ca_line else trust.log_keys,
        ca_line=trust.ca_line,
        strict=strict,
        session=fetched.summary.id,
        must_have_ended=fetched.summary.state == "ended",
        witnesses=witnesses_of(home, fetched.summary.id),
    )
    if fetched.checkpoint is not None:
        acknowledgements = [logged.acknowledgement for logged in fetched.records]
        check_included(zip(acknowledgements, fetched.proofs, strict=True), fetched.checkpoint)
    return report


async def _checkpoint(api: RelayApi, trust: Trust) -> Checkpoint | None:
    """The log's checkpoint, signed by a key that is vouched for; None when there is no such key."""
    log_keys = trust.with_lists(await api.lists()) if trust.ca_line else trust.log_keys
    return open_checkpoint(await api.checkpoint(), log_keys) if log_keys else None


async def _each(
    api: RelayApi, wanted: Iterable[SessionSummary], trust: Trust, checkpoint: Checkpoint | None
) -> AsyncIterator[Fetched]:
    for summary in wanted:
        yield await _fetch(api, summary.id, trust, summary, checkpoint)


async def _fetch(
    api: RelayApi,
    session: str,
    trust: Trust,
    summary: SessionSummary | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fetched:
    known = summary or await api.session(session)
    checkpoint = checkpoint or await _checkpoint(api, trust)
    records: list[LoggedRecord] = []
    wraps: list[Wrap] = []
    proofs: list[tuple[bytes, ...]] = []
    async for page in api.record_pages(session, checkpoint.size if checkpoint else 0):
        records.extend(page.records)
        wraps.extend(wrap for wrap in page.wraps if wrap not in wraps)
        proofs.extend(page.proofs or [()] * len(page.records))
    return Fetched(known, records, wraps, proofs, checkpoint)


async def _wanted(api: RelayApi, session: str | None) -> tuple[SessionSummary, ...]:
    return await api.sessions() if session is None else (await api.session(session),)


def _readable(logged: Iterable[Evidence]) -> list[Record]:
    """Records that can be read; what cannot is named by verification."""
    found = []
    for one in logged:
        try:
            found.append(decode_record(one.record))
        except RemoteProtocolError:
            continue
    return found


def _names(report: SessionReport, logged: Iterable[Evidence]) -> dict[str, str]:
    """Fingerprint → name: the certificate's key, and keys that act under its serial."""
    keys = {
        one.actor.key
        for one in _readable(logged)
        if one.actor.kind == "technician" and one.actor.serial == report.certificate_serial
    }
    return dict.fromkeys(keys | {report.technician_key}, report.technician)


def _print_timeline(printer: Printer, records: list[Record], opened: Opened, names: dict[str, str]) -> None:
    for line in timeline(records, opened=opened, names=names):
        if printer.json:
            printer.object({**asdict(line), "name": CODES[line.code].name, "sealed": dict(line.sealed)})
        else:
            printer.value("line", line.text())


def _print_closed(printer: Printer, session: str, unsealer: Unsealer | None) -> None:
    if unsealer is not None and unsealer.closed:
        printer.note(f"{session}: {unsealer.closed} sealed fields stay closed; their key was erased or is another's")


def _print_report(printer: Printer, report: SessionReport) -> None:
    if printer.json:
        printer.object({"verified": True, "state": report.state, **asdict(report)})
    else:
        printer.value("session", report.session, _report_words(report))
    if not report.ca_checked:
        printer.note(f"{report.session}: nobody here vouches for the technician's CA ({report.ca_fingerprint})")
    if report.unacknowledged:
        printer.note(f"{report.session}: the relay has not acknowledged the last {report.unacknowledged} records")
    for remark in (*report.incomplete, *report.notes):
        printer.note(remark)


def _print_failure(printer: Printer, session: str, error: VerificationError) -> None:
    printer.object({"verified": False, "session": session, "error": error.message, "where": error.where})
    printer.note(error.message)


def _report_words(report: SessionReport) -> str:
    leaves = f"leaves {report.first_index} to {report.last_index}" if report.last_index >= 0 else "no acknowledgement"
    return (
        f"{report.session}  verified: {report.records} records, {report.state}, {leaves}; "
        f"{report.technician}, ticket {report.ticket}"
    )


def _summary_words(one: SessionSummary) -> str:
    state = f"{one.state} ({one.end_reason})" if one.end_reason else one.state
    odd = f", {one.incomplete} without outcome" if one.incomplete else ""
    about = f"{one.technician}  {one.ticket} {one.subject}"
    return f"{one.id}  {one.opened[:16]}  {about}  {one.records} records{odd}  {state}"


def _session_name(text: str) -> str:
    if not text:
        raise _empty_session()
    if not is_session_id(text):
        raise UsageError(f"'{text}' is not a session", advice="`remote-assist audit list` shows them.")
    return text


def _empty_session() -> UsageError:
    return UsageError("the SESSION is empty", advice="`remote-assist audit list` shows them.")


@contextmanager
def _output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a new file only its owner may read, complete or not there at all."""
    if path is None:
        yield sys.stdout.buffer
        return
    beside = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ContentError(f"{path} cannot be written: {error.strerror or error}") from error
    except AssistError:
        beside.unlink(missing_ok=True)
        raise


def _act(
    acts: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, text: str
) -> argparse.ArgumentParser:
    parser = acts.add_parser(name, help=text, description=text)
    add_relay_options(parser, otherwise=", else the login's")
    parser.set_defaults(run=run)
    return parser


def _home() -> Home:
    return Home(default_home(os.environ))


def _api(arguments: argparse.Namespace) -> RelayApi:
    home = _home()
    addresses = safe_addresses(relay_origins(arguments, os.environ) or home.identity().relays)
    return RelayApi(addresses, token=home.token().token, tls_ca_file=arguments.ca_file, proxy_url=proxy_url(arguments))

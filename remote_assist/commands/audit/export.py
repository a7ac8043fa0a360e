"""`audit export`: sessions and other chains as lines that verify elsewhere (jsonl), or for a SIEM (ocsf, cef)."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from remote_assist.audit.cef import cef_line
from remote_assist.audit.export import ExportWriter
from remote_assist.audit.ocsf import ocsf_line
from remote_assist.audit.siem_event import SiemEvent, context_of, event_of
from remote_assist.audit.verify import SessionReport
from remote_assist.commands.audit.fetch import (
    Fetched,
    Report,
    current_checkpoint,
    each,
    log_name,
    open_api,
    output,
    own_home,
    readable,
    verify_fetched,
    wanted_logs,
)
from remote_assist.commands.audit.kept import export_kept
from remote_assist.commands.audit.show import print_closed
from remote_assist.commands.audit.trust import Trust, Unsealer, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.errors import Exit, RemoteProtocolError, UsageError, VerificationError
from remote_assist.technician.api import RelayApi

JSONL = "jsonl"
SIEM: dict[str, Callable[[SiemEvent], bytes]] = {
    "ocsf": ocsf_line,
    "cef": lambda event: cef_line(event).encode() + b"\n",
}
KEPT_FORMATS = ("cast", "kept")
"""What is kept beside the records: a recording for players, or anything as it was."""

FORMATS = (JSONL, *SIEM, *KEPT_FORMATS)


async def export_sessions(arguments: argparse.Namespace) -> int:
    """Run `audit export`."""
    if arguments.format in KEPT_FORMATS:
        return await export_kept(arguments)
    printer = Printer(arguments)
    if arguments.unseal is not None and arguments.format != JSONL:
        raise UsageError("what was sealed does not go to a SIEM", advice="Use --format jsonl with --unseal.")
    trust = trust_of(arguments, own_home())
    name = None if arguments.session is None else log_name(arguments.session)
    async with open_api(arguments) as api:
        checkpoint = await current_checkpoint(api, trust)
        with output(arguments.output) as file:
            write = _jsonl if arguments.format == JSONL else _siem
            failures = await write(arguments, api, trust, checkpoint, name, file, printer)
            file.flush()
    for failure in failures:
        printer.note(f"exported, but it does not hold: {failure.message}")
    return Exit.UNVERIFIED if failures else Exit.DONE


async def _jsonl(
    arguments: argparse.Namespace,
    api: RelayApi,
    trust: Trust,
    checkpoint: Checkpoint | None,
    name: str | None,
    file: BinaryIO,
    printer: Printer,
) -> list[VerificationError]:
    failures = []
    writer = ExportWriter(checkpoint.note if checkpoint else "")
    file.write(writer.header(origin=api.origin, lists=await api.lists(), now=datetime.now(UTC)))
    async for fetched in each(api, await wanted_logs(api, name), trust, checkpoint):
        unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
        for logged, proof in zip(fetched.records, fetched.proofs, strict=True):
            disclosed = unsealer.disclose_stored(logged.record) if unsealer else {}
            file.write(writer.record(logged, disclosed, proof))
        print_closed(printer, fetched.summary.id, unsealer)
        try:
            await verify_fetched(api, fetched, trust, own_home(), strict=arguments.strict)
        except VerificationError as error:
            failures.append(error)
    file.write(writer.trailer())
    return failures


async def _siem(
    arguments: argparse.Namespace,
    api: RelayApi,
    trust: Trust,
    checkpoint: Checkpoint | None,
    name: str | None,
    file: BinaryIO,
    printer: Printer,
) -> list[VerificationError]:
    failures = []
    line = SIEM[arguments.format]
    async for fetched in each(api, await wanted_logs(api, name), trust, checkpoint):
        report: Report | None = None
        try:
            report = await verify_fetched(api, fetched, trust, own_home(), strict=arguments.strict)
        except VerificationError as error:
            failures.append(error)
        for event in _events(fetched, checkpoint.origin if checkpoint else "", report, failures):
            file.write(line(event))
    return failures


def _events(fetched: Fetched, log: str, report: Report | None, failures: list[VerificationError]) -> list[SiemEvent]:
    """The events of one chain; a record that cannot be read is named, the rest goes out all the same."""
    readable_ones = readable(fetched.records)
    if not readable_ones:
        return []
    who = {}
    if isinstance(report, SessionReport):
        who = {"technician": report.technician, "technician_key": report.technician_key}
    context, events = context_of(readable_ones[0], log, **who), []
    for one in fetched.records:
        try:
            events.append(event_of(one.record, one.acknowledgement, context))
        except RemoteProtocolError as error:
            failures.append(VerificationError(error.message, where=fetched.summary.id))
    return events

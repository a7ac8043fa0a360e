"""`audit verify`: sessions, other chains, exports, receipts, notes of tickets; what holds is decided in `audit/`."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from remote_assist.audit.export import (
    Header,
    RecordLine,
    check_disclosures,
    proof_of_line,
    read_bare,
    read_export,
    read_trailer,
)
from remote_assist.audit.inclusion import check_included
from remote_assist.audit.own_chain import ChainReport, verify_chain
from remote_assist.audit.receipt import MAX_RECEIPT_BYTES, read_receipt, verify_receipt
from remote_assist.audit.session_proof import (
    MAX_TEXT_BYTES,
    SessionProof,
    holds_proof,
    verify_session_proof,
)
from remote_assist.audit.verify import SessionReport, verify_session
from remote_assist.audit.whole_verify import WholeCheck, WholeReport
from remote_assist.commands.audit.anchors import check_anchors
from remote_assist.commands.audit.fetch import (
    Report,
    current_checkpoint,
    empty_session,
    fetch,
    is_log_name,
    open_api,
    own_home,
    verify_fetched,
    wanted_logs,
)
from remote_assist.commands.audit.trust import Trust, trust_of, witnesses_of
from remote_assist.commands.printing import Printer
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.organisation import RELAY, is_chain_id
from remote_assist.core.records import decode_record
from remote_assist.core.signing.cosignature import check_cosigned
from remote_assist.errors import Exit, UsageError, VerificationError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.home import Home


async def verify_log(arguments: argparse.Namespace) -> int:
    """Run `audit verify`."""
    printer, home = Printer(arguments), own_home()
    trust = trust_of(arguments, home)
    if arguments.what == "":
        raise empty_session()
    if arguments.what is not None and not is_log_name(arguments.what):
        return _verify_file(Path(arguments.what), trust, home, printer, whole=arguments.whole)
    async with open_api(arguments) as api:
        wanted = await wanted_logs(api, arguments.what)
        failures, cosigners = 0, set[str]()
        for summary in wanted:
            try:
                fetched = await fetch(api, summary.id, trust, summary)
                report = await verify_fetched(api, fetched, trust, home, strict=arguments.strict)
            except VerificationError as error:
                if arguments.what is not None:
                    raise
                failures += 1
                print_failure(printer, summary.id, error)
            else:
                print_report(printer, report)
                cosigners.update(fetched.checkpoint.cosigners if fetched.checkpoint else ())
        for name in sorted(cosigners):
            printer.note(f"the checkpoint is cosigned by {name}")
        if arguments.what is None and not await _anchors_hold(api, trust, printer, arguments.timestamp_ca):
            failures += 1
    return Exit.UNVERIFIED if failures else Exit.DONE


async def _anchors_hold(api: RelayApi, trust: Trust, printer: Printer, timestamp_ca: Path | None) -> bool:
    """Whether what witnesses outside have is a beginning of this log; without a log key nothing is said."""
    current = await current_checkpoint(api, trust)
    try:
        if current is not None:
            await check_anchors(api, trust, current, printer, timestamp_ca)
    except VerificationError as error:
        print_failure(printer, "anchors", error)
        return False
    return True


def _verify_file(path: Path, trust: Trust, home: Home, printer: Printer, *, whole: bool) -> int:
    try:
        with path.open("rb") as file:
            first = file.readline()
            file.seek(0)
            if whole:
                _print_whole(printer, _verify_whole(file, trust))
            elif not first.startswith(b"{") and holds_proof(note := _note_in(file)):
                _print_proof(printer, *_verify_note(note, trust))
            elif first.strip() == b"{":
                print_report(printer, _verify_receipt(file, trust))
            else:
                for report in _verify_export(file, trust, home, printer):
                    print_report(printer, report)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", advice="Name a session (s-…), an export or a receipt."
        ) from error
    return Exit.DONE


def _verify_whole(file: BinaryIO, trust: Trust) -> WholeReport:
    """An export of the whole log, by its hashes: docs/audit-format.md 5a."""
    trailer = read_trailer(file)
    header = next(read_export(file))
    assert isinstance(header, Header)
    log_keys = trust.with_lists(header.lists)
    check = WholeCheck(trust.open_checkpoint(trailer.checkpoint, log_keys))
    file.seek(0)
    for line in read_bare(file):
        check.take(line.record, line.head, line.time, line.index)
    return check.finish(log_keys=log_keys, ca_line=trust.ca_line)


def _print_whole(printer: Printer, report: WholeReport) -> None:
    printer.object({"verified": True, **asdict(report)})
    if not printer.json:
        words = f"verified as a whole: {report.records} records in {report.chains} sessions and other chains"
        printer.value("records", report.records, words)


def _note_in(file: BinaryIO) -> str:
    text = file.read(MAX_TEXT_BYTES).decode("utf-8", "replace")
    file.seek(0)
    return text


def _verify_note(text: str, trust: Trust) -> tuple[SessionProof, Checkpoint]:
    """A ticket's note with a session's proof in it."""
    if not trust.log_keys:
        raise UsageError("a note is checked with the log's public key", advice="Give it with --log-key KEY.pub.")
    proof, checkpoint = verify_session_proof(text, trust.log_keys)
    if trust.strict:
        check_cosigned(checkpoint.origin, checkpoint.cosigners, trust.log_keys, where="checkpoint")
    return proof, checkpoint


def _print_proof(printer: Printer, proof: SessionProof, checkpoint: Checkpoint) -> None:
    first, last, session = proof.first, proof.last, proof.last.session
    said = {"session": session, "records": last.seq + 1, "first_index": first.index, "last_index": last.index}
    said |= {"head": last.hash, "time": last.time, "log": checkpoint.origin, "size": checkpoint.size}
    printer.object({"verified": True, **said, "root": checkpoint.head.root.hex()})
    if not printer.json:
        words = f"verified: {last.seq + 1} records, leaves {first.index} to {last.index}, ended {last.time}"
        printer.value("session", session, f"{session}  {words}; in the log of {checkpoint.size} records")


def _verify_receipt(file: BinaryIO, trust: Trust) -> SessionReport:
    receipt = read_receipt(file.read(MAX_RECEIPT_BYTES + 1))
    return verify_receipt(receipt, log_keys=trust.log_keys, ca_line=trust.ca_line, strict=trust.strict)


def _verify_export(file: BinaryIO, trust: Trust, home: Home, printer: Printer) -> Iterator[Report]:
    note = read_trailer(file).checkpoint
    log_keys, checkpoint = trust.log_keys, None
    for part in read_export(file):
        if isinstance(part, Header):
            log_keys = trust.with_lists(part.lists)
            checkpoint = trust.open_checkpoint(note, log_keys) if note and log_keys else None
            if not note:
                printer.note("this export carries no checkpoint: nothing ties its records to the whole log")
            continue
        for line in part:
            check_disclosures(line)
        session = decode_record(part[0].record).session
        report: Report
        if is_chain_id(session):
            report = verify_chain(part, log_keys=log_keys, ca_line=trust.ca_line, strict=trust.strict, chain=session)
        else:
            report = verify_session(
                part,
                log_keys=log_keys,
                ca_line=trust.ca_line,
                strict=trust.strict,
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


def print_report(printer: Printer, report: Report) -> None:
    """What a log that holds proves, with what is odd about it."""
    if isinstance(report, ChainReport):
        _print_chain(printer, report)
        return
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


def _print_chain(printer: Printer, report: ChainReport) -> None:
    if printer.json:
        printer.object({"verified": True, **asdict(report)})
    else:
        whose = "the relay's own records" if report.role == RELAY else f"{report.owner}, {report.role}"
        leaves = f"leaves {report.first_index} to {report.last_index}"
        printer.value("chain", report.chain, f"{report.chain}  verified: {report.records} records, {leaves}; {whose}")
    if not report.ca_checked:
        printer.note(f"{report.chain}: nobody here vouches for the owner's CA ({report.ca_fingerprint})")


def print_failure(printer: Printer, session: str, error: VerificationError) -> None:
    """What does not hold, and where."""
    printer.object({"verified": False, "session": session, "error": error.message, "where": error.where})
    printer.note(error.message)


def _report_words(report: SessionReport) -> str:
    leaves = f"leaves {report.first_index} to {report.last_index}" if report.last_index >= 0 else "no acknowledgement"
    return (
        f"{report.session}  verified: {report.records} records, {report.state}, {leaves}; "
        f"{report.technician}, ticket {report.ticket}"
    )

"""`audit anchors`: checkpoints that witnesses outside have, checked against the log; `-o` writes them for other tools.

openssl ts -verify -data NAME-SIZE.note -in NAME-SIZE.tsr -CAfile TSA-CA.pem
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from remote_assist.audit.anchored import (
    TIME_STAMPED,
    AnchoringReport,
    Authorities,
    anchoring_records,
    check_anchoring,
    check_none_missing,
)
from remote_assist.audit.timestamp import read_authorities
from remote_assist.commands.audit.fetch import current_checkpoint, fetch, open_api, own_home, verify_fetched
from remote_assist.commands.audit.trust import Trust, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.core.api import Anchoring
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.organisation import RELAY
from remote_assist.core.records import Record
from remote_assist.errors import ContentError, Exit, UsageError, VerificationError
from remote_assist.technician.api import RelayApi


def add_anchor_options(parser: argparse.ArgumentParser) -> None:
    """What time-stamps are checked against."""
    parser.add_argument(
        "--timestamp-ca", type=Path, metavar="PEM", help="certificates of the time-stamping authorities you trust"
    )


async def list_anchors(arguments: argparse.Namespace) -> int:
    """Run `audit anchors`."""
    printer = Printer(arguments)
    trust = trust_of(arguments, own_home())
    async with open_api(arguments) as api:
        current = await current_checkpoint(api, trust)
        if current is None:
            raise UsageError("anchors are checked with the log's key", advice="Give --log-key KEY.pub or --ca CA.pub.")
        if arguments.output is not None:
            _make(arguments.output)
        count = await check_anchors(api, trust, current, printer, arguments.timestamp_ca, arguments.output)
    if not count:
        printer.note("no checkpoint was given to a witness yet")
    return Exit.DONE


async def check_anchors(
    api: RelayApi,
    trust: Trust,
    current: Checkpoint,
    printer: Printer,
    timestamp_ca: Path | None,
    output: Path | None = None,
) -> int:
    """Check and print every anchoring; answer how many there are. Raises VerificationError."""
    authorities: Authorities = read_authorities(timestamp_ca) if timestamp_ca is not None else ()
    log_keys = trust.with_lists(await api.lists()) if trust.ca_line else trust.log_keys
    recorded = await _recorded(api, trust, current)
    anchorings = [one async for one in api.anchorings() if one.record < current.size]
    if recorded is not None:
        check_none_missing(anchorings, recorded)
    for one in anchorings:
        if one.size > current.size:
            raise VerificationError(f"anchor {one.anchor}: it has more records than the log", where=one.anchor)
        proof = await api.consistency(one.size, current.size)
        record = recorded.get(one.record) if recorded is not None else None
        report = check_anchoring(one, current, proof, log_keys=log_keys, record=record, authorities=authorities)
        _print(printer, report)
        if output is not None:
            _save(output, one)
    return len(anchorings)


async def _recorded(api: RelayApi, trust: Trust, current: Checkpoint) -> dict[int, Record] | None:
    """The relay's own records about anchorings, verified; None for somebody who may not read them."""
    home = own_home()
    if home.identity().role == "technician":
        return None
    for summary in await api.chains():
        if summary.role == RELAY:
            fetched = await fetch(api, summary.id, trust, summary, current)
            await verify_fetched(api, fetched, trust, home, strict=False)
            within = [one for one in fetched.records if one.acknowledgement.index < current.size]
            return anchoring_records(within)
    return {}


def _print(printer: Printer, report: AnchoringReport) -> None:
    printer.object({"verified": True, **asdict(report)})
    if printer.json:
        return
    words = f"anchor {report.anchor}: {report.receiver} has the first {report.size} records since {report.time}"
    if report.stamped:
        words += f"; time-stamped {report.stamped} by {report.authority}"
    elif report.kind == TIME_STAMPED:
        words += "; its time-stamp was not checked (--timestamp-ca)"
    printer.value("anchor", report.anchor, words)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ContentError(f"{folder} cannot be made: {error.strerror}") from error


def _save(folder: Path, one: Anchoring) -> None:
    """The note and what the witness answered, under names of ours."""
    place = folder / f"anchor-{one.record}-{one.size}"
    try:
        place.with_suffix(".note").write_text(one.checkpoint)
        place.with_suffix(".tsr" if one.kind == TIME_STAMPED else ".receipt").write_bytes(one.receipt)
    except OSError as error:
        raise ContentError(f"{place} cannot be written: {error.strerror}") from error

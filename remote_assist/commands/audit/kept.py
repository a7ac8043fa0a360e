"""What is kept of a session beside its records: listing, reading and exporting recordings, bundles and files.

    log (verified) ─▶ kept_in ─▶ each chunk: fetched, its hash checked, opened, its digest checked ─▶ content

Rule: a chunk that is missing or damaged is named, the others are still read, and the exit code says 5.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from remote_assist.commands.audit.fetch import (
    Fetched,
    fetch,
    log_name,
    open_api,
    output,
    own_home,
    readable,
    verify_fetched,
)
from remote_assist.commands.audit.trust import Unsealer, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.core.log.asciicast import MARKER, Event, Header, event_line, header_line
from remote_assist.core.log.chunk import open_chunk
from remote_assist.core.log.kept import RECORDING, Kept, kept_in
from remote_assist.core.records import Record
from remote_assist.errors import Exit, RefusedError, UsageError, VerificationError
from remote_assist.technician.api import RelayApi


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk's content, or why there is none (`fault`). `seconds`: of a recording, when the fault is shown."""

    number: int
    content: bytes
    fault: str = ""


class KeptReader:
    """Reads what one session keeps. `faults` are what did not hold so far, the log itself included."""

    def __init__(self, api: RelayApi, fetched: Fetched, unsealer: Unsealer | None) -> None:
        self._api = api
        self._unsealer = unsealer
        self._session = fetched.summary.id
        self.kept = kept_in(readable(fetched.records))
        self.faults: list[str] = []

    @classmethod
    async def of(cls, api: RelayApi, arguments: argparse.Namespace, session: str) -> "KeptReader":
        """Fetch and verify a session's log. A log that does not hold is a fault; reading goes on."""
        home = own_home()
        trust = trust_of(arguments, home)
        fetched = await fetch(api, session, trust)
        reader = cls(api, fetched, Unsealer.of(arguments.unseal, fetched.wraps))
        try:
            await verify_fetched(api, fetched, trust, home, strict=arguments.strict)
        except VerificationError as error:
            reader.faults.append(error.message)
        return reader

    def named(self, name: str, kind: str = "") -> Kept:
        """The one that is named, or the only one there is of a kind. Raises UsageError."""
        fitting = [kept for kept in self.kept if (not name or kept.name == name) and (not kind or kept.kind == kind)]
        if len(fitting) == 1:
            return fitting[0]
        advice = f"`remote-assist audit recordings {self._session}` lists what there is."
        if not fitting:
            raise UsageError(f"session {self._session} keeps no {kind or 'such thing'} {name}".rstrip(), advice=advice)
        raise UsageError(f"session {self._session} keeps {len(fitting)} of them; name one by --action", advice=advice)

    async def pieces(self, kept: Kept) -> AsyncIterator[Piece]:
        """All chunks in order, checked and opened; what does not hold comes as a fault."""
        count = max(kept.chunks, default=-1) + 1 if kept.count is None else kept.count
        for number in range(count):
            record = kept.chunks.get(number)
            try:
                if record is None:
                    raise VerificationError(f"chunk {number} of {kept.name} has no record", where=kept.name)
                yield Piece(number, await self._open(record))
            except VerificationError as error:
                self.faults.append(error.message)
                yield Piece(number, b"", error.message)

    async def _open(self, record: Record) -> bytes:
        if self._unsealer is None:
            raise RefusedError(
                "what is kept is sealed for the reviewers",
                reason="sealed",
                advice="Name a reviewers' key: --unseal KEY",
            )
        key = self._unsealer.key_of(record)
        if key is None:
            raise VerificationError(f"chunk of {record.recording}: its key was erased or is another's", where="unseal")
        try:
            stored = await self._api.chunk(record.session, record.seq)
        except UsageError as error:
            number = record.sizes.get("chunk", 0)
            where = f"chunk {number} of {record.recording} in {record.session}"
            raise VerificationError(f"the relay has not stored {where}", where=where) from error
        return await asyncio.to_thread(open_chunk, key, record, stored)


async def list_kept(arguments: argparse.Namespace) -> int:
    """Run `audit recordings`."""
    printer = Printer(arguments)
    arguments.unseal = None
    async with open_api(arguments) as api:
        reader = await KeptReader.of(api, arguments, log_name(arguments.session))
    for kept in reader.kept:
        if printer.json:
            printer.object(_facts(kept))
        else:
            printer.value("action", kept.name, _words(kept))
    if not reader.kept:
        printer.note("nothing is kept of this session but its records")
    return told(printer, reader)


async def export_kept(arguments: argparse.Namespace) -> int:
    """Run `audit export --format cast | kept`."""
    printer = Printer(arguments)
    if arguments.session is None:
        raise UsageError("name the session whose recording is wanted")
    wanted = RECORDING if arguments.format == "cast" else ""
    async with open_api(arguments) as api:
        reader = await KeptReader.of(api, arguments, log_name(arguments.session))
        kept = reader.named(arguments.action, wanted)
        with output(arguments.output) as file:
            async for piece in reader.pieces(kept):
                content = damaged_line(piece) if piece.fault and kept.kind == RECORDING else piece.content
                await asyncio.to_thread(file.write, content)
            file.flush()
    return told(printer, reader)


def damaged_line(piece: Piece) -> bytes:
    """What stands in a recording in place of a chunk that does not hold: a marker players stop at."""
    marker = event_line(Event(0.0, MARKER, f"MISSING: {piece.fault}"[:300]))
    return marker if piece.number else header_line(Header(version=2, width=80, height=24)) + marker


def told(printer: Printer, reader: KeptReader) -> int:
    """Say what did not hold; the exit code."""
    for fault in reader.faults:
        printer.note(fault)
    return Exit.UNVERIFIED if reader.faults else Exit.DONE


def check_kept(path: Path) -> Path:
    """A file that can be played. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}", advice="Name a session (s-…) or an asciicast file.")
    return path


def _facts(kept: Kept) -> dict[str, object]:
    return {
        "action": kept.name,
        "kind": kept.kind,
        "what": kept.what,
        "began": kept.began,
        "chunks": kept.count if kept.count is not None else len(kept.chunks),
        "bytes": kept.size,
        "open": kept.count is None,
        "missing": list(kept.missing),
    }


def _words(kept: Kept) -> str:
    state = "  no outcome" if kept.count is None else ""
    gaps = f"  {len(kept.missing)} chunks missing" if kept.missing else ""
    return (
        f"{kept.name}  {kept.began[:19].replace('T', ' ')}  {kept.kind} {kept.what}  {kept.size:,} bytes{state}{gaps}"
    )

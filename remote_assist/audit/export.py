"""The jsonl export: sessions as lines that can be verified later, elsewhere, without the relay.

    header   origin, when, the CA-signed lists (they name the log keys)
    record   stored bytes, head signature, time, leaf index, acknowledgement, inclusion proof     one a line
    trailer  how many records, checkpoint; a file without it was cut

Rule 1: every line is canonical JSON: a changed byte is a changed line. Rule 2: sealed fields stay sealed; what a
reviewer opened stands beside the record with the commitment key that proves it.
Rule 3: the checkpoint is as old as the export; a record that is newer has an empty proof, and verifying counts those.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import BinaryIO

import msgspec

from remote_assist.core.api import LoggedRecord
from remote_assist.core.canonical import canonical_bytes
from remote_assist.core.log.sealing import Disclosure, check_disclosure
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import decode_record, format_time, place
from remote_assist.errors import RemoteProtocolError, VerificationError

FORMAT = "remote-assist audit export/1"
MAX_TRAILER_BYTES = 256 << 10
MAX_LINE_BYTES = 4 << 20
"""Longest line read: a record of the largest size, twice in base64, with what was disclosed of it."""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Base of the three kinds of line."""


class Header(_Line, frozen=True, tag="header"):
    """First line. `lists` are CA-signed lists as the relay keeps them; believed only under a vouched-for CA."""

    format: str
    origin: str
    exported: str
    lists: tuple[bytes, ...]


class RecordLine(_Line, frozen=True, tag="record"):
    """One record. `time` and `index` repeat the acknowledgement's, for readers that want no nesting."""

    record: bytes
    head: str
    time: str
    index: int
    acknowledgement: Acknowledgement
    proof: tuple[str, ...] = ()
    disclosed: dict[str, Disclosure] = {}


class Trailer(_Line, frozen=True, tag="trailer"):
    """Last line. `count` is the number of record lines, `checkpoint` the note their proofs lead to ("": none).

    `digest`: SHA-256 of all lines before ("" in exports of the first releases). It proves nothing; it finds a byte that
    changed where nothing is signed.
    """

    count: int
    checkpoint: str = ""
    digest: str = ""


_DECODER = msgspec.json.Decoder(Header | RecordLine | Trailer)
_RECORD_START = b'{"acknowledgement":'
"""How a record line begins, keys being sorted."""


class ExportWriter:
    """Makes the lines of one export, in order: header, records, trailer. `checkpoint` is the note proofs lead to."""

    def __init__(self, checkpoint: str = "") -> None:
        self._checkpoint = checkpoint
        self._count = 0
        self._digest = hashlib.sha256()

    def header(self, *, origin: str, lists: Sequence[bytes], now: datetime) -> bytes:
        """The first line."""
        return self._told(Header(format=FORMAT, origin=origin, exported=format_time(now), lists=tuple(lists)))

    def record(
        self, logged: LoggedRecord, disclosed: dict[str, Disclosure] | None = None, proof: Sequence[bytes] = ()
    ) -> bytes:
        """A record's line. Records of one session follow each other in seq order."""
        self._count += 1
        return self._told(
            RecordLine(
                record=logged.record,
                head=logged.head,
                time=logged.acknowledgement.time,
                index=logged.acknowledgement.index,
                acknowledgement=logged.acknowledgement,
                proof=tuple(base64.b64encode(part).decode("ascii") for part in proof),
                disclosed=disclosed or {},
            )
        )

    def trailer(self) -> bytes:
        """The last line."""
        digest = self._digest.hexdigest()
        return _line(Trailer(count=self._count, checkpoint=self._checkpoint, digest=digest))

    def _told(self, line: Header | RecordLine) -> bytes:
        raw = _line(line)
        self._digest.update(raw)
        return raw


def read_export(lines: Iterable[bytes]) -> Iterator[Header | list[RecordLine]]:
    """The header, then a list of lines for each session, in file order. Nothing is verified but the form.

    Raises VerificationError naming the line: damaged, out of place, cut short, a session in two places.
    """
    seen: set[str] = set()
    group: list[RecordLine] = []
    session = ""
    count = 0
    last: Header | RecordLine | Trailer | None = None
    number = 0
    digest, differs = hashlib.sha256(), False
    for number, raw in enumerate(lines, start=1):
        line = _read(raw, number)
        if isinstance(last, Trailer) or isinstance(line, Header) != (number == 1):
            raise _fault(number, "it stands where no such line may stand")
        if isinstance(line, Header):
            yield line
        elif isinstance(line, RecordLine):
            count += 1
            found = _session(line, number)
            if found != session:
                if found in seen:
                    raise _fault(number, f"session {found} is in two places")
                if group:
                    yield group
                seen.add(found)
                group, session = [], found
            group.append(line)
        elif line.count != count:
            raise _fault(number, f"{line.count} records were exported, {count} are here")
        else:
            differs = line.digest not in {"", digest.hexdigest()}
        digest.update(raw)
        last = line
    if not isinstance(last, Trailer):
        raise VerificationError(
            f"the export is cut: it has no trailer after line {number}",
            where=f"line {number}",
            advice="Export it again; what is here cannot be told from a part of it.",
        )
    if group:
        yield group
    if differs:  # last, so that whoever verifies the records as they come has named the one that was changed
        raise _fault(number, "a byte before it changed: the digest is another")


class BareLine(msgspec.Struct, frozen=True, gc=False, tag_field="kind", tag="record"):
    """Of a record line, what verifying a whole log at once needs; the rest is passed over."""

    record: bytes
    head: str
    time: str
    index: int


_BARE = msgspec.json.Decoder(BareLine)


def read_bare(lines: Iterable[bytes]) -> Iterator[BareLine]:
    """The record lines of an export whose header and trailer were read before. Raises VerificationError."""
    for number, raw in enumerate(lines, start=1):
        if not raw.startswith(_RECORD_START):
            continue
        try:
            yield _BARE.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _fault(number, f"it cannot be read: {error}") from error


def read_trailer(file: BinaryIO) -> Trailer:
    """The last line of an export; the file stands at its beginning afterwards. Raises VerificationError when cut."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - MAX_TRAILER_BYTES))
    last = file.read().rstrip(b"\n").rpartition(b"\n")[2] + b"\n"
    file.seek(0)
    try:
        found: Header | RecordLine | Trailer = _DECODER.decode(last)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = Header(format="", origin="", exported="", lists=())
    if not isinstance(found, Trailer):
        raise VerificationError(
            "the export is cut: its last line is no trailer",
            where="trailer",
            advice="Export it again; what is here cannot be told from a part of it.",
        )
    return found


def proof_of_line(line: RecordLine) -> tuple[bytes, ...]:
    """The inclusion proof in a line. Raises VerificationError."""
    try:
        return tuple(base64.b64decode(part, validate=True) for part in line.proof)
    except (binascii.Error, ValueError) as error:
        where = place(line.acknowledgement.session, line.acknowledgement.seq)
        raise VerificationError(f"{where}: the inclusion proof is not base64", where=where) from error


def check_disclosures(line: RecordLine) -> dict[str, bytes]:
    """Values a reviewer opened, each checked against its record's commitment. Raises VerificationError."""
    sealed = decode_record(line.record).sealed
    for name, disclosure in line.disclosed.items():
        if name not in sealed:
            raise VerificationError(f"'{name}' is disclosed, but the record has no such sealed field", where=name)
        check_disclosure(disclosure, sealed[name], name=name)
    return {name: disclosure.value for name, disclosure in line.disclosed.items()}


def _read(raw: bytes, number: int) -> Header | RecordLine | Trailer:
    if len(raw) > MAX_LINE_BYTES:
        raise _fault(number, f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        line: Header | RecordLine | Trailer = _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _fault(number, f"it cannot be read: {error}") from error
    if _line(line) != raw:
        raise _fault(number, "it is not written as exports are: somebody changed it")
    if isinstance(line, Header) and line.format != FORMAT:
        raise _fault(number, f"the form '{line.format[:60]}' is not known here")
    if isinstance(line, RecordLine) and (line.time, line.index) != (
        line.acknowledgement.time,
        line.acknowledgement.index,
    ):
        raise _fault(number, "its time or index is not its acknowledgement's")
    return line


def _session(line: RecordLine, number: int) -> str:
    try:
        return decode_record(line.record).session
    except RemoteProtocolError as error:
        raise _fault(number, error.message) from error


def _line(line: Header | RecordLine | Trailer) -> bytes:
    return canonical_bytes(line) + b"\n"


def _fault(number: int, text: str) -> VerificationError:
    return VerificationError(f"line {number} of the export: {text}", where=f"line {number}")

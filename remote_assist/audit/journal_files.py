"""What lies in a journal's folder, and reading it back without believing it.

    FOLDER/                  0700, every file 0600
      records.jsonl          a line per record: {"record": base64, "head": SSHSIG}
      acknowledgements.jsonl a line per acknowledgement of the relay, verified before it was written
      journal_key            OpenSSH private key, until the journal is closed (PROTOCOL 5, first record)
      reserve                64 KiB of nothing, given back when the disk is full so that the end still fits
      torn-…                 bytes of a last line that was cut short, kept as evidence

Rule: a last line without its line break was never answered for; it is reported, never counted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from remote_assist.core.messages import Acknowledgement, StoredRecord
from remote_assist.errors import UsageError, VerificationError

RECORDS = "records.jsonl"
ACKNOWLEDGEMENTS = "acknowledgements.jsonl"
JOURNAL_KEY = "journal_key"
RESERVE = "reserve"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lines:
    """A file cut into whole lines. `whole` are their bytes, `torn` what followed the last line break."""

    whole: bytes
    torn: bytes


@dataclass(frozen=True, slots=True)
class JournalContent:
    """A journal as found: nothing in it is verified yet, except that it can be read."""

    records: tuple[StoredRecord, ...]
    acknowledgements: dict[int, Acknowledgement]
    records_file: Lines
    acknowledgements_file: Lines

    @property
    def torn(self) -> str:
        """A sentence about lines that were cut short, or nothing."""
        found = [
            f"the last line of {name} was cut short after {len(lines.torn)} bytes"
            for name, lines in ((RECORDS, self.records_file), (ACKNOWLEDGEMENTS, self.acknowledgements_file))
            if lines.torn
        ]
        return "; ".join(found)


def read_journal(folder: Path) -> JournalContent:
    """Read a journal. Raises UsageError when there is none, VerificationError naming a line that is damaged."""
    records_file = _lines(folder / RECORDS)
    acknowledgements_file = _lines(folder / ACKNOWLEDGEMENTS)
    records = tuple(_decode(records_file, StoredRecord, RECORDS))
    acknowledgements = {a.seq: a for a in _decode(acknowledgements_file, Acknowledgement, ACKNOWLEDGEMENTS)}
    return JournalContent(records, acknowledgements, records_file, acknowledgements_file)


def line_of(part: msgspec.Struct) -> bytes:
    """One line of a journal's file."""
    return msgspec.json.encode(part) + b"\n"


def _lines(path: Path) -> Lines:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"there is no journal in {path.parent}") from error
    end = raw.rfind(b"\n") + 1
    return Lines(raw[:end], raw[end:])


def _decode(lines: Lines, kind: type[T], name: str) -> list[T]:
    decoder = msgspec.json.Decoder(kind)
    found: list[T] = []
    for number, line in enumerate(lines.whole.split(b"\n")[:-1], start=1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            where = f"line {number} of {name}"
            raise VerificationError(f"{where} is damaged: {error}", where=where) from error
    return found

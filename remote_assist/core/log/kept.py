"""What a session keeps beside its records: which recordings, bundles and files there are, and whether they are whole.

Pure: records in, facts out. Rule: what is there is what the chain says, never what a relay lists.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from remote_assist.core.log.chunk import chunk_number
from remote_assist.core.record_codes import CHUNK_CODES, CODES
from remote_assist.core.records import Record

RECORDING, BUNDLE, FILE = "recording", "bundle", "file"

KINDS = {"RA1410E": RECORDING, "RA1411E": BUNDLE, "RA1412E": FILE}
"""Code of a chunk's record → what it is a chunk of."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One recording, bundle or file. `name`: the number of its action; `chunks`: their records, by number.

    `count`: how many there are, None as long as the action has no outcome.
    """

    name: str
    kind: str
    what: str
    began: str
    paths: tuple[str, ...] = ()
    count: int | None = None
    chunks: dict[int, Record] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return sum(record.sizes.get("bytes", 0) for record in self.chunks.values())

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of chunks that the chain has no record of, though it should."""
        last = max(self.chunks, default=-1) + 1 if self.count is None else self.count
        return tuple(number for number in range(last) if number not in self.chunks)


def kept_in(records: Iterable[Record]) -> list[Kept]:
    """Everything a session keeps, in the order it began."""
    found: dict[str, Kept] = {}
    intents: dict[str, Record] = {}
    for record in records:
        if CODES[record.code].is_intent:
            intents[record.action] = record
        elif record.code in CHUNK_CODES:
            kept = found.setdefault(record.recording, _begun(record, intents.get(record.action)))
            kept.chunks.setdefault(chunk_number(record), record)
        elif record.recording and record.outcome is not None:
            kept = found.setdefault(record.recording, _begun(record, intents.get(record.action)))
            found[record.recording] = _ended(kept, record)
    return list(found.values())


def _begun(record: Record, intent: Record | None) -> Kept:
    about = intent or record
    return Kept(
        name=record.recording,
        kind=KINDS.get(record.code, RECORDING),
        what=about.program or about.catalog or _path_words(about.paths),
        began=about.time,
        paths=about.paths,
    )


def _path_words(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}" if paths else ""


def _ended(kept: Kept, outcome: Record) -> Kept:
    return Kept(kept.name, kept.kind, kept.what, kept.began, kept.paths, outcome.sizes.get("chunks", 0), kept.chunks)

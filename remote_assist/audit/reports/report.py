"""A report: a title, tables, remarks, and at the end what it is made of and what proves that.

    population 1,204, missing 0, verified
    log remote-assist/log/…  tree size 1204  root …
    the checkpoint, verbatim

Rule: strings stay as they were written; `text` is the only way to a terminal or a file, and it makes every cell safe.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from remote_assist.audit.whole_log import LAST_TIME, WholeLog
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES

MAX_CELL_CHARS = 400
MAX_NAMED = 20
"""Most missing leaves and faults named; the number says how many there are."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns. `empty`: what is said when there is none."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "none"


@dataclass(frozen=True, slots=True)
class Foundation:
    """What a report is made of: every leaf of the time asked for, proved to be in the signed tree."""

    population: int
    missing: tuple[int, ...]
    faults: tuple[str, ...]
    origin: str
    size: int
    root: str
    checkpoint: str
    since: str
    until: str

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and everything verifies."""
        return not (self.missing or self.faults)

    @property
    def sentence(self) -> str:
        """`population N, missing 0, verified`."""
        state = "verified" if self.holds else "NOT verified"
        return f"population {self.population}, missing {len(self.missing)}, {state}"


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report."""

    name: str
    title: str
    tables: tuple[Table, ...]
    remarks: tuple[str, ...]
    foundation: Foundation

    def lines(self) -> Iterator[str]:
        """The report for people, every line safe."""
        yield _safe(self.title)
        yield ""
        for table in self.tables:
            yield from _table(table)
            yield ""
        for remark in self.remarks:
            yield _safe(remark)
        yield from _ending(self.foundation)

    def values(self) -> dict[str, object]:
        """The report for programs: each table a list of objects."""
        tables = {
            table.title: [dict(zip(table.columns, row, strict=True)) for row in table.rows] for table in self.tables
        }
        found = self.foundation
        return {
            "report": self.name,
            "tables": tables,
            "remarks": list(self.remarks),
            "population": found.population,
            "missing": list(found.missing),
            "faults": list(found.faults),
            "verified": found.holds,
            "log": found.origin,
            "tree_size": found.size,
            "root": found.root,
            "checkpoint": found.checkpoint,
            "since": found.since,
            "until": found.until,
        }


def foundation_of(log: WholeLog) -> Foundation:
    """What a report over this log may say of its completeness."""
    checkpoint = log.checkpoint
    return Foundation(
        population=log.population,
        missing=log.missing(),
        faults=log.faults(),
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.head.root.hex(),
        checkpoint=checkpoint.note,
        since=log.since,
        until="" if log.until == LAST_TIME else log.until,
    )


def _table(table: Table) -> Iterator[str]:
    yield _safe(table.title)
    if not table.rows:
        yield f"  {_safe(table.empty)}"
        return
    cells = [tuple(_safe(cell) for cell in row) for row in (table.columns, *table.rows)]
    widths = [min(40, max(len(row[at]) for row in cells)) for at in range(len(table.columns))]
    for row in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _ending(found: Foundation) -> Iterator[str]:
    period = f"from {found.since or 'the beginning'} until {found.until or 'now'}"
    yield _safe(f"records {period}: {found.sentence}")
    for index in found.missing[:MAX_NAMED]:
        yield f"missing: leaf {index}"
    for fault in found.faults[:MAX_NAMED]:
        yield _safe(f"does not hold: {fault}")
    yield _safe(f"log {found.origin}  tree size {found.size}  root {found.root}")
    for line in found.checkpoint.rstrip("\n").split("\n"):
        yield safe_text(HostileStr(line), max_chars=MAX_NOTE_BYTES)  # whole: cut it proves nothing


def _safe(text: str) -> str:
    return safe_text(HostileStr(text if len(text) <= MAX_CELL_CHARS else text[:MAX_CELL_CHARS] + "…"))

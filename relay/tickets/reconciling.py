"""The log is the truth, the ticket its projection: what differs, and what can be mended.

    records ─ outbox ─▶ notes of the book ─ deliveries ─▶ notes on the foreign ticket
                 └── each event id in exactly one note ──┘        └── each mark exactly once ──┘

Rule: a repair only adds what is missing, and looks for it first; what is there twice is told, never deleted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, select

from relay.storage.foreign import mirror_at, number_of
from relay.storage.schema import deliveries, notes, outbox
from remote_assist.core.api import Difference
from remote_assist.tickets.delivery import DEAD, DONE
from remote_assist.tickets.lines import event_id
from remote_assist.tickets.marks import events_in
from remote_assist.tickets.system import RemoteNote


@dataclass(frozen=True, slots=True)
class Told:
    """A note of the book and how its delivery stands ("" for a note that goes nowhere)."""

    note: int
    events: tuple[str, ...]
    key: str
    state: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the relay holds about a ticket. `system` and `remote` are empty for one of the book's own."""

    system: str
    remote: str
    recorded: tuple[str, ...]
    untold: tuple[str, ...]
    notes: tuple[Told, ...]


def read_kept(connection: Connection, ticket: str) -> Kept:
    """Everything to compare. Raises RefusedError `absent`."""
    number = number_of(connection, ticket)
    mirror = mirror_at(connection, number)
    rows = connection.execute(
        select(outbox.c.session, outbox.c.seq, outbox.c.note).where(outbox.c.ticket == number).order_by(outbox.c.id)
    ).all()
    found = connection.execute(
        select(notes.c.id, notes.c.events, deliveries.c.key, deliveries.c.state)
        .outerjoin(deliveries, deliveries.c.note == notes.c.id)
        .where(notes.c.ticket == number)
        .order_by(notes.c.id)
    ).all()
    return Kept(
        system="" if mirror is None else mirror.system,
        remote="" if mirror is None else mirror.remote,
        recorded=tuple(event_id(row.session, row.seq) for row in rows),
        untold=tuple(event_id(row.session, row.seq) for row in rows if row.note is None),
        notes=tuple(
            Told(row.id, msgspec.json.decode(row.events, type=tuple[str, ...]), row.key or "", row.state or "")
            for row in found
        ),
    )


def compare_book(kept: Kept) -> list[Difference]:
    """The book's own notes against the records."""
    found = [Difference(kind="waiting", sentence="not told yet", events=kept.untold)] if kept.untold else []
    told = Counter(event for note in kept.notes for event in note.events)
    missing = tuple(event for event in kept.recorded if event not in told and event not in kept.untold)
    twice = tuple(event for event, count in told.items() if count > 1)
    foreign = tuple(event for event in told if event not in set(kept.recorded))
    if missing:
        found.append(Difference(kind="missing", sentence="recorded, but in no note of the book", events=missing))
    if twice:
        found.append(Difference(kind="twice", sentence="in more than one note of the book", events=twice))
    if foreign:
        found.append(Difference(kind="foreign", sentence="told, but never recorded here", events=foreign))
    return found


def compare_remote(kept: Kept, seen: Sequence[RemoteNote]) -> tuple[list[Difference], list[int], int]:
    """The foreign ticket against the book: differences, notes to send again, events told exactly once."""
    marks = Counter(note.mark for note in seen if note.mark)
    found, again = [], []
    for told in kept.notes:
        count = marks.pop(told.key, 0) if told.key else 0
        if count == 0 and told.state == DONE:
            again.append(told.note)
            found.append(Difference(kind="missing", sentence="was delivered, is not on the ticket", events=told.events))
        elif count == 0 and told.state == DEAD:
            again.append(told.note)
            found.append(Difference(kind="dead", sentence="could not be delivered", events=told.events))
        elif count == 0 and told.key:
            found.append(Difference(kind="waiting", sentence=f"on its way ({told.state})", events=told.events))
        elif count > 1:
            found.append(Difference(kind="twice", sentence=f"on the ticket {count} times", events=told.events))
    ours = {told.key for told in kept.notes}
    strange = sum(1 for note in seen if note.mark and note.mark not in ours and events_in(note.text))
    if strange:
        found.append(Difference(kind="foreign", sentence=f"{strange} notes tell events this relay never sent"))
    shown = Counter(event for note in seen for event in events_in(note.text))
    return found, again, sum(1 for event in kept.recorded if shown[event] == 1)

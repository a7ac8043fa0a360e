"""The rows on their way to other ticket systems: queued with the note, claimed by one relay, settled once.

Rule 1: a delivery is queued in the commit that holds its note. Rule 2: it is marked `trying` in a commit before
anything is sent, so that whoever finds it after a crash knows that it may have been written.
Rule 3: the deliveries of one ticket go one after the other, in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, or_, select, update

from relay.storage.foreign import mirror_at
from relay.storage.schema import deliveries, foreign_tickets, notes
from remote_assist.core.api import Delivery
from remote_assist.core.records import format_time
from remote_assist.tickets.delivery import DEAD, DONE, TRYING, UNCLEAR, UNDELIVERED, WAITING, Verdict
from remote_assist.tickets.marks import note_key

MAX_CLAIMED = 32
"""Deliveries of one system taken at once."""

MAX_LISTED = 500

NOTE, CLOSE, TIME, FIELDS, LINK = "note", "close", "time", "fields", "link"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery. `text` and `events` are those of its note; `looked_for`: it may be there already."""

    id: int
    remote: str
    kind: str
    words: str
    key: str
    attempts: int
    looked_for: bool
    author: str
    text: str
    events: tuple[str, ...]
    visibility: str = ""


def queue_note(connection: Connection, ticket: int, note: int, key: str, now: str) -> None:
    """Send a note of the book on, when its ticket is another system's."""
    queue(connection, ticket, NOTE, key, now, note=note)


def queue(
    connection: Connection, ticket: int, kind: str, name: str, now: str, *, words: str = "", note: int | None = None
) -> bool:
    """Queue one thing for a foreign ticket, once under the same name. Returns whether it was queued now."""
    mirror = mirror_at(connection, ticket)
    if mirror is None:
        return False
    key = note_key(mirror.system, mirror.remote, kind, name)
    if connection.execute(select(deliveries.c.id).where(deliveries.c.key == key)).first() is not None:
        return False
    row = {
        "system": mirror.system,
        "ticket": ticket,
        "remote": mirror.remote,
        "kind": kind,
        "note": note,
        "words": words,
        "key": key,
        "state": WAITING,
        "attempts": 0,
        "due": now,
        "owner": "",
        "result": "",
        "fault": "",
        "queued": now,
    }
    connection.execute(insert(deliveries), row)
    return True


def claim(connection: Connection, system: str, owner: str, now: datetime, lease: timedelta) -> list[Parcel]:
    """Take what may be tried now: of each ticket the oldest, and what follows it. All are `trying` from this commit."""
    time = format_time(now)
    rows = connection.execute(
        select(deliveries, notes.c.text, notes.c.author, notes.c.events, notes.c.visibility)
        .outerjoin(notes, notes.c.id == deliveries.c.note)
        .where(deliveries.c.system == system, deliveries.c.state.in_(UNDELIVERED))
        .order_by(deliveries.c.id)
        .limit(MAX_CLAIMED * 8)
    ).all()
    free: list[Row[Any]] = []
    blocked: set[int] = set()
    for row in rows:
        if row.ticket in blocked:
            continue
        if row.due > time or (row.state == TRYING and row.owner != owner):
            blocked.add(row.ticket)  # its turn has not come, and those behind it wait
            continue
        free.append(row)
        if len(free) >= MAX_CLAIMED:
            break
    if free:
        until = format_time(now + lease)
        claimed = deliveries.c.id.in_([row.id for row in free])
        connection.execute(update(deliveries).where(claimed).values(state=TRYING, owner=owner, due=until))
    return [_parcel(row) for row in free]


def take_back(connection: Connection, owner: str, now: str) -> int:
    """What this relay was sending when it stopped, and what a relay that is gone held for too long: unclear now."""
    mine = and_(deliveries.c.state == TRYING, or_(deliveries.c.owner == owner, deliveries.c.due <= now))
    return connection.execute(update(deliveries).where(mine).values(state=UNCLEAR, owner="", due=now)).rowcount


def settle(connection: Connection, parcel: Parcel, result: str, now: str) -> None:
    """It is on the ticket."""
    _set(connection, parcel.id, {"state": DONE, "result": result[:200], "fault": "", "settled": now, "owner": ""})


def fail(connection: Connection, parcel: Parcel, verdict: Verdict, sentence: str, now: str) -> None:
    """It is not, or nobody knows."""
    values = {"state": verdict.state, "due": format_time(verdict.due), "fault": sentence[:500], "owner": ""}
    if verdict.state == WAITING and parcel.looked_for:
        values["state"] = UNCLEAR  # an earlier attempt is still in doubt
    more: dict[str, Any] = {"attempts": parcel.attempts + verdict.counts}
    if verdict.state == DEAD:
        more["settled"] = now
    _set(connection, parcel.id, {**values, **more})


def put_back(connection: Connection, parcels: Sequence[Parcel], now: str) -> None:
    """Claimed and never sent: as before."""
    for parcel in parcels:
        state = UNCLEAR if parcel.looked_for else WAITING
        _set(connection, parcel.id, {"state": state, "owner": "", "due": now})


def read_deliveries(connection: Connection, *, ticket: int | None, dead: bool) -> tuple[Delivery, ...]:
    """Undelivered and dead ones, oldest first; of one ticket all."""
    query = select(deliveries, foreign_tickets.c.remote).join(
        foreign_tickets, foreign_tickets.c.ticket == deliveries.c.ticket
    )
    if ticket is not None:
        query = query.where(deliveries.c.ticket == ticket)
    else:
        query = query.where(deliveries.c.state == DEAD if dead else deliveries.c.state != DONE)
    found = connection.execute(query.order_by(deliveries.c.id).limit(MAX_LISTED)).all()
    return tuple(_shown(row) for row in found)


def revive(connection: Connection, which: int | None, now: str) -> int:
    """Let dead deliveries (one, or all) be tried again: looked for first. Returns how many."""
    dead = deliveries.c.state == DEAD
    chosen = dead if which is None else and_(dead, deliveries.c.id == which)
    values = {"state": UNCLEAR, "attempts": 0, "due": now, "settled": None}
    return connection.execute(update(deliveries).where(chosen).values(**values)).rowcount


def again(connection: Connection, note: int, now: str) -> bool:
    """Send a note that is missing on its ticket again, after looking for it. Returns whether there is one to send."""
    lost = and_(deliveries.c.note == note, deliveries.c.kind == NOTE, deliveries.c.state.in_((DONE, DEAD)))
    values = {"state": UNCLEAR, "attempts": 0, "due": now, "settled": None}
    return connection.execute(update(deliveries).where(lost).values(**values)).rowcount > 0


def count_undelivered(connection: Connection) -> dict[str, int]:
    """How many wait, and how many are dead."""
    query = select(deliveries.c.state, func.count()).where(deliveries.c.state != DONE).group_by(deliveries.c.state)
    found = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {"waiting": sum(found.get(state, 0) for state in UNDELIVERED), "dead": found.get(DEAD, 0)}


def next_due(connection: Connection, system: str) -> str | None:
    """When the next delivery of a system may be tried."""
    waiting = and_(deliveries.c.system == system, deliveries.c.state.in_(UNDELIVERED))
    return connection.execute(select(func.min(deliveries.c.due)).where(waiting)).scalar()


def _set(connection: Connection, which: int, values: dict[str, Any]) -> None:
    connection.execute(update(deliveries).where(deliveries.c.id == which).values(**values))


def _parcel(row: Row[Any]) -> Parcel:
    return Parcel(
        id=row.id,
        remote=row.remote,
        kind=row.kind,
        words=row.words,
        key=row.key,
        attempts=row.attempts,
        looked_for=row.state in {UNCLEAR, TRYING},
        author=row.author or "",
        text=row.text or "",
        events=() if row.events is None else msgspec.json.decode(row.events, type=tuple[str, ...]),
    )


def _shown(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        ticket=f"{row.system}:{row.remote}",
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        fault=row.fault,
        queued=row.queued,
        due=row.due,
        result=row.result,
    )

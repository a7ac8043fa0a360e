"""What the relay knows of sessions, read from the log: summaries, pages of records, the keys that may speak.

live: the agent is connected     away: it is not, and the session did not end     ended: the end record is in
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, distinct, exists, func, select, update

from relay.log.admission import SessionKeys
from relay.log.ledger import acknowledgement_of
from relay.log.participants import owned_by, parts_of
from relay.log.session_filter import SessionFilter
from relay.log.tree import TreeReader
from relay.storage.foreign import shown_id
from relay.storage.schema import records, sessions, wraps
from relay.storage.store import Store
from remote_assist.core.api import LoggedRecord, Records, Sessions, SessionSummary
from remote_assist.core.messages import Wrap
from remote_assist.errors import RefusedError, UsageError

PAGE_RECORDS = 500
PAGE_BYTES = 4 << 20
"""Bytes of records in one page; a page holds at least one record."""

MAX_LISTED = 500
EVERYTHING = SessionFilter()


def read_summaries(connection: Connection, owner: str | None, wanted: SessionFilter = EVERYTHING) -> Sessions:
    """A page of sessions, newest first, `away` or `ended`: of the technician with key `owner`, or all with None."""
    query = select(sessions).order_by(sessions.c.opened.desc(), sessions.c.id.desc()).limit(MAX_LISTED + 1)
    if owner is not None:
        query = query.where(owned_by(owner))
    found = connection.execute(wanted.narrow(connection, query)).all()
    rows = found[:MAX_LISTED]
    names = [row.id for row in rows]
    count = select(records.c.session, func.count()).where(records.c.session.in_(names)).group_by(records.c.session)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(count)}
    open_intents = _incomplete(connection, names)
    parts = {} if owner is None else parts_of(connection, owner)
    summaries = tuple(
        _summary(
            row,
            shown_id(connection, row.ticket),
            counts.get(row.id, 0),
            open_intents.get(row.id, 0),
            parts.get(row.id, ""),
        )
        for row in rows
    )
    return Sessions(sessions=summaries, more=len(found) > MAX_LISTED)


def read_summary(connection: Connection, session: str, owner: str | None) -> SessionSummary:
    """One session. RefusedError `absent` when there is none, or it is not the owner's."""
    row = require_session(connection, session, owner)
    count = connection.execute(select(func.count()).where(records.c.session == session)).scalar_one()
    ticket = shown_id(connection, row.ticket)
    part = "" if owner is None else parts_of(connection, owner).get(session, "")
    return _summary(row, ticket, count, _incomplete(connection, [session]).get(session, 0), part)


def read_page(connection: Connection, session: str, owner: str | None, start: int, size: int = 0) -> Records:
    """Records from `start` on, at most a page, with their acknowledgements; wraps come with the first page.

    With `size`, also the proofs that they are in the log's tree of that size.
    """
    require_session(connection, session, owner)
    return page_of(connection, session, start, size)


def page_of(connection: Connection, session: str, start: int, size: int) -> Records:
    """A page of any chain's records; who may see it was asked before."""
    rows = connection.execute(
        select(records)
        .where(records.c.session == session, records.c.seq >= start)
        .order_by(records.c.seq)
        .limit(PAGE_RECORDS + 1)
        .execution_options(yield_per=50)
    )
    page: list[LoggedRecord] = []
    length, more = 0, False
    for row in rows:
        length += len(row.record)
        more = bool(page) and (len(page) == PAGE_RECORDS or length > PAGE_BYTES)
        if more:
            break
        page.append(_logged(row))
    rows.close()
    keys = _wraps(connection, session) if start == 0 else ()
    indexes = [one.acknowledgement.index for one in page] if size else []
    proofs = prove(TreeReader(connection), indexes, size)
    return Records(session=session, records=tuple(page), wraps=keys, more=more, proofs=proofs)


def prove(tree: TreeReader, indexes: Sequence[int], size: int) -> tuple[tuple[bytes, ...], ...]:
    """The inclusion proof of each leaf in the tree of `size`; none for a leaf that is newer."""
    if not 0 <= size <= tree.size:
        raise UsageError(f"the log has {tree.size} records, not {size}", advice="Ask for the checkpoint first.")
    return tuple(tree.inclusion(index, size) if index < size else () for index in indexes)


def read_proofs(connection: Connection, session: str, start: int, size: int) -> tuple[tuple[bytes, ...], ...]:
    """Proofs for a page of a session's records from `start` on; records newer than `size` are left out."""
    indexes = connection.execute(
        select(records.c.index)
        .where(records.c.session == session, records.c.seq >= start, records.c.index < size)
        .order_by(records.c.seq)
        .limit(PAGE_RECORDS)
    ).scalars()
    return prove(TreeReader(connection), list(indexes), size)


def read_keys(connection: Connection, session: str) -> tuple[SessionKeys | None, int]:
    """Who may speak for a session (None: it was never opened here) and how many records are stored."""
    row = connection.execute(
        select(sessions.c.host_key, sessions.c.journal_key).where(sessions.c.id == session)
    ).first()
    if row is None:
        return None, 0
    last = connection.execute(select(func.max(records.c.seq)).where(records.c.session == session)).scalar()
    return SessionKeys(row.host_key, row.journal_key), 0 if last is None else int(last) + 1


Live = Callable[[Collection[str]], Awaitable[Collection[str]]]
"""Those of some sessions whose agent is connected."""


async def with_live(summaries: Sequence[SessionSummary], live: Live) -> tuple[SessionSummary, ...]:
    """The same, where those that are `away` become `live` if their agent is connected."""
    found = await live([one.id for one in summaries if one.state == "away"])
    return tuple(msgspec.structs.replace(one, state="live") if one.id in found else one for one in summaries)


async def count_live(store: Store, owner: str, live: Live) -> int:
    """How many sessions of the technician with key `owner` have their agent connected."""
    query = select(sessions.c.id).where(sessions.c.technician_key == owner, sessions.c.ended.is_(None))
    found = await store.read(lambda connection: connection.execute(query).scalars().all())
    return len(await live(found))


def next_stream(connection: Connection, session: str) -> int:
    """Take the session's next stream number (writer only): it rises for ever, restarts included."""
    query = update(sessions).where(sessions.c.id == session).values(streams=sessions.c.streams + 1)
    return int(connection.execute(query.returning(sessions.c.streams)).scalar_one())


def require_session(connection: Connection, session: str, owner: str | None) -> Row[Any]:
    """The session's row. RefusedError `absent` also for another technician's: its existence is not told."""
    query = select(sessions).where(sessions.c.id == session)
    if owner is not None:
        query = query.where(owned_by(owner))
    row = connection.execute(query).first()
    if row is None:
        raise RefusedError("there is no such session", reason="absent", advice="`remote-assist sessions` lists them.")
    return row


def _summary(row: Row[Any], ticket: str, count: int, incomplete: int, part: str) -> SessionSummary:
    state = "ended" if row.ended else "away"
    return SessionSummary(
        id=row.id,
        ticket=ticket,
        subject=row.subject,
        technician=row.technician,
        technician_key=row.technician_key,
        host_key=row.host_key,
        opened=row.opened,
        state=state,
        records=count,
        end_reason=row.end_reason,
        incomplete=incomplete,
        ended=row.ended or "",
        part=part,
    )


def _incomplete(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Intents without an outcome or an abort, by session; an action that still runs counts too."""
    concluded = records.alias()
    answered = exists().where(
        concluded.c.session == records.c.session,
        concluded.c.action == records.c.action,
        concluded.c.seq > records.c.seq,
        concluded.c.code.not_like("%I"),
    )
    query = (
        select(records.c.session, func.count(distinct(records.c.action)))
        .where(records.c.session.in_(names), records.c.code.like("%I"), ~answered)
        .group_by(records.c.session)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _logged(row: Row[Any]) -> LoggedRecord:
    return LoggedRecord(record=row.record, head=row.head, acknowledgement=acknowledgement_of(row))


def _wraps(connection: Connection, session: str) -> tuple[Wrap, ...]:
    rows = connection.execute(select(wraps).where(wraps.c.session == session))
    return tuple(Wrap(key_id=row.key_id, reviewer=row.reviewer, sealed=row.sealed) for row in rows)

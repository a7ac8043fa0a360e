"""Which technicians besides the one who paired may reach a session, as its agent's records say.

    RA1012E the customer lets a second one in ─▶ may come    RA1014E one is out ─▶ may not come any more

Rule: the agent decides. What stands here only opens the road to it; a row that nobody let in finds a shut door there.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, insert, or_, select, update

from relay.storage.schema import participants, sessions
from remote_assist.core.identity.certificates import Certificate
from remote_assist.core.record_codes import SECOND_ADMITTED, TECHNICIAN_LEFT
from remote_assist.core.records import Record, format_time
from remote_assist.errors import RefusedError

OWNER = ""
"""The part of who paired."""


def note(connection: Connection, record: Record, newcomer: tuple[Certificate, datetime] | None) -> None:
    """Take over what a record says about who may come; most say nothing."""
    if record.code == SECOND_ADMITTED and newcomer is not None:
        certificate, until = newcomer
        _put(connection, record.session, certificate.key_fingerprint, record.catalog, format_time(until), gone=0)
    elif record.code == TECHNICIAN_LEFT:
        _leave(connection, record.session, record.target)


def owned_by(key: str) -> ColumnElement[bool]:
    """Sessions the technician of this key paired, or was let into."""
    shared = exists().where(participants.c.session == sessions.c.id, participants.c.key == key)
    return or_(sessions.c.technician_key == key, shared)


def parts_of(connection: Connection, key: str) -> dict[str, str]:
    """Session → this technician's part in it, where they were let into it."""
    query = select(participants.c.session, participants.c.part).where(
        participants.c.key == key, participants.c.part != OWNER
    )
    return {row.session: row.part for row in connection.execute(query)}


def check_may_come(connection: Connection, session: str, key: str, now: datetime) -> None:
    """Raise RefusedError for one whose part is over. Whoever paired may come until they hand the session over."""
    row = connection.execute(
        select(participants.c.gone, participants.c.until).where(
            participants.c.session == session, participants.c.key == key
        )
    ).first()
    if row is None:
        return
    if row.gone:
        raise RefusedError("you handed this session over to another technician", reason="transferred")
    if row.until <= format_time(now):
        raise RefusedError("your part in this session is over", reason="expired", advice="Ask for a new share.")


def _put(connection: Connection, session: str, key: str, part: str, until: str, *, gone: int) -> None:
    values = {"part": part, "until": until, "gone": gone}
    query = update(participants).where(participants.c.session == session, participants.c.key == key)
    if not connection.execute(query.values(values)).rowcount:
        connection.execute(insert(participants), {"session": session, "key": key, **values})


def _leave(connection: Connection, session: str, key: str) -> None:
    held = select(participants.c.part, participants.c.until).where(
        participants.c.session == session, participants.c.key == key
    )
    row = connection.execute(held).first()
    until = select(func.max(sessions.c.until)).where(sessions.c.id == session)
    part, ends = (OWNER, str(connection.execute(until).scalar())) if row is None else (row.part, row.until)
    _put(connection, session, key, part, ends, gone=1)

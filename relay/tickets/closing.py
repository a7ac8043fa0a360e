"""What a closing note brings to another system's ticket, as its settings ask: fields, and the ticket's end."""

from sqlalchemy import Connection, select

from relay.storage.schema import sessions
from relay.tickets.deliveries import CLOSE, FIELDS
from remote_assist.core.records import parse_time
from remote_assist.core.time_spent import minutes_between
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.system import Capabilities, Note

MAX_FIELD_CHARS = 250


def closing_work(
    settings: TicketSystemSettings, able: Capabilities, note: Note, issues: tuple[str, ...]
) -> list[tuple[str, str]]:
    """Kind and words of each delivery, in the order they are made; the ticket is closed last."""
    found = []
    if able.fields and settings.resolution_field:
        found.append((FIELDS, f"{settings.resolution_field}={note.text.splitlines()[0][:MAX_FIELD_CHARS]}"))
    if able.fields and settings.issues_field and issues:
        found.append((FIELDS, f"{settings.issues_field}={', '.join(issues)[:MAX_FIELD_CHARS]}"))
    if able.state and settings.closes:
        found.append((CLOSE, ""))
    return found


def minutes_spent(connection: Connection, session: str) -> int:
    """Whole minutes, rounded up, from a session's opening to its end; 0 for one that is not there or did not end."""
    row = connection.execute(select(sessions.c.opened, sessions.c.ended).where(sessions.c.id == session)).first()
    if row is None or row.ended is None:
        return 0
    return minutes_between(parse_time(row.opened), parse_time(row.ended))

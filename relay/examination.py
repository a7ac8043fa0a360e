"""`check`: what an operator should know before and while a relay serves, a line each, with what to do.

Rule: looking changes nothing: the database is opened read-only and nothing is repaired.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from relay.bus import Bus
from relay.links.directory import node_subject
from relay.links.front_door import load_tls
from relay.log.checkpoints import CHECKPOINT
from relay.log.keys import NEXT, LogKeys
from relay.migrations import standing, words_of
from relay.nodes import bus_prefix
from relay.storage.data_folder import DATABASE, read_log_key, require_data
from relay.storage.database import open_read_only
from relay.storage.postgres import open_server
from relay.storage.schema import records
from relay.tickets.systems import TicketSystems
from relay.tls_dates import validity
from relay.trust import check_log_key, read_bounded, read_trust
from relay.witness.anchors import read_standing
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.codes import relay_origin
from remote_assist.core.records import parse_time
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES
from remote_assist.errors import AssistError, ContentError
from remote_assist.settings import AnchorSettings, RelaySettings

SOON = timedelta(days=14)
"""What ends within this should be renewed now."""

MAX_AHEAD = timedelta(minutes=5)


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, whether it is well, and what to do if not."""

    what: str
    ok: bool
    sentence: str
    advice: str = ""


def examine(settings: RelaySettings, *, now: datetime) -> Iterator[Finding]:
    """Look at everything; each part is looked at even when another is not well."""
    parts: dict[str, Callable[[RelaySettings, datetime], str]] = {
        "permissions": _permissions,
        "database": _database,
        "migrations": _migrations,
        "bus": _bus,
        "disk": _disk,
        "clock": _clock,
        "certificate": _certificate,
        "adoption": _adoption,
        "lists": _lists,
    }
    yield Finding("configuration", True, f"every setting is known and within its range; data is {settings.data}")
    for what, look in parts.items():
        try:
            yield Finding(what, True, look(settings, now))
        except AssistError as error:
            yield Finding(what, False, error.message, error.advice)
        except OSError as error:
            fault = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
            yield Finding(what, False, fault, "Look at the file and its permissions.")
        except SQLAlchemyError as error:
            advice = "See whether it runs." if settings.database else "Look at the file and its permissions."
            yield Finding(what, False, words_of(error), advice)
    for name in settings.ticket_systems:
        try:
            yield Finding(f"tickets {name}", True, asyncio.run(_ticket_system(settings, name)))
        except AssistError as error:
            yield Finding(f"tickets {name}", False, error.message, error.advice)

    for name, one in settings.anchors.items():
        yield _anchor(settings.data, name, one, now)


def _anchor(data: Path, name: str, settings: AnchorSettings, now: datetime) -> Finding:
    """A witness that is late: a checkpoint should be there, and tries fail."""
    what, held = f"anchor {name}", read_standing(data, name)
    age = held.age_seconds(now)
    last = "never had a checkpoint" if age is None else f"has {held.size} records since {held.anchored}"
    if held.failures:
        fault = f"{last}; {held.failures} tries failed since: {held.fault}"
        return Finding(what, False, fault, "Mend what it says, then: remote-assist-relay anchor.")
    if age is not None and age > settings.every_seconds + settings.retry_most_seconds:
        return Finding(what, False, f"{last}, and nothing since", "See whether the relay serves.")
    return Finding(what, True, last if held.anchored else f"{last} yet")


async def _ticket_system(settings: RelaySettings, name: str) -> str:
    systems = TicketSystems(settings.ticket_systems, settings.ticket_rules.default)
    try:
        return await systems.check(name)
    finally:
        await systems.close()


def _permissions(settings: RelaySettings, now: datetime) -> str:
    require_data(settings.data, settings.database)
    read_log_key(settings.data)
    load_tls(settings.tls_cert, settings.tls_key)
    return "folder, database and keys are closed to others"


def _database(settings: RelaySettings, now: datetime) -> str:
    with _reading(settings) as connection:
        if connection.dialect.name == "sqlite":
            _check_file(connection)
        count = int(connection.execute(select(func.count()).select_from(records)).scalar_one())
    promised = _promised(settings.data)
    if promised > count:
        raise ContentError(
            f"the relay signed for {promised} records, and the database holds {count}",
            advice="Restore the newest copy of the database; the relay will not serve from this one.",
        )
    return f"whole, {count} records, {promised} signed for"


def _check_file(connection: Connection) -> None:
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if found != "ok":
        raise ContentError(f"relay.db is damaged: {found}", advice="Restore a copy: remote-assist-relay restore.")


def _migrations(settings: RelaySettings, now: datetime) -> str:
    with _reading(settings) as connection:
        found = standing(connection)
    if found.is_behind:
        raise ContentError(
            f"the tables are those of revision {found.found or 'none'}; this release has {found.newest}",
            advice="Make a backup, then serve: a relay brings its tables up to date when it starts.",
        )
    return f"the tables are those of revision {found.found}"


def _bus(settings: RelaySettings, now: datetime) -> str:
    if not settings.bus:
        return "none: this relay is alone"
    return asyncio.run(_reach_bus(settings))


async def _reach_bus(settings: RelaySettings) -> str:
    bus = Bus(settings.bus, "", bus_prefix(LogKeys(settings.data)), ca_file=settings.bus_ca)
    try:
        await bus.start()
        serving = await bus.find(node_subject(relay_origin(settings.node))) if settings.node else None
    finally:
        await bus.close()
    return "NATS answers" + (f"; {settings.node} serves" if serving else "")


def _disk(settings: RelaySettings, now: datetime) -> str:
    free = shutil.disk_usage(settings.data).free
    if free < settings.min_free_bytes * 2:
        raise ContentError(
            f"only {free >> 20} MiB are free; below {settings.min_free_bytes >> 20} MiB every write is refused",
            advice="Make room on the disk of the data folder.",
        )
    return f"{free >> 20} MiB are free"


def _clock(settings: RelaySettings, now: datetime) -> str:
    with _reading(settings) as connection:
        last = connection.execute(select(records.c.time).order_by(records.c.index.desc()).limit(1)).scalar()
    if last is None:
        return f"{now:%Y-%m-%d %H:%M:%S} UTC; nothing was acknowledged yet"
    if parse_time(last) > now:
        raise ContentError(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but a record was acknowledged at {last}",
            advice="Set the clock (timedatectl set-ntp true); acknowledgements would all carry that time.",
        )
    return f"{now:%Y-%m-%d %H:%M:%S} UTC, after the last acknowledgement"


def _certificate(settings: RelaySettings, now: datetime) -> str:
    if settings.tls_cert is None:
        return "none: plain HTTP on loopback"
    since, until = validity(settings.tls_cert)
    if since > now + MAX_AHEAD:
        raise ContentError(f"{settings.tls_cert} is valid only from {since:%Y-%m-%d}", advice="Set the clock.")
    if until < now + SOON:
        raise ContentError(
            f"{settings.tls_cert} {_ends(until, now)}", advice="Renew it; a serving relay takes it without a restart."
        )
    return f"valid until {until:%Y-%m-%d}"


def _adoption(settings: RelaySettings, now: datetime) -> str:
    _, _, lists = read_trust(settings.data, now=now)
    keys = LogKeys(settings.data)
    check_log_key(lists, keys.current)
    if (settings.data / NEXT).exists() and keys.waiting(lists.organisation.log_keys) is None:
        raise ContentError(
            f"{settings.data / NEXT} waits for the organisation's list to name it",
            advice=f"remote-assist ca adopt {settings.data} --dir ORG; or remove that file to keep the present key.",
        )
    numbers = ", ".join(f"{kind} {number}" for kind, number in lists.numbers.items())
    return f"by {lists.organisation.name}; lists: {numbers}"


def _lists(settings: RelaySettings, now: datetime) -> str:
    _, _, lists = read_trust(settings.data, now=now)
    until = datetime.fromisoformat(lists.reviewers.expires)
    if until < now + SOON:
        raise ContentError(
            f"the reviewers' list {_ends(until, now)}", advice="remote-assist ca reviewers --dir ORG, then adopt it."
        )
    return f"the reviewers' list is valid until {until:%Y-%m-%d}"


def _ends(until: datetime, now: datetime) -> str:
    return f"ended on {until:%Y-%m-%d}" if until <= now else f"ends on {until:%Y-%m-%d}"


def _promised(data: Path) -> int:
    try:
        note = read_bounded(data / CHECKPOINT, MAX_NOTE_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return 0
    return open_checkpoint(note, LogKeys(data).lines).size


@contextmanager
def _reading(settings: RelaySettings) -> Iterator[Connection]:
    engine = open_server(settings.database) if settings.database else open_read_only(settings.data / DATABASE)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()

"""Copies of a relay, made while it serves, and the way back.

    backup: last checkpoint ─▶ snapshot of the database ─▶ without wraps and tokens, compacted ─▶ one file, 0600
    restore: file ─▶ whole? not behind what was promised? ─▶ new data folder

Rule 1: wrapped content keys are not in a copy (PROTOCOL 5): what is erased stays erased. Nor are logins.
Rule 2: a copy that is behind what the relay acknowledged is never put back unnoticed: restore wants to know what was
promised last, or the operator's word that nobody knows.
"""

import os
import re
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from relay.log.checkpoints import CHECKPOINT, contradiction
from relay.log.keys import NEXT, OLD, SUCCESSION
from relay.migrations import bring_up_to_date, migrate, standing
from relay.storage.data_folder import (
    ADOPT_REQUEST,
    COSIGN_KEY,
    DATABASE,
    LOG_KEY,
    read_log_key,
    require_data,
    write_new,
)
from relay.storage.database import open_engine, open_read_only
from relay.storage.postgres import open_server
from relay.storage.schema import nameplates, spent_nonces, tokens, wraps
from relay.storage.transfer import transfer
from relay.trust import CA_FILE, LISTS_FOLDER, read_bounded
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.identity.lists import KINDS
from remote_assist.core.signing.keys import load_private, public_line
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES
from remote_assist.errors import ContentError, UsageError, VerificationError

FILES = (LOG_KEY, COSIGN_KEY, ADOPT_REQUEST, CHECKPOINT, CA_FILE, *(f"{LISTS_FOLDER}/{kind}.json" for kind in KINDS))
ROTATED = re.compile(rf"{re.escape(NEXT)}|{re.escape(OLD)}[0-9a-f]{{8}}|{re.escape(SUCCESSION)}[0-9a-f]{{8}}")
"""Names of further log keys and of the notes by which they followed each other."""

MAX_FILE_BYTES = 1 << 20
TABLE = "backup_files"
NOT_COPIED = (wraps, tokens, nameplates, spent_nonces)
BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds: records up to `last_index` (-1: none), the last one acknowledged at `last_time`."""

    last_index: int
    last_time: str


def back_up(data: Path, file: Path, *, database: str = "") -> Copied:
    """Copy a data folder and its database (a URL, or the file in it) into one new file.

    Raises UsageError when the file is there already, UnreachableError for a server that does not answer.
    """
    require_data(data, database)
    read_log_key(data)
    # Read before the database, so that the copy never holds less than its checkpoint says.
    names = (*FILES, *(path.name for path in data.iterdir() if ROTATED.fullmatch(path.name)))
    beside = {name: read_bounded(data / name, MAX_FILE_BYTES) for name in names if (data / name).exists()}
    try:
        write_new(file, b"")
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already", advice="Choose another name; copies are not overwritten."
        ) from error
    try:
        if database:
            _copy_server(database, file)
        else:
            _copy_file(data / DATABASE, file)
        with closing(sqlite3.connect(file, isolation_level=None)) as copy:
            copied = _make_copy_of(copy, beside)
        _make_durable(file)
    except BaseException:
        with suppress(OSError):
            file.unlink()
        raise
    return copied


def restore(
    file: Path,
    data: Path,
    *,
    known_index: int | None,
    known_checkpoint: Path | None,
    accept_rollback: bool,
    database: str = "",
) -> Copied:
    """Make a data folder from a copy; with `database`, the URL of an empty one, its tables go there.

    Raises UsageError (something is there already), ContentError (no copy), VerificationError, UnreachableError.
    """
    if data.exists() or data.is_symlink():
        raise UsageError(f"{data} is there already", advice="Move it away first; nothing is overwritten.")
    if known_index is None and known_checkpoint is None and not accept_rollback:
        raise UsageError(
            "without knowing what the relay last acknowledged, a lost piece of the log would go unnoticed",
            advice="Give --known-checkpoint OLD-DATA/checkpoint or --known-index N; --accept-rollback if nobody knows.",
        )
    beside, copied = _open_copy(file)
    known = None
    if known_checkpoint is not None:
        known = _checkpoint(_note(known_checkpoint), beside, str(known_checkpoint))
    if not accept_rollback and known_index is not None and known_index > copied.last_index:
        raise _behind(f"record {known_index} was acknowledged, and the copy ends at {copied.last_index}")
    data.mkdir(mode=0o700, parents=True)
    data.chmod(0o700)
    try:
        _fill(data, file, beside)
        _check_log(data, beside, known, accept_rollback=accept_rollback)
        if database:
            _move_to_server(data, database)
    except BaseException:
        _remove(data)
        raise
    if known is not None and known_checkpoint is not None:
        (data / CHECKPOINT).unlink(missing_ok=True)
        write_new(data / CHECKPOINT, known.note.encode(), mode=0o644)
    return copied


def _note(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_NOTE_BYTES)
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no file {path}",
            advice="A relay that never acknowledged a record has no checkpoint: --known-index -1.",
        ) from error


def _copy_file(source: Path, file: Path) -> None:
    with closing(sqlite3.connect(source, timeout=BUSY_SECONDS)) as found, closing(sqlite3.connect(file)) as copy:
        found.backup(copy)


def _copy_server(database: str, file: Path) -> None:
    source, copy = open_server(database), open_engine(str(file))
    try:
        bring_up_to_date(source)
        migrate(copy)
        transfer(source, copy, without=NOT_COPIED)
    finally:
        source.dispose()
        copy.dispose()


def _move_to_server(data: Path, database: str) -> None:
    """The checked tables of a new data folder go to a server; none stay beside."""
    source, target = open_engine(str(data / DATABASE)), open_server(database)
    try:
        bring_up_to_date(target)
        transfer(source, target, without=NOT_COPIED)
    finally:
        source.dispose()
        target.dispose()
    for leftover in data.glob(f"{DATABASE}*"):
        leftover.unlink()


def _make_copy_of(copy: sqlite3.Connection, beside: dict[str, bytes]) -> Copied:
    """Take out what a copy must not hold, add the files beside it. Compacting leaves nothing in free pages."""
    copy.execute("PRAGMA journal_mode=DELETE")
    for table in NOT_COPIED:
        copy.execute(f"DELETE FROM {table.name}")  # noqa: S608  # our own constants
    copy.execute(f"CREATE TABLE {TABLE} (name TEXT PRIMARY KEY, raw BLOB NOT NULL)")
    copy.executemany(f"INSERT INTO {TABLE} VALUES (?, ?)", list(beside.items()))  # noqa: S608  # our own constant
    copy.execute("VACUUM")
    return _end_of(copy)


def _open_copy(file: Path) -> tuple[dict[str, bytes], Copied]:
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    try:
        with closing(sqlite3.connect(f"file:{file.resolve()}?mode=ro", uri=True)) as copy:
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise ContentError(f"{file} is damaged", advice="Take another copy.")
            _check_revision(file)
            rows = copy.execute(f"SELECT name, raw FROM {TABLE}").fetchall()  # noqa: S608  # our own constant
            beside = {str(name): bytes(raw) for name, raw in rows if name in FILES or ROTATED.fullmatch(str(name))}
            if LOG_KEY not in beside:
                raise ContentError(f"{file} holds no log key")
            return beside, _end_of(copy)
    except sqlite3.Error as error:
        raise ContentError(f"{file} is no copy made by `remote-assist-relay backup`: {error}") from error


def _check_revision(file: Path) -> None:
    """Raise ContentError for a copy made by a newer release; an older one is migrated where it is put back."""
    engine = open_read_only(file)
    try:
        with engine.connect() as connection:
            standing(connection)
    finally:
        engine.dispose()


def _fill(data: Path, file: Path, beside: dict[str, bytes]) -> None:
    (data / LISTS_FOLDER).mkdir(mode=0o700)
    for name, raw in beside.items():
        write_new(data / name, raw, mode=0o600 if name.startswith(LOG_KEY) or name == COSIGN_KEY else 0o644)
    write_new(data / DATABASE, b"")
    with (
        closing(sqlite3.connect(f"file:{file.resolve()}?mode=ro", uri=True)) as copy,
        closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as database,
    ):
        copy.backup(database)
        database.execute(f"DROP TABLE {TABLE}")
        database.execute("VACUUM")  # the log key stood in that table
    _make_durable(data / DATABASE)


def _check_log(data: Path, beside: dict[str, bytes], known: Checkpoint | None, *, accept_rollback: bool) -> None:
    """The records are those the copy's own checkpoint signs for, and those of the known one."""
    engine = open_engine(str(data / DATABASE))
    try:
        migrate(engine)
        with engine.connect() as connection:
            own = _checkpoint(beside[CHECKPOINT], beside, CHECKPOINT) if CHECKPOINT in beside else None
            if own is not None and (fault := contradiction(connection, own)):
                raise VerificationError(f"the copy contradicts its own checkpoint: {fault}", where=CHECKPOINT)
            if known is not None and not accept_rollback and (fault := contradiction(connection, known)):
                raise _behind(fault)
    finally:
        engine.dispose()


def _checkpoint(note: bytes, beside: dict[str, bytes], where: str) -> Checkpoint:
    try:
        held = (raw for name, raw in beside.items() if name.startswith(LOG_KEY))
        return open_checkpoint(note.decode(), tuple(public_line(load_private(raw)) for raw in held))
    except UnicodeDecodeError as error:
        raise VerificationError("the checkpoint is no text", where=where) from error


def _behind(fault: str) -> VerificationError:
    return VerificationError(
        f"the copy is behind what this relay promised: {fault}",
        advice="Restore a newer copy. If there is none: --accept-rollback, then serve --accept-rollback.",
    )


def _end_of(database: sqlite3.Connection) -> Copied:
    row = database.execute('SELECT "index", time FROM records ORDER BY "index" DESC LIMIT 1').fetchone()
    return Copied(-1, "") if row is None else Copied(int(row[0]), str(row[1]))


def _make_durable(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _remove(data: Path) -> None:
    """Take away the folder this restore made."""
    for path in sorted(data.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    data.rmdir()

"""Brings a database to the tables of this release, a revision at a time (alembic); tells how far one is.

    nothing ─▶ 0001 ─▶ 0002 ─▶ …        files of before (SQLite, `user_version` 1 to 3) begin at 0001 and lose nothing

Rule 1: all revisions that are missing are one transaction, which one program at a time holds: two nodes that start
together migrate once, and a relay that is killed while it migrates leaves what was there before.
Rule 2: a revision after the first only adds (tables, columns with a default): a node of the release before goes on
serving beside it.
Rule 3: a database that is ahead of this program is refused, not guessed at.

A new revision: change relay/storage/schema.py, add `versions/rNNNN_what.py` (revision "NNNN", down_revision the newest
there). Two that were written side by side make two heads: the later to land takes the next number.
A file's name carries its revision, so a database that is up to date is known without loading alembic.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from remote_assist.errors import ContentError, UnreachableError

FOLDER = Path(__file__).parent

NUMBERED = 4
"""SQLite's `user_version` from the first revision on: releases of before say "tables of version 4" and stop."""

BEFORE = frozenset({1, 2, 3})
LOCK_NUMBER = 7_341_019
"""PostgreSQL's advisory lock that is held while migrating."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The revision a database has ("" for one without tables of ours) and the newest this program knows."""

    found: str
    newest: str

    @property
    def is_behind(self) -> bool:
        """Whether `migrate` would do something."""
        return self.found != self.newest


def standing(connection: Connection) -> Standing:
    """How far a database is. Raises ContentError when it is ahead of this program, or not a relay's."""
    known = revisions()
    newest, found = known[-1], _revision_of(connection)
    if found and found not in known:
        raise _unknown(f"revision {found}", newest)
    if connection.dialect.name == "sqlite":
        number = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if number not in ({NUMBERED} if found else BEFORE | {0}):
            raise _unknown(f"version {number}", newest)
    return Standing(found, newest)


def revisions() -> tuple[str, ...]:
    """Every revision this program knows, oldest first."""
    names = (re.fullmatch(r"r(\d{4})_\w+\.py", path.name) for path in (FOLDER / "versions").iterdir())
    return tuple(sorted(name[1] for name in names if name))


def _revision_of(connection: Connection) -> str:
    """The table is alembic's own: one row, one column."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def migrate(engine: Engine) -> Standing:
    """Run what is missing; the answer is how far the database was. Raises ContentError as `standing` does."""
    with engine.connect() as connection:
        before = standing(connection)
        connection.rollback()
        if before.is_behind:
            _hold(connection)
            _upgrade(connection)
            connection.commit()
    return before


def bring_up_to_date(engine: Engine) -> Standing:
    """`migrate` for a relay that starts. Raises UnreachableError when the database cannot be reached."""
    try:
        return migrate(engine)
    except OperationalError as error:
        raise unreachable(error) from error


def unreachable(error: OperationalError) -> UnreachableError:
    """What a person is told about a database that cannot be reached."""
    return UnreachableError(
        f"the database does not answer: {words_of(error)}", advice="See whether it runs, and what `database` says."
    )


def words_of(error: SQLAlchemyError) -> str:
    """The driver's own words, without the statement."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _hold(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version={NUMBERED}")


def _unknown(found: str, newest: str) -> ContentError:
    return ContentError(
        f"the database has tables of {found}, this program knows them up to revision {newest}",
        advice="Run the remote-assist release that wrote it, or a newer one.",
    )

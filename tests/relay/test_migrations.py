"""Every way to today's tables ends at the same tables: from nothing, and from the files of earlier releases."""

import ast
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, select

from relay.migrations import FOLDER, Standing, migrate, revisions, standing
from relay.storage.database import open_engine
from relay.storage.postgres import open_server
from relay.storage.schema import metadata, records, tickets, tiles
from remote_assist.errors import ContentError
from tests.relay.postgres import Postgres

OLD = Path(__file__).parent / "data" / "version-2.sql"
NEWEST = str(ScriptDirectory(str(FOLDER)).get_current_head())

ADDS = {"create_table", "create_index", "add_column", "bulk_insert"}
"""What a revision may do (relay/migrations, rule 2)."""


def old_file(folder: Path, version: int) -> Path:
    """A relay.db as a release without revisions left it, with a ticket in it."""
    path = folder / "relay.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(OLD.read_text())
        database.execute("INSERT INTO tickets VALUES (1001, 'kept', '', '', '', NULL)")
        database.execute(f"INSERT INTO records VALUES ({', '.join('?' * 10)})", (0, "s-0", 0, *["x"] * 7))
        if version == 1:
            database.execute("DROP TABLE tiles")
        database.execute(f"PRAGMA user_version={version}")
        database.commit()
    return path


def check_tables(engine: Engine) -> None:
    """The tables are those of relay/storage/schema.py."""
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        assert differences == []
        assert standing(connection) == Standing(NEWEST, NEWEST)


def test_an_empty_file_gets_the_tables_of_the_schema(tmp_path: Path) -> None:
    engine = open_engine(str(tmp_path / "relay.db"))
    assert migrate(engine) == Standing("", NEWEST)
    check_tables(engine)
    assert not migrate(engine).is_behind
    engine.dispose()


def test_an_empty_database_on_a_server_gets_the_same_tables(postgres: Postgres) -> None:
    engine = open_server(postgres.new_database())
    assert migrate(engine) == Standing("", NEWEST)
    check_tables(engine)
    assert not migrate(engine).is_behind
    engine.dispose()


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_a_release_without_revisions_keeps_all_it_held(tmp_path: Path, version: int) -> None:
    engine = open_engine(str(old_file(tmp_path, version)))
    assert migrate(engine).found == ""
    check_tables(engine)
    with engine.connect() as connection:
        assert connection.execute(select(tickets.c.subject)).scalars().all() == ["kept"]
        assert connection.execute(select(records.c.session, records.c.signature)).all() == [("s-0", "x")]
        assert connection.execute(select(tiles)).all() == []
    engine.dispose()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(str(old_file(tmp_path, 1)))

    def fails(*_: object) -> None:
        with engine.connect() as other:
            assert other.exec_driver_sql("PRAGMA user_version").scalar_one() == 1
        raise OSError("killed")

    monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", fails)
    with pytest.raises(OSError, match="killed"):
        migrate(engine)
    with engine.connect() as connection:
        assert standing(connection).found == ""
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
        assert "tiles" not in names and "alembic_version" not in names
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA user_version=7", "version 7"),
        ("CREATE TABLE alembic_version (version_num VARCHAR(32))", "revision 9999"),
    ],
)
def test_a_file_ahead_of_this_program_is_refused(tmp_path: Path, statement: str, said: str) -> None:
    path = tmp_path / "relay.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement)
        if "alembic" in statement:
            database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
    engine = open_engine(str(path))
    with pytest.raises(ContentError, match=said):
        migrate(engine)
    engine.dispose()


def test_there_is_one_newest_revision_and_their_numbers_follow_each_other() -> None:
    scripts = ScriptDirectory(str(FOLDER))
    assert len(scripts.get_heads()) == 1, "two revisions follow the same one: the later takes the next number"
    found = [one.revision for one in reversed(list(scripts.walk_revisions()))]
    assert found == [f"{number:04d}" for number in range(1, len(found) + 1)]
    assert found == list(revisions()), "a file's name does not carry its revision"


@pytest.mark.parametrize("path", sorted((FOLDER / "versions").glob("r*.py"))[1:], ids=lambda path: path.stem)
def test_a_revision_after_the_first_only_adds(path: Path) -> None:
    calls = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "op"
    }
    assert calls <= ADDS

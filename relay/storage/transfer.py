"""All rows of a relay from one database into another, whichever they are: how copies of a server are made and put back.

Rule: the source is read as of one moment, the target gets all or nothing, and a target that holds anything is refused.
"""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text

from relay.storage.schema import metadata, records, turns
from remote_assist.errors import UsageError

ROWS_AT_ONCE = 500


def transfer(source: Engine, target: Engine, *, without: Collection[Table]) -> None:
    """Copy every table but `without`. Both have this release's tables. Raises UsageError for a target with records."""
    with (
        source.connect().execution_options(**_snapshot(source)) as reading,
        target.begin() as writing,
    ):
        if writing.execute(select(func.count()).select_from(records)).scalar_one():
            raise UsageError("the database holds a log already", advice="Name an empty one; nothing is overwritten.")
        writing.execute(delete(turns))
        for table in metadata.sorted_tables:
            if table not in without:
                _copy(table, reading, writing)
        if not writing.execute(select(turns)).first():
            writing.execute(insert(turns), {"id": 1, "number": 0})


def _snapshot(source: Engine) -> dict[str, str]:
    return {"isolation_level": "REPEATABLE READ"} if source.dialect.name == "postgresql" else {}


def _copy(table: Table, reading: Connection, writing: Connection) -> None:
    key = list(table.primary_key)
    found = reading.execute(select(table).order_by(*key).execution_options(yield_per=ROWS_AT_ONCE))
    for some in found.mappings().partitions(ROWS_AT_ONCE):
        writing.execute(insert(table), [dict(row) for row in some])
    numbered = table.autoincrement_column
    if numbered is not None and writing.dialect.name == "postgresql":
        # Numbers that rows brought along are not counted by the server itself.
        writing.execute(
            text("SELECT setval(pg_get_serial_sequence(:name, :column), greatest(:last, 1))"),
            {"name": table.name, "column": numbered.name, "last": _last(writing, table)},
        )


def _last(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.max(table.primary_key.columns[0]))).scalar() or 0)

"""A PostgreSQL server that one or several nodes share (docs/decisions/0010-database.md).

    node 1 ── UPDATE turns … (row lock) · job · job · COMMIT ──▶ 41        node 2 ── waits ── 42: somebody else wrote 41

Rule 1: whoever has the turn is the only writer until its commit. A node that freezes or vanishes loses it in seconds.
Rule 2: a commit is on the server's disk before it is answered, whatever the server's own settings say.
"""

import time
from importlib.util import find_spec
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import NullPool

from relay.migrations import unreachable
from relay.storage.database import POOL
from relay.storage.schema import turns
from remote_assist.errors import UsageError

DRIVER = "postgresql+psycopg"

FROZEN_SECONDS = 10
"""A transaction in which nothing happens for so long is ended by the server; so is a wait for the turn."""

SERVING_LOCK = 0x72656C6179
"""Advisory lock of this database: held by a relay that is alone, shared by the nodes of one that is several."""

STOPPING_SECONDS = 2.0
"""How long a relay that has just stopped may still seem to serve."""

STATEMENT_SECONDS = 120
CONNECT_SECONDS = 5
SERVER_SETTINGS = {
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": f"{FROZEN_SECONDS}s",
    "lock_timeout": f"{FROZEN_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


class PostgresServer:
    """A database on a server, by its URL."""

    def __init__(self, url: str) -> None:
        """Connects later. Raises UsageError for what is no URL of one."""
        self.engine = open_server(url)
        self._turn = -1

    @property
    def free_bytes(self) -> int | None:
        return None

    def begin(self, connection: Connection) -> bool:
        taken = update(turns).values(number=turns.c.number + 1).returning(turns.c.number)
        before, self._turn = self._turn, int(connection.execute(taken).scalar_one())
        # After a commit of ours that failed this may miss a turn of another node's; then nothing is remembered anyway.
        return self._turn != before + 1


def hold_server(url: str, *, several: bool) -> Connection:
    """Say at the server, until the connection is closed, that a relay serves from it: alone, or one of several nodes.

    Waits a moment for one that has just stopped: the server lets go of its lock only when it notices. Raises UsageError
    when that does not go together with a relay that serves there already, UnreachableError.
    """
    try:
        connection = open_server(url, poolclass=NullPool).connect()
    except OperationalError as error:
        raise unreachable(error) from error
    taken = text(f"SELECT {'pg_try_advisory_lock_shared' if several else 'pg_try_advisory_lock'}({SERVING_LOCK})")
    given_up = time.monotonic() + STOPPING_SECONDS
    while True:
        is_ours = connection.execute(taken).scalar_one()
        connection.commit()
        if is_ours:
            return connection
        if time.monotonic() >= given_up:
            break
        time.sleep(STOPPING_SECONDS / 20)
    connection.close()
    alone = "that was told of no others" if several else "and this one was told of no others"
    raise UsageError(
        f"another relay serves from this database, {alone}",
        advice="Give every node the same --bus, or stop the other relay.",
    )


def open_server(url: str, **pool: Any) -> Engine:
    """An engine on a server. Raises UsageError for what is no URL of one."""
    parsed = server_url(url)
    if find_spec("psycopg") is None:
        raise UsageError("PostgreSQL needs the package psycopg", advice="Install remote-assist[nodes].")
    return create_engine(
        parsed.set(drivername=DRIVER),
        isolation_level="READ COMMITTED",
        **(pool or {"pool_size": POOL, "max_overflow": 0}),
        # A server that was restarted must not cost a request for each connection that it closed.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": FROZEN_SECONDS * 1000,
            "application_name": "remote-assist-relay",
            "options": " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items()),
        },
    )


def server_url(url: str) -> URL:
    """The parsed URL. Raises UsageError unless it is `postgresql://…/NAME`."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise UsageError("`database` is no URL", advice="Write postgresql://USER@HOST/NAME.") from error
    if parsed.drivername not in {"postgresql", "postgres"} or not parsed.database:
        raise UsageError(f"`database` begins with {parsed.drivername}://", advice="Write postgresql://USER@HOST/NAME.")
    return parsed

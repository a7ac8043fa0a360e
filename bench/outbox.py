"""The outbox: rows it takes in a second, and what one costs beside the commit that an acting session makes anyway.

`python -m bench.outbox`: one run on one machine, each figure beside its peer of the same run: the same number of
commits' jobs that write nothing for the outbox.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from relay.data_folder import DATABASE, initialise
from relay.database import SqliteFile
from relay.deliveries import queue
from relay.foreign import keep
from relay.schema import outbox
from relay.store import Store
from remote_assist.tickets.system import RemoteTicket

ROWS, AT_ONCE = 20_000, 2_000
Work = Callable[[int, Connection], None]
NOW = "2026-11-22T10:00:00.000000Z"


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "relay-data"
        initialise(data, "Example Support", entropy=lambda size: bytes(size - 1) + b"\1")
        store = Store(SqliteFile(data / DATABASE), min_free_bytes=0)
        seen = RemoteTicket("17", "disk", "open", closed=False)
        ticket = await store.write(lambda connection: keep(connection, "rt", seen, NOW))

        def event(number: int, connection: Connection) -> None:
            row = {"session": "s-abcdefghijklmnop", "seq": number, "ticket": ticket, "visibility": "customer"}
            connection.execute(insert(outbox), row)

        def delivery(number: int, connection: Connection) -> None:
            queue(connection, ticket, "time", str(number), NOW, words="1 x")

        nothing = await _seconds(store, lambda number, connection: None)
        for name, work in (("events", event), ("deliveries", delivery)):
            seconds = await _seconds(store, work)
            more = (seconds - nothing) / ROWS * 1000
            print(f"{name}: {ROWS / seconds:,.0f} rows/s; {more:.3f} ms a row more than nothing")
        print(f"nothing: {ROWS / nothing:,.0f} jobs/s")
        await store.close()


async def _seconds(store: Store, work: Work) -> float:
    begun = time.perf_counter()
    for start in range(0, ROWS, AT_ONCE):
        await asyncio.gather(*(store.submit(partial(work, number)) for number in range(start, start + AT_ONCE)))
    return time.perf_counter() - begun


if __name__ == "__main__":
    asyncio.run(main())

"""The outbox: rows it takes in a second, and what one costs beside the commit that an acting session makes anyway.

`python -m bench.outbox`: one run on one machine, each figure beside its peer of the same run: the same number of
commits' jobs that write nothing for the outbox.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from relay.storage.data_folder import DATABASE, initialise
from relay.storage.database import SqliteFile
from relay.storage.foreign import keep
from relay.storage.schema import outbox
from relay.storage.store import Store
from relay.tickets.deliveries import queue
from remote_assist.tickets.system import RemoteTicket

ROWS, AT_ONCE = 20_000, 2_000
A_BATCH = 16
"""Records of one message of an agent; they are queued together."""

Work = Callable[[int, Connection], None]
NOW = "2026-11-22T10:00:00.000000Z"


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "relay-data"
        initialise(data, "Example Support", entropy=lambda size: bytes(size - 1) + b"\1")
        store = Store(SqliteFile(data / DATABASE), min_free_bytes=0)
        seen = RemoteTicket("17", "disk", "open", closed=False)
        tell = insert(outbox)  # made once, as the ledger has it
        ticket = await store.write(lambda connection: keep(connection, "rt", seen, NOW))

        def event(number: int, connection: Connection) -> None:
            row = {"session": "s-abcdefghijklmnop", "seq": number, "ticket": ticket, "visibility": "customer"}
            connection.execute(tell, row)

        def batch(number: int, connection: Connection) -> None:
            rows = [
                {"session": f"s-{number:016d}", "seq": seq, "ticket": ticket, "visibility": "customer"}
                for seq in range(A_BATCH)
            ]
            connection.execute(tell, rows)

        def delivery(number: int, connection: Connection) -> None:
            queue(connection, ticket, "time", str(number), NOW, words="1 x")

        nothing = await _seconds(store, lambda number, connection: None)
        for name, work, rows in (("events", event, 1), ("events by 16", batch, A_BATCH), ("deliveries", delivery, 1)):
            spent = await _seconds(store, work)
            more = (spent.wall - nothing.wall) / ROWS / rows * 1000
            print(
                f"{name}: {ROWS * rows / spent.wall:,.0f} rows/s, {spent.cpu / ROWS / rows * 1e6:.1f} us CPU a row; "
                f"{more:.3f} ms a row more than nothing"
            )
        print(f"nothing: {ROWS / nothing.wall:,.0f} jobs/s, {nothing.cpu / ROWS * 1e6:.1f} us CPU a job")
        await store.close()


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock and of this program's own processor time: on a busy machine they differ."""

    wall: float
    cpu: float


async def _seconds(store: Store, work: Work) -> Spent:
    begun, worked = time.perf_counter(), time.process_time()
    for start in range(0, ROWS, AT_ONCE):
        await asyncio.gather(*(store.submit(partial(work, number)) for number in range(start, start + AT_ONCE)))
    return Spent(time.perf_counter() - begun, time.process_time() - worked)


if __name__ == "__main__":
    asyncio.run(main())

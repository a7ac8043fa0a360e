"""The relay's memory while a log is exported: `python -m bench.audit_export [--records 1000000] [--session 1000]`.

The log is written straight into the database (signatures are place holders: who exports checks them, not the relay);
then a reviewer asks for what `audit export` asks for, page by page with proofs, and the relay's memory is looked at.
"""

import argparse
import asyncio
import base64
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop
from sqlalchemy import Connection

from bench.relay_load import memory_kib
from bench.relay_splice import OutsideWorld
from relay.storage.data_folder import open_database
from remote_assist.core.records import NO_RECORD, record_hash
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import new_key
from remote_assist.technician.api import RelayApi

TIME = "2026-03-01T09:30:00.000000Z"
LOOK_SECONDS = 0.25
ADD_RECORD = (
    'INSERT INTO records ("index", session, seq, hash, code, action, record, head, time, signature) '
    f"VALUES (?, ?, ?, ?, 'RA1400I', '', ?, ?, '{TIME}', ?)"
)
ADD_SESSION = (
    "INSERT INTO sessions (id, ticket, subject, technician, technician_key, serial, host_key, journal_key, opened, "
    "until, streams, ended, end_reason) "
    f"VALUES (?, 1, 'x', 'Alice', 'k', 1, 'h', '', '{TIME}', '{TIME}', 0, '{TIME}', 'done')"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.audit_export", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="records of the log (default 1,000,000)")
    parser.add_argument("--session", type=int, default=1000, help="records of one session (default 1,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-", dir=os.environ.get("BENCH_FOLDER")) as name:
        uvloop.run(export(Path(name), options.records, options.session))
    return 0


async def export(folder: Path, records: int, per_session: int) -> None:
    """Fill the log, serve it, export it."""
    world = OutsideWorld(folder, fill=lambda data: fill(data, records, per_session))
    process = await world.serve()
    try:
        rita = world.person("Rita Example", "reviewer")
        token = (await world.login(rita, "reviewer")).token
        before, seen = memory_kib(process.pid), []
        done = asyncio.Event()

        async def look() -> None:
            while not done.is_set():
                seen.append(await asyncio.to_thread(memory_kib, process.pid))
                await asyncio.sleep(LOOK_SECONDS)

        looking, began = asyncio.create_task(look()), time.perf_counter()
        count = await read_all(world.url, token, records)
        done.set()
        await looking
    finally:
        await world.http.close()
        process.terminate()
        process.wait()
    tenth = max(1, len(seen) // 10)
    print(f"{count:,} records with proofs in {time.perf_counter() - began:.0f} s")
    print(f"relay before the export            {before / 1024:8.1f} MB")
    print(f"  at most in the first tenth of it {max(seen[:tenth]) / 1024:8.1f} MB")
    print(f"  at most in the last tenth of it  {max(seen[-tenth:]) / 1024:8.1f} MB")
    print(f"  at most in all                   {max(seen) / 1024:8.1f} MB", flush=True)


async def read_all(url: str, token: str, size: int) -> int:
    """The requests of `audit export`; what is answered is thrown away."""
    count = 0
    async with RelayApi(url, token=token) as api:
        async for session in api.each_session():
            async for page in api.record_pages(session.id, size):
                count += len(page.records)
    return count


def fill(data: Path, records: int, per_session: int) -> None:
    """So many records in sessions of so many."""
    engine = open_database(data, "").engine
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(
            f"INSERT INTO tickets (id, subject, description, opened, opened_by) VALUES (1, 'x', '', '{TIME}', '')"
        )
        for number in range(records // per_session):
            _write_session(connection, number, per_session)
    engine.dispose()


def _write_session(connection: Connection, number: int, count: int) -> None:
    name = "s-" + base64.b32encode(number.to_bytes(10, "big")).decode().lower()
    connection.exec_driver_sql(ADD_SESSION, (name,))
    connection.exec_driver_sql(ADD_RECORD, list(_rows(name, number * count, count)))


def _rows(name: str, first: int, count: int) -> Iterator[tuple[object, ...]]:
    prev = NO_RECORD
    for seq in range(count):
        raw = (
            '{"action":"a1","actor":{"key":"SHA256:' + "k" * 43 + '","kind":"technician","serial":1},"code":"RA1400I",'
            f'"grant":"g1","prev":"{prev}","program":"ls","scope":"terminal","seq":{seq},"session":"{name}",'
            f'"time":"{TIME}","v":1}}'
        ).encode()
        prev = record_hash(raw)
        yield first + seq, name, seq, prev, raw, _SIGNATURE, _SIGNATURE


_SIGNATURE = sshsig.sign(new_key(bytes(32)), "ack", b"x")


if __name__ == "__main__":
    raise SystemExit(main())

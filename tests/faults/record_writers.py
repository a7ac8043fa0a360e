"""Programs that write records and act only when they may; their system calls are made to fail by strace.

python -m tests.faults.record_writers journal FOLDER      the agent's journal: intent, act (a mark), outcome; thrice
python -m tests.faults.record_writers store FOLDER        the relay's store: three commits, each told when it is kept

Each line of standard output is a promise: `acted N` or `kept N`. Exit 0: all went well, 3: refused somewhere.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, insert

from relay.storage.database import SqliteFile
from relay.storage.schema import tickets
from relay.storage.store import Store
from remote_assist.core.records import Outcome
from remote_assist.errors import AuditUnavailable, LocalProtocolError
from tests.audit.world import new_world

ROUNDS = 3


async def write_journal(folder: Path) -> bool:
    """Whether every round could be written down; it acts only where it could."""
    world = new_world(folder / "journal")
    whole = await _written(world.append("RA1000E", world.technician, opening=world.opening))
    for number in range(ROUNDS):
        if not await _written(world.append("RA1400I", action=f"a{number}", scope="terminal")):
            whole = False
            continue
        say(f"acted {number}")
        done = world.append("RA1400O", action=f"a{number}", outcome=Outcome(status="done"))
        whole = await _written(done) and whole
    return whole


async def write_store(folder: Path) -> bool:
    """Whether every commit was kept."""
    try:
        store = Store(SqliteFile(folder / "relay.db"), min_free_bytes=0)
    except Exception:  # whatever SQLite makes of it: nothing was promised
        return False
    whole = True
    for number in range(1, ROUNDS + 1):
        if await _written(store.write(partial(_add, number))):
            say(f"kept {number}")
        else:
            whole = False
    return whole


def _add(number: int, connection: Connection) -> None:
    row = {"id": number, "subject": "x", "description": "", "opened": "", "opened_by": ""}
    connection.execute(insert(tickets), row)


async def _written(writing: Awaitable[object]) -> bool:
    try:
        await writing
    except AuditUnavailable:
        return False
    except LocalProtocolError:  # the opening could not be written, so nothing may follow it
        return False
    return True


def say(line: str) -> None:
    """Straight to the descriptor: what was said before a SIGKILL was said."""
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    done = asyncio.run((write_journal if what == "journal" else write_store)(where))
    os._exit(0 if done else 3)

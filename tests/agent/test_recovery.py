"""The next start after a crash: old sessions are closed, delivered and verified; half-applied fixes are settled."""

import asyncio
import base64
import json
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.agent.recovery import recover
from remote_assist.audit.journal_files import JOURNAL_KEY
from remote_assist.core.consent import Moment
from remote_assist.transport.folder_lock import hold_folder
from tests.agent.test_frozen_relay import valve_before
from tests.agent.world import AgentWorld
from tests.scenarios.world import World, served_world

pytestmark = pytest.mark.slow


@pytest.fixture
def served(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as world:
        yield world


def test_a_killed_agents_session_is_undone_closed_and_delivered_at_the_next_start(served: World) -> None:
    _, session, agent = served.session()
    served.command("run", session, "--", "true")
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait(10)
    changed = served.folder / "shop.conf"
    changed.write_text("half done")
    _note(served.folder / "customer-home" / "sessions" / session, changed, b"as before")

    _, second, again = served.session()
    assert changed.read_text() == "as before"
    lines = [json.loads(line) for line in served.command("sessions", "--json").stdout.splitlines()]
    states = {one["id"]: one["state"] for one in lines}
    assert states[session] == "ended"
    assert "ended" in served.command("audit", "verify", session).stdout
    served.command("end", second, "--note", "Done.")
    again.wait(10)
    assert not (served.folder / "customer-home" / "sessions" / session / JOURNAL_KEY).exists()


async def test_what_a_frozen_relay_missed_is_delivered_at_the_next_start(world: AgentWorld) -> None:
    async with valve_before(int(world.relay.url.rpartition(":")[2])) as valve:
        world.limit(relay_url=f"http://127.0.0.1:{valve.port}")
        async with world.session() as live:
            valve.freeze()
            world.customer.press_end()
            assert await live.ended() == 0
            valve.cut()
            valve.thaw()
    key = world.home.session_folder(world.technician.session) / JOURNAL_KEY
    assert key.exists(), "with it the rest can be delivered"
    world.limit(relay_url=world.relay.url)
    await recover(world.around, world.customer)
    assert len(await world.logged()) == len(world.journal())
    assert not key.exists()


async def test_a_session_that_runs_now_is_left_alone(world: AgentWorld) -> None:
    async with world.session() as live:
        before = world.codes()
        await recover(world.around, world.customer)
        assert world.codes() == before
        assert not live.agent.done()


async def test_a_damaged_journal_is_named_and_not_touched(world: AgentWorld) -> None:
    async with world.session():
        pass
    records = world.home.session_folder(world.technician.session) / "records.jsonl"
    damaged = records.read_bytes().replace(b"record", b"rocord", 1)
    records.write_bytes(damaged)
    await recover(world.around, world.customer)
    assert any("could not be closed" in line for line in world.customer.lines)
    assert records.read_bytes() == damaged


async def test_a_journal_is_kept_thirty_days_and_then_removed(world: AgentWorld) -> None:
    async with world.session():
        pass
    folder = world.home.session_folder(world.technician.session)
    now = world.moment()
    world.moment = lambda: Moment(now.utc + timedelta(days=29), now.boot_seconds)
    await recover(world.around, world.customer)
    assert folder.exists()
    world.moment = lambda: Moment(now.utc + timedelta(days=31), now.boot_seconds)
    await recover(world.around, world.customer)
    assert not folder.exists()


async def test_a_held_folder_cannot_be_held_twice_and_is_free_after(tmp_path: Path) -> None:
    lock = hold_folder(tmp_path)
    assert lock is not None
    assert hold_folder(tmp_path) is None
    lock.release()
    again = hold_folder(tmp_path)
    assert again is not None
    again.release()


async def test_undo_records_are_on_the_disk_before_the_change_and_a_torn_one_does_not_count(tmp_path: Path) -> None:
    undo = UndoFile.beside(tmp_path, "a7")
    await undo.note("first", {"verb": "command", "argv": ["true"]})
    assert UndoFile.read(undo.path).records == undo.records
    with undo.path.open("ab") as file:
        file.write(b'{"step": "torn')
    (found,) = open_undo_files(tmp_path)
    assert (found.action, found.records, found.is_open) == ("a7", undo.records, True)
    undo.path.write_bytes(undo.path.read_bytes().rpartition(b"\n")[0] + b"\n")
    await undo.close("resolved")
    assert open_undo_files(tmp_path) == []
    assert undo.path.stat().st_mode & 0o777 == 0o600


def _note(folder: Path, path: Path, content: bytes) -> None:
    """The undo record of a fix that was in the middle of changing `path`."""
    record = {
        "verb": "file",
        "path": str(path),
        "existed": True,
        "content": base64.b64encode(content).decode(),
        "mode": 0o644,
    }
    asyncio.run(UndoFile.beside(folder, "a2").note("change the file", record))

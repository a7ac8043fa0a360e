"""Copies of a serving relay: consistent, private, without wraps; put back only when nothing promised is missing."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.backup import back_up, restore
from relay.log.checkpoints import CHECKPOINT
from relay.storage.data_folder import LOG_KEY
from remote_assist.core.messages import Wrap
from remote_assist.errors import ContentError, UsageError, VerificationError
from tests.relay.world import Agent, RelayWorld


async def opened(world: RelayWorld) -> tuple[Agent, str]:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    return agent, token


async def append(agent: Agent, count: int) -> None:
    await agent.append(*[agent.record("RA1006E") for _ in range(count)])


async def take(world: RelayWorld, name: str = "copy") -> Path:
    file = world.organisation.folder / name
    await asyncio.to_thread(back_up, world.organisation.data, file)
    return file


def put_back(
    file: Path, data: Path, index: int | None = None, note: Path | None = None, *, accept: bool = False
) -> int:
    return restore(file, data, known_index=index, known_checkpoint=note, accept_rollback=accept).last_index


async def test_a_copy_of_a_serving_relay_serves_again_with_the_same_log(world: RelayWorld, tmp_path: Path) -> None:
    agent, _ = await opened(world)
    writing = asyncio.create_task(append(agent, 50))
    file = await take(world)
    await writing
    await append(agent, 3)
    file = await take(world, "later")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await world.relay.stop()
    data = world.organisation.data
    data.rename(tmp_path / "old")
    assert put_back(file, data, note=tmp_path / "old" / CHECKPOINT) == 53
    assert stat.S_IMODE(data.stat().st_mode) == 0o700 and stat.S_IMODE((data / LOG_KEY).stat().st_mode) == 0o600
    world.settings["port"] = int(agent.world.url.rpartition(":")[2])
    await world.start()
    await agent.connect()
    await append(agent, 1)
    _, token = await world.technician()
    assert (await world.call("GET", "/v1/tickets", token=token))[0] == 200


async def test_neither_wraps_nor_logins_are_in_a_copy_not_even_in_free_pages(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    secret = b"a wrapped key that must stay here" * 4
    await agent.append(agent.record("RA1006E"), wraps=(Wrap(key_id="k-1", reviewer="r-1", sealed=secret),))
    file = await take(world)
    assert b"a wrapped key" not in file.read_bytes()
    with closing(sqlite3.connect(file)) as copy:
        assert [copy.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("wraps", "tokens")] == [0, 0]
        assert copy.execute("SELECT count(*) FROM records").fetchone()[0] == 2


async def test_the_log_key_is_nowhere_in_the_database_of_a_restored_folder(world: RelayWorld, tmp_path: Path) -> None:
    data = tmp_path / "new"
    put_back(await take(world), data, -1)
    key = (data / LOG_KEY).read_bytes().splitlines()[2]
    assert key not in (data / "relay.db").read_bytes()


async def test_a_copy_behind_what_was_acknowledged_is_refused_and_leaves_nothing(
    world: RelayWorld, tmp_path: Path
) -> None:
    agent, _ = await opened(world)
    file = await take(world)
    await append(agent, 4)
    await world.relay.stop()
    await world.start()  # signs a checkpoint over all
    note, data = world.organisation.data / CHECKPOINT, tmp_path / "new"
    with pytest.raises(VerificationError, match="record 4 was acknowledged, and the copy ends at 0"):
        put_back(file, data, 4)
    with pytest.raises(VerificationError, match="behind what this relay promised"):
        put_back(file, data, note=note)
    with pytest.raises(UsageError, match="go unnoticed"):
        put_back(file, data)
    assert not data.exists()
    assert put_back(file, data, 0) == 0
    again = tmp_path / "again"
    assert put_back(file, again, note=note, accept=True) == 0
    assert (again / CHECKPOINT).read_bytes() == note.read_bytes()


async def test_a_copy_with_a_changed_record_is_refused(world: RelayWorld, tmp_path: Path) -> None:
    agent, _ = await opened(world)
    await append(agent, 3)
    await world.relay.stop()
    await world.start()
    file = await take(world)
    with closing(sqlite3.connect(file)) as copy:
        copy.execute("UPDATE records SET time = replace(time, '20', '21') WHERE \"index\" = 1")
        copy.commit()
    with pytest.raises(VerificationError, match="contradicts its own checkpoint"):
        put_back(file, tmp_path / "new", 3)
    assert not (tmp_path / "new").exists()


async def test_a_checkpoint_of_another_relay_is_refused(world: RelayWorld, tmp_path: Path) -> None:
    file = await take(world)
    (tmp_path / "note").write_text("example.com/log\n1\nAAAA\n\n\u2014 example.com AAAA\n")
    with pytest.raises(VerificationError):
        put_back(file, tmp_path / "new", note=tmp_path / "note")


async def test_a_relay_without_a_record_has_no_checkpoint_and_is_put_back_all_the_same(
    world: RelayWorld, tmp_path: Path
) -> None:
    file = await take(world)
    with pytest.raises(UsageError, match="there is no file") as missing:
        put_back(file, tmp_path / "new", note=tmp_path / "checkpoint")
    assert "--known-index -1" in missing.value.advice
    assert put_back(file, tmp_path / "new", -1) == -1


async def test_nothing_is_overwritten(world: RelayWorld, tmp_path: Path) -> None:
    file = await take(world)
    with pytest.raises(UsageError, match="is there already"):
        await take(world)
    (tmp_path / "new").mkdir()
    with pytest.raises(UsageError, match="is there already"):
        put_back(file, tmp_path / "new", -1)


def test_what_is_no_copy_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "copy"
    with pytest.raises(UsageError, match="no file"):
        put_back(file, tmp_path / "new", 0)
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(ContentError, match="no copy"):
        put_back(file, tmp_path / "new", 0)
    file.unlink()
    with closing(sqlite3.connect(file)) as empty:
        empty.execute("PRAGMA user_version=99")
    with pytest.raises(ContentError, match="version 99"):
        put_back(file, tmp_path / "new", 0)
    assert not (tmp_path / "new").exists()


async def test_both_verbs_say_what_they_did(
    world: RelayWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await opened(world)
    data, file = world.organisation.data, tmp_path / "a.backup"
    assert main(["backup", str(file), "--data", str(data)]) == 0
    assert "up to record 0" in capsys.readouterr().out
    (tmp_path / "relay.toml").write_text(f'data = "{data}"\n')
    assert main(["backup", str(tmp_path / "b.backup"), "--config", str(tmp_path / "relay.toml")]) == 0
    assert "up to record 0" in capsys.readouterr().out
    assert main(["backup", str(tmp_path / "c.backup")]) == 2
    assert "no data folder is named" in capsys.readouterr().err
    assert main(["restore", str(file), "--data", str(tmp_path / "new")]) == 2
    assert "--known-checkpoint" in capsys.readouterr().err
    assert main(["restore", str(file), "--data", str(tmp_path / "new"), "--known-index", "7"]) == 5
    assert main(["restore", str(file), "--data", str(tmp_path / "new"), "--known-index", "0"]) == 0
    assert "people log in again" in capsys.readouterr().out

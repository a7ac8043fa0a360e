"""A relay on a server is copied while it serves and put back on either kind of database, never behind its word."""

import asyncio
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.backup import back_up, restore
from relay.log.checkpoints import CHECKPOINT
from remote_assist.core.api import NewNote, Ticket
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.messages import Acknowledged, Wrap
from remote_assist.errors import UsageError, VerificationError
from tests.relay.postgres import Postgres
from tests.relay.world import Agent, RelayWorld


@pytest.fixture
def database(postgres: Postgres) -> str:
    return postgres.new_database()


async def grown(world: RelayWorld) -> tuple[Agent, str]:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    for _ in range(6):
        answer = await agent.append(
            *[agent.record("RA1006E") for _ in range(50)], wraps=(Wrap(key_id="k", reviewer="r", sealed=b"sealed"),)
        )
        assert isinstance(answer, Acknowledged), answer
    await world.call("POST", "/v1/tickets/1001/notes", NewNote(key="n-1", text="seen"), token=token)
    return agent, token


@pytest.mark.parametrize("back_on", ["postgresql", "sqlite"])
async def test_a_copy_of_a_server_serves_again_on_either_kind(
    world: RelayWorld, postgres: Postgres, tmp_path: Path, back_on: str
) -> None:
    agent, token = await grown(world)
    file, data = tmp_path / "copy", world.organisation.data
    copied = await asyncio.to_thread(back_up, data, file, database=world.organisation.database)
    assert copied.last_index == 300
    note = (await world.call("GET", "/v1/log/checkpoint?covers=300"))[1].decode()
    address = world.url
    await world.relay.stop()
    data.rename(tmp_path / "old")
    target = postgres.new_database() if back_on == "postgresql" else ""
    put_back = {"known_index": None, "known_checkpoint": tmp_path / "old" / CHECKPOINT, "accept_rollback": False}
    await asyncio.to_thread(restore, file, data, database=target, **put_back)  # type: ignore[arg-type]
    assert (data / "relay.db").exists() is (back_on == "sqlite")
    world.settings.update(database=target, port=int(address.rpartition(":")[2]))
    world.organisation.database = target
    await world.start()
    again = open_checkpoint((await world.call("GET", "/v1/log/checkpoint"))[1].decode(), [world.organisation.log_key])
    assert again.head == open_checkpoint(note, [world.organisation.log_key]).head
    await agent.connect()
    answer = await agent.append(agent.record("RA1006E"))
    assert isinstance(answer, Acknowledged) and answer.acknowledgements[0].index == 301
    assert world.sql("SELECT count(*) FROM wraps") == [(0,)]
    token = (await world.login(world.person())).token
    status, raw = await world.call("POST", "/v1/tickets/1001/notes", NewNote(key="n-2", text="again"), token=token)
    assert status == 201, raw
    assert "again" in [one.text for one in (await world.get("/v1/tickets/1001", Ticket, token)).notes]


async def test_a_copy_behind_what_was_acknowledged_is_refused_and_the_server_stays_empty(
    world: RelayWorld, postgres: Postgres, tmp_path: Path
) -> None:
    agent, _ = await grown(world)
    file, data = tmp_path / "copy", world.organisation.data
    await asyncio.to_thread(back_up, data, file, database=world.organisation.database)
    await agent.append(agent.record("RA1006E"))
    await world.call("GET", "/v1/log/checkpoint?covers=301")
    target = postgres.new_database()
    with pytest.raises(VerificationError, match="behind what this relay promised"):
        restore(
            file, tmp_path / "new", known_index=None, known_checkpoint=data / CHECKPOINT, accept_rollback=False,
            database=target,
        )  # fmt: skip
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="holds a log already"):
        restore(
            file, tmp_path / "new", known_index=300, known_checkpoint=None, accept_rollback=False,
            database=world.organisation.database,
        )  # fmt: skip
    assert not (tmp_path / "new").exists()


async def test_the_verbs_take_the_server_from_the_settings_file(
    world: RelayWorld, postgres: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await grown(world)
    config = tmp_path / "relay.toml"
    config.write_text(f'database = "{world.organisation.database}"\n')
    data, file = str(world.organisation.data), str(tmp_path / "copy")
    assert await asyncio.to_thread(main, ["backup", file, "--data", data, "--config", str(config)]) == 0
    assert "up to record 300" in capsys.readouterr().out
    assert await asyncio.to_thread(main, ["check", "--data", data, "--config", str(config)]) == 0
    assert "✔ database: whole, 301 records" in capsys.readouterr().out
    words = ["restore", file, "--data", str(tmp_path / "new"), "--known-index", "300"]
    gone = f"postgresql://tester@127.0.0.1:1/{postgres.port}"
    assert await asyncio.to_thread(main, [*words, "--database", gone]) == 4
    assert "does not answer" in capsys.readouterr().err and not (tmp_path / "new").exists()

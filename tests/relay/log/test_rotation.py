"""Log keys of a serving relay: who signs for whom, what a restart and a copy keep, when an old one is destroyed."""

import asyncio
import secrets
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from relay.backup import back_up, restore
from relay.examination import examine
from relay.log.checkpoints import CHECKPOINT
from relay.log.keys import NEXT, LogKeys, prepare_next, short_name
from relay.storage.data_folder import adopt
from remote_assist.core.api import SuccessionsAnswer
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.codec import decode
from remote_assist.core.log.succession import follow
from remote_assist.core.messages import Acknowledged, AppendRefused, AskCheckpoint, CheckpointGiven
from remote_assist.core.records import verify_acknowledgement
from remote_assist.core.signing.keys import public_line
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.core.signing.sshsig import PrivateKey
from remote_assist.core.tree import TreeHead
from remote_assist.errors import UsageError
from remote_assist.settings import RelaySettings
from tests.relay.world import Agent, RelayWorld


async def rotated(world: RelayWorld) -> str:
    """Make a key, have it adopted, let it follow; answer its public line."""
    organisation = world.organisation
    new = public_line(prepare_next(organisation.data, secrets.token_bytes))
    organisation.write_lists(organisation.folder / "out", number=2, more=(new,))
    adopt(organisation.folder / "out", organisation.data, now=world.clock())
    async with asyncio.timeout(60):
        while not (await world.call("GET", "/v1/log/checkpoint"))[1].startswith(log_origin(new).encode()):
            await asyncio.sleep(0.05)
    assert not (organisation.data / NEXT).exists()
    return new


def lists(world: RelayWorld) -> tuple[bytes, ...]:
    """What technicians bring who log in now."""
    return tuple(path.read_bytes() for path in sorted((world.organisation.data / "lists").iterdir()))


async def signer(agent: Agent, *, opening: tuple[bytes, ...] | None = None) -> Acknowledged:
    record = agent.record("RA1006E") if opening is None else agent.opening(lists=opening)
    answer = await agent.append(record)
    assert isinstance(answer, Acknowledged), answer
    return answer


def signed_by(answer: Acknowledged, line: str) -> None:
    for one in answer.acknowledgements:
        verify_acknowledgement(one, [line])


async def test_each_session_keeps_its_key_and_each_agent_is_shown_checkpoints_by_it(world: RelayWorld) -> None:
    alice, token = await world.technician()
    old, stale = world.organisation.log_key, lists(world)
    living, late, fresh = [world.agent(alice, await world.ticket(token)) for _ in range(3)]
    await living.connect()
    signed_by(await signer(living, opening=stale), old)
    new = await rotated(world)
    await late.connect()
    signed_by(await signer(late, opening=stale), old)  # a technician who logged in before
    await fresh.connect()
    signed_by(await signer(fresh, opening=lists(world)), new)
    for agent, line in ((living, old), (late, old), (fresh, new)):
        signed_by(await signer(agent), line)
        await agent.send(AskCheckpoint(since=0))
        answer = await agent.receive()
        assert isinstance(answer, CheckpointGiven)
        assert open_checkpoint(answer.checkpoint, [line]).origin == log_origin(line)
    _, raw = await world.call("GET", "/v1/log/checkpoint")
    assert open_checkpoint(raw.decode(), [new]).size > 0
    _, raw = await world.call("GET", "/v1/log/successions")
    (one,) = follow([old], decode(raw, SuccessionsAnswer).notes)
    assert one.new_key == new


async def test_a_relay_that_starts_again_goes_on_with_both_keys_and_a_copy_holds_them(
    world: RelayWorld, tmp_path: Path
) -> None:
    alice, token = await world.technician()
    old, stale = world.organisation.log_key, lists(world)
    living = world.agent(alice, await world.ticket(token))
    await living.connect()
    await signer(living, opening=stale)
    new = await rotated(world)
    world.settings["port"] = int(world.url.rpartition(":")[2])
    data = world.organisation.data
    await asyncio.to_thread(back_up, data, tmp_path / "copy")
    await world.relay.stop()
    data.rename(tmp_path / "lost")
    known = tmp_path / "lost" / CHECKPOINT
    restore(tmp_path / "copy", data, known_index=None, known_checkpoint=known, accept_rollback=False)
    assert LogKeys(data).lines == (new, old)
    assert all(path.stat().st_mode & 0o077 == 0 for path in data.glob("log_key*"))
    await world.start()
    await living.connect()
    signed_by(await signer(living), old)


async def test_a_key_that_only_waits_signs_nothing_and_check_says_what_to_do(world: RelayWorld) -> None:
    data = world.organisation.data
    prepare_next(data, secrets.token_bytes)
    with pytest.raises(UsageError, match="waits already"):
        prepare_next(data, secrets.token_bytes)
    await world.relay.log.rotation.look()
    assert LogKeys(data).lines == (world.organisation.log_key,)
    settings = RelaySettings(data=data, port=0)
    found = await asyncio.to_thread(lambda: list(examine(settings, now=world.clock())))
    (finding,) = [one for one in found if one.what == "adoption"]
    assert not finding.ok and "log_key.next" in finding.sentence and "ca adopt" in finding.advice


async def test_an_old_key_is_destroyed_when_its_last_session_is_over_and_nobody_can_come_with_old_lists(
    world: RelayWorld,
) -> None:
    alice, token = await world.technician()
    old, stale, data = world.organisation.log_key, lists(world), world.organisation.data
    living = world.agent(alice, await world.ticket(token))
    await living.connect()
    await signer(living, opening=stale)
    new = await rotated(world)
    await world.relay.log.rotation.retire()
    assert LogKeys(data).lines == (new, old)  # somebody's lists may be of before
    world.clock.turn(hours=13)
    await world.relay.log.rotation.retire()
    assert LogKeys(data).lines == (new, old)  # a session lives
    await living.append(living.ending())
    await world.relay.log.rotation.retire()
    assert LogKeys(data).lines == (new,)
    assert not list(data.glob(f"log_key.old-{short_name(LogKeys(data).current)}")) and not list(data.glob("*.old-*"))
    alice, token = await world.technician()
    late = world.agent(alice, await world.ticket(token))
    await late.connect()
    refused = await late.append(late.opening(lists=stale))
    assert isinstance(refused, AppendRefused) and refused.reason == "stale-lists"
    codes = [code for (code,) in world.sql("SELECT code FROM records WHERE session LIKE 'o-%' ORDER BY \"index\"")]
    assert codes == ["RA2000E", "RA2030E", "RA2000E", "RA2031E"]


KILLED = """
import os, signal, sys
from pathlib import Path
from relay.log import keys as log_keys

keys = log_keys.LogKeys(Path(sys.argv[1]))
(elder,) = keys.elders
if sys.argv[2] == "renamed":
    log_keys.sync_folder = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
else:
    Path.unlink = lambda path: os.kill(os.getpid(), signal.SIGKILL)
keys.part_with(elder)
keys.destroy(log_keys.short_name(elder))
"""


@pytest.mark.parametrize("when", ["renamed", "zeroed"])
async def test_a_relay_killed_while_it_destroyed_a_key_starts_and_finishes_that(world: RelayWorld, when: str) -> None:
    data = world.organisation.data
    new = await rotated(world)
    await world.relay.stop()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(data), when], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (left,) = data.glob("log_key.gone-*")
    assert (set(left.read_bytes()) == {0}) == (when == "zeroed")
    await world.start()
    async with asyncio.timeout(60):
        while left.exists():
            await asyncio.sleep(0.05)
    assert LogKeys(data).lines == (new,) and not list(data.glob("log_key.*"))
    assert world.sql("SELECT count(*) FROM records WHERE code = 'RA2031E'") == [(1,)]


async def test_a_key_read_anew_while_it_is_looked_who_needs_it_is_kept(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same key twice in memory is one key."""
    alice, token = await world.technician()
    old, stale, data = world.organisation.log_key, lists(world), world.organisation.data
    living = world.agent(alice, await world.ticket(token))
    await living.connect()
    await signer(living, opening=stale)
    new = await rotated(world)
    world.clock.turn(hours=13)
    known = LogKeys.of_session

    def reread(keys: LogKeys, connection: Connection, session: str) -> PrivateKey:
        found = known(keys, connection, session)
        keys.read()
        return found

    monkeypatch.setattr(LogKeys, "of_session", reread)
    await world.relay.log.rotation.retire()
    assert LogKeys(data).lines == (new, old)


async def test_a_commit_that_fails_as_the_key_follows_leaves_a_relay_that_signs_by_the_new_one(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, token = await world.technician()
    old, stale, data = world.organisation.log_key, lists(world), world.organisation.data
    living = world.agent(alice, await world.ticket(token))
    await living.connect()
    await signer(living, opening=stale)
    real = LogKeys.follow

    def follow_and_lose_the_disk(keys: LogKeys, new: PrivateKey, head: TreeHead, now: datetime) -> None:
        real(keys, new, head, now)
        raise OperationalError("COMMIT", {}, OSError("the disk is gone"))

    monkeypatch.setattr(LogKeys, "follow", follow_and_lose_the_disk)
    new = await rotated(world)
    assert LogKeys(data).lines == (new, old)
    assert world.sql("SELECT count(*) FROM records WHERE code = 'RA2030E'") == [(0,)]
    signed_by(await signer(living), old)
    fresh = world.agent(alice, await world.ticket(token))
    await fresh.connect()
    signed_by(await signer(fresh, opening=lists(world)), new)
    _, raw = await world.call("GET", "/v1/log/successions")
    assert [one.new_key for one in follow([old], decode(raw, SuccessionsAnswer).notes)] == [new]

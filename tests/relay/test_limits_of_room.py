"""How much there may be, as the settings say it: connections, stored chunks, room on the disk; that all is tested."""

import asyncio
import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from remote_assist.core.messages import Acknowledged, ChunkRefused, ChunkStored, StoreChunk
from remote_assist.settings import RelaySettings
from tests.relay.test_limits import Started, dial, is_closed
from tests.relay.test_streams import opened_session, stream
from tests.relay.world import Agent

NO_LIMITS = {"port", "outbox_interval_seconds", "checkpoint_interval_seconds", "retention_interval_seconds"}
"""Numbers in the settings that bound nothing a peer does."""


def test_every_limit_of_the_settings_has_a_test_that_sets_it_on_a_running_relay() -> None:
    folder = Path(__file__).parent
    said = "\n".join(path.read_text() for path in (*folder.glob("test_*.py"), folder.parent / "agent/test_shell.py"))
    limits = {one.name for one in fields(RelaySettings) if one.type in ("int", "float", int, float)} - NO_LIMITS
    # Set as a keyword, or in a dictionary of settings; a type or an attribute's name does not count.
    untested = {name for name in limits if not re.search(rf'\b{name}(=|"\]? ?[:=] ?)[0-9a-z(]', said)}
    assert untested == set()


async def test_all_strangers_together_are_limited_at_the_cost_of_who_holds_most(started: Started) -> None:
    async with started(unauthenticated_connections=4) as world:
        held = [await dial(world, "127.0.0.3") for _ in range(4)]
        reader, writer = await dial(world, "127.0.0.4")
        assert await is_closed(held[0][0])
        assert not await is_closed(held[1][0], 0.1)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()


async def kept(agent: Agent, body: bytes) -> ChunkStored | ChunkRefused:
    """A record that names a chunk, then the chunk."""
    seq, hash = agent.seq, hashlib.sha256(body).hexdigest()
    named = agent.record("RA1410E", recording="1", stored=hash, sizes={"stored": len(body)})
    await agent.append(named)
    await agent.send(StoreChunk(session=agent.session, seq=seq, body=body))
    answer = await agent.receive()
    assert isinstance(answer, ChunkStored | ChunkRefused)
    return answer


async def test_what_a_session_and_what_all_may_store_beside_the_log_is_limited(started: Started) -> None:
    async with started(chunk_bytes_per_session=300, chunk_bytes=500) as world:
        first, _ = await opened_session(world)
        second, _ = await opened_session(world)
        assert isinstance(await kept(first, b"a" * 300), ChunkStored)
        over = await kept(first, b"b")
        assert isinstance(over, ChunkRefused) and "a session may" in over.sentence
        full = await kept(second, b"c" * 201)
        assert isinstance(full, ChunkRefused) and "as much as it may" in full.sentence
        assert isinstance(await kept(second, b"d" * 200), ChunkStored)


async def test_a_message_of_a_stream_is_as_long_as_the_settings_say(started: Started) -> None:
    async with started(pipe_buffer_bytes=64 << 10) as world:
        agent, token = await opened_session(world)
        technician, other, _ = await stream(world, agent, token)
        await technician.send(bytes(64 << 10))
        assert len(await other.recv()) == 64 << 10
        with pytest.raises(ConnectionClosed):
            await technician.send(bytes((64 << 10) + 2))
            await technician.recv()


@pytest.mark.slow
async def test_a_disk_that_is_nearly_full_begins_no_session_and_goes_on_with_those_that_live(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = {"warn_free_bytes": 3000, "new_session_free_bytes": 2000, "min_free_bytes": 1000}
    async with started(**room) as world:
        agent, token = await opened_session(world)
        monkeypatch.setattr("relay.storage.store.Store.free_bytes", property(lambda store: 2500))
        assert json.loads(str(await agent.link.recv()))["level"] == "warn"
        assert (await world.call("GET", "/readyz"))[0] == 200
        monkeypatch.setattr("relay.storage.store.Store.free_bytes", property(lambda store: 1500))
        async with asyncio.timeout(10):
            while (await world.call("GET", "/readyz"))[0] != 503:
                await asyncio.sleep(0.05)
        with pytest.raises(InvalidStatus) as caught:
            await world.socket("/v1/nameplate", token=token)
        assert caught.value.response.status_code == 503
        await agent.link.recv()  # how much room there is
        assert isinstance(await agent.append(agent.record("RA1006E")), Acknowledged)

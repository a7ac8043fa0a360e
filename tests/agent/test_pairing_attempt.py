"""The agent's end of a pairing, against a relay that says what the test wants."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import parse_code
from remote_assist.core.messages import PROTOCOL_VERSION, Burn, PairingReply, PairingStart, PeerJoined
from remote_assist.core.pairing import version_only
from remote_assist.errors import CodeBurned, RefusedError
from tests.agent.world import AgentWorld, agent_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as running:
        yield running


@pytest.mark.parametrize("version", [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1])
async def test_a_technician_of_another_version_hears_the_agents_version_and_nothing_to_guess_by(
    world: AgentWorld, version: int
) -> None:
    heard: list[str | bytes] = []

    async def technician(connection: ServerConnection) -> None:
        await connection.send(encode(PeerJoined()).decode())
        await connection.send(encode(PairingStart(version=version, x=b"A" + bytes(32), nonce=bytes(32))))
        heard.extend([message async for message in connection])

    async with serve(technician, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        world.limit(relay_url=f"http://127.0.0.1:{port}")
        with pytest.raises(CodeBurned) as caught:
            await world.join(parse_code("417203-tulip-rocket-amber"))
    older = "the technician's program" if version < PROTOCOL_VERSION else "this program"
    assert caught.value.reason == "version" and f"Update {older}" in caught.value.advice
    assert decode(heard[0], PairingReply) == version_only()
    assert decode(heard[1], Burn).reason == "version"
    assert world.customer.questions == []


async def test_after_as_many_failures_as_its_settings_say_the_agent_tries_no_code_whatever_the_relay_does(
    world: AgentWorld,
) -> None:
    dialled = 0

    async def stranger(connection: ServerConnection) -> None:
        nonlocal dialled
        dialled += 1
        await connection.send(encode(PeerJoined()).decode())
        await connection.send(encode(PairingStart(version=PROTOCOL_VERSION, x=b"A", nonce=bytes(32))))
        await connection.wait_closed()

    limits = replace(world.settings.pairing, failures_before_lock=2, failure_window_seconds=600)
    async with serve(stranger, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        world.limit(relay_url=f"http://127.0.0.1:{port}", pairing=limits)
        for code in ("417203-tulip-rocket-amber", "417204-tulip-rocket-amber"):
            with pytest.raises(CodeBurned):
                await world.join(parse_code(code))
        with pytest.raises(RefusedError) as caught:
            await world.join(parse_code("417205-tulip-rocket-amber"))
    assert caught.value.reason == "too-many-failures" and dialled == 2
    assert "within 10 minutes" in caught.value.message and "in 10 minutes" in caught.value.advice

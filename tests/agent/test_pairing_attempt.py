"""The agent's end of a pairing, against a relay that says what the test wants."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import parse_code
from remote_assist.core.messages import PROTOCOL_VERSION, Burn, PairingReply, PairingStart, PeerJoined
from remote_assist.core.pairing import version_only
from remote_assist.errors import CodeBurned
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

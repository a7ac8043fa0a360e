"""Two ends meet at a nameplate; the relay passes on bytes it does not read, once, and then the number is used up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from remote_assist.core.codec import encode
from remote_assist.core.messages import (
    Burn,
    NameplateAssigned,
    PeerJoined,
    PeerLeft,
    RelayRefused,
    Rendezvous,
)
from tests.relay.world import RelayWorld, understood

NEVER_JSON = b'\x00\xff{"type":"burn","reason":"paired"}'


async def said(link: ClientConnection) -> Any:
    return understood(await link.recv(), Rendezvous)


async def nameplate(world: RelayWorld) -> tuple[ClientConnection, str]:
    """A technician beside a nameplate."""
    _, token = await world.technician()
    link = await world.socket("/v1/nameplate", token=token)
    assigned = await said(link)
    assert isinstance(assigned, NameplateAssigned) and assigned.seconds == 600
    return link, assigned.nameplate


async def joined(world: RelayWorld, technician: ClientConnection, number: str) -> ClientConnection:
    link = await world.socket(f"/v1/join/{number}")
    assert await said(link) == PeerJoined()
    assert await said(technician) == PeerJoined()
    return link


async def refusal(world: RelayWorld, number: str) -> str:
    """Why a join was refused; the socket is closed behind it."""
    async with world.socket(f"/v1/join/{number}") as link:
        answer = await said(link)
        assert isinstance(answer, RelayRefused) and answer.sentence
        with pytest.raises(ConnectionClosed):
            await link.recv()
        return answer.reason


async def test_binary_messages_pass_byte_for_byte_in_both_directions(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    for message in (NEVER_JSON, b"", bytes(60_000)):
        await technician.send(message)
        assert await agent.recv() == message
        await agent.send(message)
        assert await technician.recv() == message


async def test_a_second_joiner_finds_the_nameplate_used(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    assert await refusal(world, number) == "used"
    await agent.send(b"still ours")
    assert await technician.recv() == b"still ours"


async def test_of_several_joiners_at_once_one_wins(world: RelayWorld) -> None:
    _, number = await nameplate(world)
    links = await asyncio.gather(*(world.socket(f"/v1/join/{number}") for _ in range(3)))
    answers = [await said(link) for link in links]
    assert sum(answer == PeerJoined() for answer in answers) == 1
    assert sum(isinstance(answer, RelayRefused) and answer.reason == "used" for answer in answers) == 2


async def test_an_unknown_number_is_refused_and_the_address_pays_in_the_end(world: RelayWorld) -> None:
    from websockets.exceptions import InvalidStatus

    for _ in range(3):
        assert await refusal(world, "417203") == "unknown-code"
    with pytest.raises(InvalidStatus) as caught:
        await world.socket("/v1/join/417203")
    assert caught.value.response.status_code == 429


async def test_after_ten_minutes_the_code_is_expired(world: RelayWorld) -> None:
    _, number = await nameplate(world)
    world.clock.turn(seconds=601)
    assert await refusal(world, number) == "expired"


async def test_when_the_technician_burns_the_code_the_joiner_is_told_and_the_number_is_used(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    await agent.send(b"reply")
    assert await technician.recv() == b"reply"
    await technician.send(encode(Burn(reason="wrong-code")).decode(), text=True)
    assert await said(agent) == PeerLeft(reason="burned")
    with pytest.raises(ConnectionClosed):
        await agent.recv()
    assert await refusal(world, number) == "used"


async def test_when_the_technician_leaves_the_joiner_is_told(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    await technician.close()
    assert await said(agent) == PeerLeft(reason="gone")
    assert await refusal(world, number) == "used"


async def test_a_joiner_who_leaves_before_its_reply_frees_the_nameplate_twice_then_it_is_replaced(
    world: RelayWorld,
) -> None:
    technician, number = await nameplate(world)
    for _ in range(2):
        agent = await joined(world, technician, number)
        await technician.send(b"start")
        await agent.close()
        assert await said(technician) == PeerLeft(reason="gone")
    world.clock.turn(seconds=30)
    agent = await joined(world, technician, number)
    await agent.close()
    assert await said(technician) == PeerLeft(reason="gone")
    replaced = await said(technician)
    assert isinstance(replaced, NameplateAssigned) and replaced.nameplate != number
    world.clock.turn(seconds=60)
    assert await refusal(world, number) == "used"
    agent = await joined(world, technician, replaced.nameplate)
    await agent.send(b"reply")
    assert await technician.recv() == b"reply"


async def test_a_joiner_who_leaves_after_its_reply_has_used_the_code_up(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    await agent.send(b"reply")
    await agent.close()
    assert await technician.recv() == b"reply"
    assert await said(technician) == PeerLeft(reason="gone")
    with pytest.raises(ConnectionClosed):
        await technician.recv()
    assert await refusal(world, number) == "used"


async def test_the_last_message_arrives_before_the_news_that_the_joiner_left(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    for message in (b"reply", b"verdict"):
        await agent.send(message)
    await agent.close()
    assert [await technician.recv(), await technician.recv()] == [b"reply", b"verdict"]


async def test_a_pairing_has_only_so_many_messages(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    with pytest.raises(ConnectionClosed):
        for _ in range(100):
            await agent.send(b"more")
            await technician.recv()
            await asyncio.sleep(0)


async def test_a_message_beyond_the_limit_closes_the_socket(world: RelayWorld) -> None:
    technician, number = await nameplate(world)
    agent = await joined(world, technician, number)
    await agent.send(bytes((64 << 10) + 2))
    with pytest.raises(ConnectionClosed):
        await agent.recv()


@pytest.mark.parametrize("text", ['{"type":"peer-joined"}', "{}", "burn"])
async def test_text_that_is_no_burn_is_refused(world: RelayWorld, text: str) -> None:
    technician, _ = await nameplate(world)
    await technician.send(text, text=True)
    answer = await said(technician)
    assert isinstance(answer, RelayRefused) and answer.reason == "malformed"


@pytest.fixture
async def short_lived(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path, nameplate_lifetime_seconds=1) as running:
        yield running


@pytest.mark.slow
async def test_the_technician_is_told_when_nobody_came(short_lived: RelayWorld) -> None:
    _, token = await short_lived.technician()
    technician = await short_lived.socket("/v1/nameplate", token=token)
    assert isinstance(assigned := await said(technician), NameplateAssigned) and assigned.seconds == 1
    assert await said(technician) == PeerLeft(reason="expired")
    with pytest.raises(ConnectionClosed):
        await technician.recv()
    assert await refusal(short_lived, assigned.nameplate) == "expired"


async def test_a_technician_may_hold_only_so_many(world: RelayWorld) -> None:
    from websockets.exceptions import InvalidStatus

    _, token = await world.technician()
    links = [await world.socket("/v1/nameplate", token=token) for _ in range(20)]
    with pytest.raises(InvalidStatus) as caught:
        await world.socket("/v1/nameplate", token=token)
    assert caught.value.response.status_code == 429
    await links[0].close()
    async with world.socket("/v1/nameplate", token=token) as link:
        assert isinstance(await said(link), NameplateAssigned)
    for link in links:
        await link.close()

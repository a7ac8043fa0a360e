"""Streams: offered, dialled once, spliced byte for byte with back-pressure, ended together."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode

from remote_assist.core.messages import RelayRefused, StreamControl, StreamOffered, StreamOpened
from tests.relay.world import Agent, RelayWorld, understood


async def opened_session(world: RelayWorld) -> tuple[Agent, str]:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    return agent, token


async def said(link: ClientConnection) -> Any:
    return understood(await link.recv(), StreamControl)


async def stream(
    world: RelayWorld, agent: Agent, token: str, query: str = "", **more: Any
) -> tuple[ClientConnection, ClientConnection, StreamOpened]:
    """Both ends of a new stream."""
    technician = await world.socket(f"/v1/sessions/{agent.session}/stream{query}", token=token, **more)
    offered = await agent.receive()
    assert isinstance(offered, StreamOffered)
    other = await world.socket(f"/v1/streams/{offered.ticket}", **more)
    opened = await said(other)
    assert opened == await said(technician)
    assert opened == StreamOpened(session=agent.session, stream=offered.stream, epoch=offered.epoch)
    return technician, other, opened


async def test_bytes_pass_both_ways_unread(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    for size in (0, 1, 125, 126, 65535, 65536, 256 << 10, 1 << 20):
        sent = secrets.token_bytes(size)
        await technician.send(sent)
        assert await other.recv() == sent
        await other.send(sent)
        assert await technician.recv() == sent


async def test_numbers_rise_over_reconnects_and_restarts(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    numbers = []
    for _ in range(3):
        _, _, opened = await stream(world, agent, token)
        numbers.append((opened.stream, opened.epoch))
    assert numbers == [(1, 1), (2, 1), (3, 1)]
    world.settings["port"] = int(world.url.rpartition(":")[2])
    await world.relay.stop()
    await world.start()
    await agent.connect()
    _, _, opened = await stream(world, agent, token)
    assert opened.stream == 4


async def test_a_redial_names_its_stream_and_a_rising_epoch_and_ends_the_old_connections(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, opened = await stream(world, agent, token)
    again, again_other, second = await stream(world, agent, token, f"?stream={opened.stream}&epoch=2")
    assert (second.stream, second.epoch) == (opened.stream, 2)
    for old in (technician, other):
        with pytest.raises(ConnectionClosed):
            await old.recv()
    await again.send(b"on")
    assert await again_other.recv() == b"on"


@pytest.mark.parametrize(
    "query", ["?stream=1", "?epoch=2", "?stream=1&epoch=1", "?stream=0&epoch=2", "?stream=x&epoch=2"]
)
async def test_a_redial_that_names_no_stream_is_400(world: RelayWorld, query: str) -> None:
    agent, token = await opened_session(world)
    with pytest.raises(InvalidStatus) as caught:
        await world.socket(f"/v1/sessions/{agent.session}/stream{query}", token=token)
    assert caught.value.response.status_code == 400


async def test_a_ticket_works_once(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician = await world.socket(f"/v1/sessions/{agent.session}/stream", token=token)
    offered = await agent.receive()
    assert isinstance(offered, StreamOffered)
    first = await world.socket(f"/v1/streams/{offered.ticket}")
    assert isinstance(await said(first), StreamOpened)
    for ticket in (offered.ticket, "0" * 48):
        with pytest.raises(InvalidStatus) as caught:
            await world.socket(f"/v1/streams/{ticket}")
        assert caught.value.response.status_code == 404
    await technician.close()


async def test_without_its_agent_a_session_has_no_streams(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    await agent.link.close()
    async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as link:
        answer = await said(link)
        assert isinstance(answer, RelayRefused) and answer.reason == "agent-away"


async def test_a_redial_that_comes_before_its_agent_is_back_waits_for_it(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    await agent.link.close()
    async with world.socket(f"/v1/sessions/{agent.session}/stream?stream=1&epoch=2", token=token) as technician:
        await agent.connect()
        offered = await agent.receive()
        assert isinstance(offered, StreamOffered)
        assert (offered.stream, offered.epoch) == (1, 2)
        async with world.socket(f"/v1/streams/{offered.ticket}"):
            assert await said(technician) == StreamOpened(session=agent.session, stream=1, epoch=2)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("customer", "the customer ended the session"),
        ("signal", "the customer ended the session"),
        ("technician", "the technician ended the session"),
        ("expired", "the session ended: the time the customer allowed is over"),
        ("\x1b[2J", "the session ended"),
    ],
)
async def test_a_session_that_ended_has_no_streams_and_says_by_whom(
    world: RelayWorld, reason: str, sentence: str
) -> None:
    agent, token = await opened_session(world)
    await agent.append(agent.ending(reason))
    async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as link:
        answer = await said(link)
        assert isinstance(answer, RelayRefused)
        assert (answer.reason, answer.sentence) == ("ended", sentence)


@pytest.mark.parametrize("closer", ["technician", "agent"])
async def test_closing_one_end_closes_the_other_with_its_code(world: RelayWorld, closer: str) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    first, second = (technician, other) if closer == "technician" else (other, technician)
    await first.send(b"last")
    await first.close(code=4321)
    assert await second.recv() == b"last"
    with pytest.raises(ConnectionClosed) as caught:
        await second.recv()
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 4321


async def test_an_end_that_is_cut_off_closes_the_other(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    technician.transport.abort()
    with pytest.raises(ConnectionClosed):
        await other.recv()


async def test_text_on_a_stream_ends_it(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    await technician.send("text", text=True)
    for end in (other, technician):
        with pytest.raises(ConnectionClosed):
            await end.recv()


async def test_a_message_in_pieces_and_pings_between_them_pass(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        await begun.wait()
        yield b"two"

    sending = asyncio.create_task(technician.send(pieces()))
    answered = await technician.ping(b"there?")
    await asyncio.wait_for(answered, 60)
    begun.set()
    await sending
    assert await other.recv() == b"one two"


async def test_a_frame_out_of_order_ends_the_stream(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    for is_last in (False, True):
        technician.transport.write(Frame(Opcode.BINARY, b"begun anew", fin=is_last).serialize(mask=True))
    with pytest.raises(ConnectionClosed) as closed:
        await other.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == CloseCode.PROTOCOL_ERROR


async def test_a_message_beyond_a_mebibyte_ends_the_stream(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    with pytest.raises(ConnectionClosed):
        await technician.send(bytes((1 << 20) + 2))
        await technician.recv()
    with pytest.raises(ConnectionClosed):
        await other.recv()


async def test_a_reader_that_stops_slows_its_sender_down_and_loses_nothing(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token, max_queue=1)
    frame, sent = secrets.token_bytes(256 << 10), 0
    digest = hashlib.sha256()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                await technician.send(frame)
                sent += 1
                digest.update(frame)
    # Socket buffers of three hops, two messages in the relay: far below what would have been sent without a brake.
    assert sent * len(frame) < 64 << 20
    got = hashlib.sha256()
    for _ in range(sent):
        got.update(await other.recv(decode=False))
    assert got.digest() == digest.digest()


async def test_one_frozen_reader_does_not_stall_other_streams(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    frozen, _, _ = await stream(world, agent, token, max_queue=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            while True:
                await frozen.send(bytes(256 << 10))
    technician, other, _ = await stream(world, agent, token)
    async with asyncio.timeout(2):
        for _ in range(200):
            await technician.send(b"x" * 4096)
            assert len(await other.recv()) == 4096


async def test_a_session_has_only_so_many_streams(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    ends = [await stream(world, agent, token) for _ in range(32)]
    async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as link:
        answer = await said(link)
        assert isinstance(answer, RelayRefused) and answer.reason == "busy"
    await ends[0][0].close()
    await ends[0][1].wait_closed()
    for _ in range(100):
        await asyncio.sleep(0)
    technician, _, _ = await stream(world, agent, token)
    await technician.close()


@pytest.mark.slow
async def test_a_revoked_technician_loses_live_streams(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    world.organisation.write_lists(world.organisation.data, number=2, revoked=(agent.person.serial,))
    async with asyncio.timeout(10):
        for end in (technician, other):
            with pytest.raises(ConnectionClosed):
                await end.recv()


async def test_stopping_the_relay_tells_streams_and_controls_to_come_back(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician, other, _ = await stream(world, agent, token)
    await world.relay.stop()
    for end in (technician, other, agent.link):
        with pytest.raises(ConnectionClosed) as caught:
            await end.recv()
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1012

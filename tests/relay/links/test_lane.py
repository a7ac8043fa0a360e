"""The road below aiohttp on both event loops, with TLS and without: every byte, in order, to the last."""

import asyncio
import random
import secrets
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode

from remote_assist.core.messages import StreamOffered
from tests.relay.links.test_front_door import tls_files
from tests.relay.test_streams import opened_session, said, stream
from tests.relay.world import Agent, RelayWorld

Loop = Callable[[], asyncio.AbstractEventLoop]
Ends = tuple[ClientConnection, ClientConnection]

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
TLS = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
LAST = 0x5EED


def a_world(folder: Path, *, tls: bool, **settings: Any) -> RelayWorld:
    if not tls:
        return RelayWorld(folder, **settings)
    cert, key = tls_files(folder)
    world = RelayWorld(folder, tls_cert=cert, tls_key=key, **settings)
    world.tls = ssl.create_default_context(cafile=str(cert))
    return world


def pieces(seed: int, count: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    for _ in range(count):
        yield dice.randbytes(dice.choice([0, 1, 125, 126, 4096, 65536, dice.randrange(300_000)]))


async def pause(dice: random.Random) -> None:
    for _ in range(dice.choice([0, 0, 1, 20])):
        await asyncio.sleep(0)


async def send(link: ClientConnection, seed: int, count: int) -> None:
    dice = random.Random(seed)
    for piece in pieces(seed, count):
        await link.send(piece)
        await pause(dice)


async def hear(link: ClientConnection, seed: int, count: int) -> None:
    dice = random.Random(-seed)
    for piece in pieces(seed, count):
        assert await link.recv() == piece
        await pause(dice)


async def converse(ends: Ends, seed: int, count: int) -> None:
    """Both speak at once, with pauses; one has said its last word before the other, which then closes or breaks off."""
    near, far = ends
    async with asyncio.TaskGroup() as group:
        for teller, listener, words in ((near, far, seed), (far, near, seed + 1)):
            group.create_task(send(teller, words, count))
            group.create_task(hear(listener, words, count))
    listening = asyncio.create_task(hear(far, LAST, 3))
    await send(near, LAST, 3)
    if seed % 4:
        await near.close(code=4321)
    elif near.transport.can_write_eof():
        near.transport.write_eof()
    else:
        near.transport.close()
    await listening
    with pytest.raises(ConnectionClosed) as caught:
        await far.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == (4321 if seed % 4 else CloseCode.GOING_AWAY)


async def many_talk(world: RelayWorld, streams: int, count: int) -> None:
    async with world:
        agent, token = await opened_session(world)
        ends = [(await stream(world, agent, token))[:2] for _ in range(streams)]
        async with asyncio.timeout(100), asyncio.TaskGroup() as group:
            for number, pair in enumerate(ends):
                group.create_task(converse(pair, 2 * number, count))


@LOOPS
def test_streams_at_once_over_tls_keep_their_bytes_apart_to_the_last(tmp_path: Path, loop: Loop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(many_talk(a_world(tmp_path, tls=True), streams=4, count=6))


@pytest.mark.full
@pytest.mark.slow
@LOOPS
@TLS
@pytest.mark.parametrize("rate", [0, 16 << 20], ids=["unpaced", "paced"])
def test_many_streams_at_once_keep_their_bytes_apart_to_the_last(
    tmp_path: Path, loop: Loop, tls: bool, rate: int
) -> None:
    world = a_world(tmp_path, tls=tls, session_bytes_per_second=rate)
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(many_talk(world, streams=24, count=60))


@LOOPS
@TLS
@pytest.mark.full
def test_a_relay_that_stops_amid_the_bytes_says_so_to_both_ends(tmp_path: Path, loop: Loop, tls: bool) -> None:
    async def stop_amid(world: RelayWorld) -> None:
        async with world:
            agent, token = await opened_session(world)
            near, far, _ = await stream(world, agent, token)
            works = [asyncio.create_task(work) for work in (send(near, 1, 10_000), hear(far, 1, 10_000))]
            await asyncio.wait(works, timeout=0.3)
            await world.relay.stop()
            for caught in await asyncio.gather(*works, return_exceptions=True):
                assert isinstance(caught, ConnectionClosed), caught
                assert caught.rcvd is not None and caught.rcvd.code == CloseCode.SERVICE_RESTART

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(stop_amid(a_world(tmp_path, tls=tls)))


async def dialled(world: RelayWorld, path: str, early: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An end that does not wait for the answer to its upgrade; read up to it."""
    port = int(world.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    writer.write(head.encode() + early)
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def offered_to(agent: Agent) -> StreamOffered:
    offered = await agent.receive()
    assert isinstance(offered, StreamOffered)
    return offered


@pytest.mark.parametrize("size", [10, 300_000])
async def test_what_an_end_sends_before_its_upgrade_is_answered_arrives_in_order(world: RelayWorld, size: int) -> None:
    agent, token = await opened_session(world)
    technician = await world.socket(f"/v1/sessions/{agent.session}/stream", token=token)
    words = [secrets.token_bytes(size) for _ in range(3)]
    raw = b"".join(Frame(Opcode.BINARY, word).serialize(mask=True) for word in words)
    half = len(raw) // 2
    _, writer = await dialled(world, f"/v1/streams/{(await offered_to(agent)).ticket}", raw[:half])
    await said(technician)
    writer.write(raw[half:])
    assert [await technician.recv() for _ in words] == words
    writer.close()


async def test_a_close_before_the_upgrade_is_answered_ends_the_stream_with_its_code(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    technician = await world.socket(f"/v1/sessions/{agent.session}/stream", token=token)
    early = [Frame(Opcode.BINARY, b"last"), Frame(Opcode.CLOSE, (4321).to_bytes(2, "big"))]
    raw = b"".join(frame.serialize(mask=True) for frame in early)
    _, writer = await dialled(world, f"/v1/streams/{(await offered_to(agent)).ticket}", raw)
    await said(technician)
    assert await technician.recv() == b"last"
    with pytest.raises(ConnectionClosed) as caught:
        await technician.recv()
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 4321
    writer.close()


@LOOPS
def test_tiny_messages_in_one_piece_arrive_in_order_to_the_close(tmp_path: Path, loop: Loop) -> None:
    """They come after a quick start, when most is read at once, and are passed on in many turns."""
    words = [b"%05d" % number for number in range(20_000)]
    raw = b"".join(Frame(Opcode.BINARY, word).serialize(mask=True) for word in [bytes(1 << 20)] * 4 + words)
    raw += Frame(Opcode.CLOSE, (4321).to_bytes(2, "big")).serialize(mask=True)

    async def flood(world: RelayWorld) -> None:
        async with world:
            agent, token = await opened_session(world)
            near, far, _ = await stream(world, agent, token)
            near.transport.write(raw)
            assert all([len(await far.recv()) == 1 << 20 for _ in range(4)])
            assert all([await far.recv() == word for word in words])
            with pytest.raises(ConnectionClosed) as caught:
                await far.recv()
            assert caught.value.rcvd is not None and caught.value.rcvd.code == 4321

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(flood(a_world(tmp_path, tls=False)))

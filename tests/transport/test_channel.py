"""Typed frames on a channel: cut anywhere, limited, with back-pressure both ways."""

import asyncio
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.codec import encode
from remote_assist.core.requests import (
    KIND_DATA,
    KIND_ERROR,
    KIND_MESSAGE,
    MAX_DATA_BYTES,
    MAX_MESSAGE_BYTES,
    Answer,
    AskStatus,
    Cancel,
    Done,
    ReadFile,
)
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, UnreachableError
from remote_assist.transport.channel import (
    QUEUE_HIGH_BYTES,
    ConversationEnded,
    ErrorData,
    FrameReader,
    MessageChannel,
    new_server_channel,
    open_channel,
)
from tests.transport.world import BLOCK, connected


def _frame(kind: int, body: bytes) -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body


STATUS = _frame(KIND_MESSAGE, encode(AskStatus()))


class OpenWire:
    """The SSH channel below, remembering what was asked of it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise BrokenPipeError("closed")
        self.written.append(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> Any:
        return None


def _attached() -> tuple[MessageChannel, OpenWire]:
    channel, wire = new_server_channel(), OpenWire()
    channel.attach(wire)
    return channel, wire


FRAMES = st.lists(
    st.tuples(st.sampled_from([KIND_MESSAGE, KIND_DATA, KIND_ERROR]), st.binary(min_size=1, max_size=40)), max_size=8
)


@given(FRAMES, st.lists(st.integers(1, 50), max_size=30))
def test_frames_are_found_wherever_the_bytes_are_cut(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    raw, reader = b"".join(_frame(*frame) for frame in frames), FrameReader()
    found: list[tuple[int, bytes]] = []
    for size in [*cuts, len(raw)]:
        piece, raw = raw[:size], raw[size:]
        found += reader.feed(piece)
    assert not reader.inside
    assert [body for kind, body in found if kind == KIND_MESSAGE] == [b for k, b in frames if k == KIND_MESSAGE]
    for kind in (KIND_DATA, KIND_ERROR):
        assert b"".join(b for k, b in found if k == kind) == b"".join(b for k, b in frames if k == kind)


@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">IB", 0, KIND_DATA),
        struct.pack(">IB", 1, KIND_DATA),
        struct.pack(">IB", MAX_DATA_BYTES + 2, KIND_DATA),
        struct.pack(">IB", MAX_DATA_BYTES + 2, KIND_ERROR),
        struct.pack(">IB", MAX_MESSAGE_BYTES + 2, KIND_MESSAGE),
        struct.pack(">IB", 2**32 - 1, KIND_MESSAGE),
        struct.pack(">IB", 5, 3),
        struct.pack(">IB", 5, 255),
    ],
)
async def test_a_frame_too_long_empty_or_unknown_ends_the_channel(head: bytes) -> None:
    channel, wire = _attached()
    channel.feed(STATUS)
    channel.feed(head)
    channel.feed(STATUS)
    assert wire.closed
    assert await channel.receive() == AskStatus()  # what came before still counts
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            await channel.receive()


@pytest.mark.parametrize(
    "body", [b"{}", b"not json", b'{"type":"unknown"}', b'{"type":"ask-status","more":1}', b"\xff"]
)
async def test_a_message_that_is_none_ends_the_channel(body: bytes) -> None:
    channel, wire = _attached()
    channel.feed(_frame(KIND_MESSAGE, body) + STATUS)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            await channel.receive()
    assert wire.closed


async def test_each_side_takes_only_what_the_other_may_say() -> None:
    channel, _ = _attached()
    channel.feed(_frame(KIND_MESSAGE, encode(Done(action="x", status="done"))))
    with pytest.raises(RemoteProtocolError):
        await channel.receive()
    technician = MessageChannel(Answer, who="agent", greeting="server_version")
    technician.attach(OpenWire())
    technician.feed(STATUS)
    with pytest.raises(RemoteProtocolError):
        await technician.receive()


async def test_reading_pauses_when_nobody_takes_and_goes_on_when_somebody_does() -> None:
    channel, wire = _attached()
    while wire.reading:
        channel.feed(_frame(KIND_DATA, b"x" * (64 << 10)))
    assert channel._queued_bytes <= QUEUE_HIGH_BYTES + (64 << 10)
    while not wire.reading:
        await channel.receive()
    assert channel._queued_bytes > 0


async def test_standard_error_is_told_apart() -> None:
    channel, _ = _attached()
    channel.feed(_frame(KIND_ERROR, b"oops") + _frame(KIND_DATA, b"fine"))
    error, data = await channel.receive(), await channel.receive()
    assert error == b"oops"
    assert isinstance(error, ErrorData)
    assert data == b"fine"
    assert not isinstance(data, ErrorData)


async def test_sending_waits_for_the_window() -> None:
    channel, wire = _attached()
    channel.pause_writing()
    sending = asyncio.create_task(channel.send_data(b"x"))
    await asyncio.sleep(0)
    assert wire.written
    assert not sending.done()
    channel.resume_writing()
    await sending


async def test_long_data_is_cut_into_frames_and_empty_data_into_none() -> None:
    channel, wire = _attached()
    await channel.send_data(memoryview(bytes(1_000_000)), KIND_ERROR)
    assert sum(len(raw) - 5 for raw in wire.written) == 1_000_000
    assert max(map(len, wire.written)) <= MAX_DATA_BYTES
    wire.written.clear()
    await channel.send_data(b"")
    assert wire.written == []


async def test_messages_are_not_sent_as_data() -> None:
    channel, _ = _attached()
    with pytest.raises(LocalProtocolError):
        await channel.send_data(b"x", KIND_MESSAGE)


@pytest.mark.parametrize(
    ("tail", "error", "kind"),
    [
        (b"", None, ConversationEnded),
        (STATUS[:7], None, UnreachableError),
        (b"", ConnectionError("cut"), UnreachableError),
    ],
)
async def test_an_end_in_order_is_told_from_a_cut(tail: bytes, error: Exception | None, kind: type) -> None:
    channel, _ = _attached()
    channel.feed(STATUS + tail)
    channel.lost(error)
    assert await channel.receive() == AskStatus()
    with pytest.raises(UnreachableError) as ended:
        await channel.receive()
    assert type(ended.value) is kind
    with pytest.raises(UnreachableError):
        await channel.send(AskStatus())


async def test_a_sender_that_waits_is_woken_when_the_channel_is_lost() -> None:
    channel, _ = _attached()
    channel.pause_writing()
    sending = asyncio.create_task(channel.send_data(b"x"))
    await asyncio.sleep(0)
    channel.lost(None)
    await asyncio.wait_for(sending, 1)


async def test_two_conversations_share_a_connection() -> None:
    async with connected() as world:
        first, second = await open_channel(world.client), await open_channel(world.client)
        await first.send(ReadFile(path=b"/x", offset=20))
        await second.send(AskStatus())
        assert isinstance(await second.receive(), Done)
        size = 0
        while isinstance(piece := await first.receive(), bytes):
            size += len(piece)
        assert size == 20 * len(BLOCK)


async def test_a_slow_reader_stops_the_agent_not_the_memory() -> None:
    """64 MiB are asked for and not read: what is under way stays bounded; then all of it comes."""
    async with connected() as world:
        channel = await open_channel(world.client)
        await channel.send(ReadFile(path=b"/x", offset=512))
        await asyncio.sleep(0.3)  # the agent would have sent it all by now
        stream = world.server.get_extra_info("remote_assist_stream")
        assert channel._queued_bytes < 2 << 20
        assert stream.get_write_buffer_size() < 6 << 20
        assert stream._state.sent < 16 << 20
        size = 0
        while isinstance(piece := await channel.receive(), bytes):
            size += len(piece)
        assert size == 512 * len(BLOCK)


async def test_closing_tells_the_agent_in_order() -> None:
    async with connected() as world:
        channel = await open_channel(world.client)
        await channel.send(AskStatus())
        await channel.receive()
        await channel.close()
        async with asyncio.timeout(2):
            while not world.doors.ended:
                await asyncio.sleep(0.005)
        assert world.doors.ended == ["in order"]


async def test_a_message_the_agent_must_not_get_closes_the_channel() -> None:
    async with connected() as world:
        channel = await open_channel(world.client)
        await channel.send(Done(action="x", status="done"))
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(channel.receive(), 2)
        assert world.doors.ended == ["RemoteProtocolError"]
        again = await open_channel(world.client)
        await again.send(Cancel())
        await again.close()

"""The transport SSH writes to: flow control, closing, and what a relay may do to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from remote_assist.core.stream import Kind, build_frame
from remote_assist.errors import RemoteProtocolError, UnreachableError
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link
from remote_assist.transport.streams import STREAM_INFO, StreamTransport, StreamTunnel
from tests.transport.splice import Splice, Tamper, spliced
from tests.transport.world import tunnels


class Listener(asyncio.Protocol):
    """Remembers everything it was told."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.pieces: list[int] = []
        self.events: list[str] = []
        self.lost: Exception | None = None

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.pieces.append(len(data))

    def eof_received(self) -> bool:
        self.events.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.lost = exc

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


End = tuple[StreamTransport, Listener]


@asynccontextmanager
async def pair(tamper: Tamper | None = None) -> AsyncIterator[tuple[End, End]]:
    async with spliced(tamper) as splice:
        both = await tunnels(splice)
        near, far = [await end.create_connection(Listener, "x", 1) for end in both]
        try:
            yield near, far
        finally:
            near[0].abort()
            far[0].abort()
            await asyncio.wait_for(asyncio.gather(*(end.closed() for end in both)), 5)


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_bytes_pass_both_ways_in_slices_of_at_most_128_kib() -> None:
    async with pair() as ((near, heard), (far, other)):
        near.writelines([b"x" * 100_000, bytearray(b"y"), memoryview(b"z" * 300_000)])
        far.write(b"back")
        await _until(lambda: len(other.got) == 400_001 and heard.got == b"back")
        assert other.got == b"x" * 100_000 + b"y" + b"z" * 300_000
        assert max(other.pieces) <= 128 << 10


async def test_a_write_that_fits_into_one_frame_arrives_uncut() -> None:
    packets = [32, 130_000, 32, 130_000, 1 << 17, 5]
    async with pair() as ((near, _), (_, other)):
        near.writelines([bytes(size) for size in packets])
        await _until(lambda: len(other.got) == sum(packets))
        assert other.pieces == [32, 130_000 + 32, 130_000, 1 << 17, 5]


async def test_a_reader_who_pauses_stops_the_writer_and_resuming_delivers_all() -> None:
    async with pair() as ((near, heard), (far, other)):
        far.pause_reading()
        assert not far.is_reading()
        for _ in range(160):
            near.write(bytes(1 << 16))
        assert heard.events == ["pause"]
        draining = asyncio.create_task(near.drained())
        await asyncio.sleep(0.2)
        assert not draining.done()
        assert len(other.got) <= 128 << 10
        assert near.get_write_buffer_size() > 4 << 20  # all but the replay window and what lies in sockets
        far.resume_reading()
        await asyncio.wait_for(draining, 5)
        await _until(lambda: len(other.got) == 10 << 20)
        assert heard.events == ["pause", "resume"]


async def test_closing_delivers_what_was_written_and_then_the_end() -> None:
    async with pair() as ((near, heard), (_, other)):
        near.write(b"a" * 1_000_000)
        near.close()
        near.write(b"dropped")
        await _until(lambda: "lost" in other.events)
        assert other.got == b"a" * 1_000_000
        assert other.events == ["eof", "lost"]
        assert other.lost is None
        assert "lost" in heard.events
        with pytest.raises(UnreachableError):
            await near.drained()


async def test_aborting_still_says_the_last_words() -> None:
    async with pair() as ((near, heard), (_, other)):
        near.write(b"why")
        near.abort()
        await _until(lambda: "lost" in other.events)
        assert other.got == b"why"
        assert isinstance(other.lost, UnreachableError)
        assert heard.events == ["lost"]


async def test_a_cut_link_is_told_to_both() -> None:
    async with spliced() as splice:
        both = await tunnels(splice)
        (_, near), (_, far) = [await end.create_connection(Listener, "x", 1) for end in both]
        for socket in splice.sockets.values():
            assert socket._req is not None
            assert socket._req.transport is not None
            socket._req.transport.abort()
        await asyncio.wait_for(asyncio.gather(*(end.closed() for end in both)), 5)
        assert isinstance(near.lost, UnreachableError)
        assert isinstance(far.lost, UnreachableError)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a byte less", lambda raw: raw[:-1]),
        ("another stream", lambda raw: raw[:1] + b"\0\0\0\7" + raw[5:]),
        ("another epoch", lambda raw: raw[:5] + b"\0\0\0\7" + raw[9:]),
        ("garbage", lambda raw: b"garbage"),
        ("a gap", lambda raw: raw[:9] + b"\0\0\0\0\0\0\0\1" + raw[17:]),
    ],
)
async def test_a_relay_that_changes_frames_ends_the_stream(name: str, change: Callable[[bytes], bytes]) -> None:
    def tamper(who: str, raw: bytes) -> bytes | None:
        return change(raw) if who == "technician" else raw

    async with pair(tamper) as ((near, heard), (_, other)):
        near.write(b"first")
        await asyncio.sleep(0.02)
        near.write(b"second")
        await _until(lambda: "lost" in other.events and "lost" in heard.events)
        assert isinstance(other.lost, (RemoteProtocolError, UnreachableError))
        assert b"first".startswith(bytes(other.got))


async def test_a_text_message_on_an_open_stream_ends_it() -> None:
    async with _half() as (link, listener):
        await link.send_text("hello")
        await _until(lambda: listener.events)
        assert isinstance(listener.lost, RemoteProtocolError)


@pytest.mark.slow
async def test_a_peer_that_ignores_the_window_is_stopped_by_the_network() -> None:
    """While our reader is paused nothing more is read from the link, so nothing piles up here."""
    async with _half(pause=True) as (link, listener):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                for number in range(1000):
                    await link.send_binary(build_frame(Kind.DATA, 1, 1, number * 65536, 0, (bytes(65536),)))
        assert listener.got == b""


@asynccontextmanager
async def _half(*, pause: bool = False) -> AsyncIterator[tuple[Link, Listener]]:
    """A bare link at one side, a stream at the other. The splice passes text too."""
    async with spliced() as splice:
        link, other = await asyncio.gather(dial(splice.url, "/h/technician"), dial(splice.url, "/h/agent"))
        tunnel = StreamTunnel(other, stream=1, epoch=1)
        transport, listener = await tunnel.create_connection(Listener)
        if pause:
            transport.pause_reading()
        try:
            yield link, listener
        finally:
            transport.abort()
            await link.close()
            await asyncio.wait_for(tunnel.closed(), 5)


async def test_a_tunnel_carries_one_connection_and_answers_what_it_is() -> None:
    async with spliced() as splice:
        near, far = await tunnels(splice, stream=7)
        transport, listener = await near.create_connection(Listener)
        with pytest.raises(OSError, match="one connection"):
            await near.create_connection(Listener)
        assert transport.get_extra_info("peername") == ("stream", 7)
        assert transport.get_extra_info("socket") is None
        assert transport.get_extra_info(STREAM_INFO) is transport
        assert transport.get_protocol() is listener
        assert not transport.can_write_eof()
        transport.set_write_buffer_limits(high=400)
        assert transport.get_write_buffer_limits() == (100, 400)
        transport.close()
        await (await far.create_connection(Listener))[0].wait_closed()
        await near.closed()


@pytest.mark.slow
async def test_closing_against_a_peer_that_takes_nothing_ends_in_time(splice_stuck: Splice) -> None:
    both = await tunnels(splice_stuck)
    (near, heard), _ = [await end.create_connection(Listener) for end in both]
    near.write(bytes(20 << 20))
    near.close()
    await asyncio.wait_for(both[0].closed(), 6)
    assert "lost" in heard.events


@pytest.fixture
async def splice_stuck() -> AsyncIterator[Splice]:
    async with spliced(lambda who, raw: None) as splice:
        yield splice

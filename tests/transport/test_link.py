"""An open link: messages beside the library, from the first byte after the handshake on."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.frames import Frame, Opcode

from remote_assist.errors import UnreachableError
from remote_assist.transport.dial import dial
from remote_assist.transport.frames import Message
from remote_assist.transport.link import QUEUED_MESSAGES, Link

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""

Serve = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(serve: Serve) -> AsyncIterator[str]:
    """A server whose every byte the test writes; `serve` is given the head that accepts the WebSocket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        [key] = [line.split(b": ")[1] for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await serve(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n", reader, writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def frame(data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


@dataclass
class Heard:
    """A taker that keeps what it was told."""

    messages: list[Message] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def arrived(self, link: Link, message: Message) -> None:
        self.messages.append(message)

    def closed(self, link: Link, why: UnreachableError) -> None:
        self.events.append(why.message)

    def writable(self, link: Link) -> None:
        self.events.append("writable")


@pytest.mark.parametrize("at", [1, 30, -3, -2, -1, 0])
async def test_what_comes_in_one_piece_with_the_handshake_is_heard(at: int) -> None:
    """`at`: where the network cut the head of the response."""

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = at if at > 0 else len(head) + at
        writer.write(head[:cut])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(head[cut:] + frame(b"hello", Opcode.TEXT) + frame(b"\0\1") + frame(b"begun", fin=False))
        await asyncio.sleep(0.02)
        writer.write(frame(b"there?", Opcode.PING) + frame(b" and done", Opcode.CONT))
        await reader.read(100)
        writer.close()

    async with answering(serve) as url:
        link = await dial(url, "/x")
        assert [await link.receive() for _ in range(3)] == ["hello", b"\0\1", b"begun and done"]
        await link.close()


async def test_a_refusal_whose_body_looks_like_the_end_of_a_head_is_a_refusal() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"no\r\n\r\n" + frame(b"not a message")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with answering(serve) as url:
        with pytest.raises(UnreachableError, match="403"):
            await dial(url, "/x")


async def test_a_ping_is_answered_beside_the_messages() -> None:
    pong = asyncio.get_running_loop().create_future()

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + frame(b"there?", Opcode.PING))
        pong.set_result((await reader.readexactly(12))[:2])

    async with answering(serve) as url:
        link = await dial(url, "/x")
        assert await asyncio.wait_for(pong, 5) == bytes([0x8A, 0x80 | 6])
        link.abort()


async def test_who_asks_for_nothing_is_sent_no_more_than_a_few_messages() -> None:
    sent = 0

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head)
        while sent < 2000:
            writer.write(frame(bytes(60_000)))
            await writer.drain()
            sent += 1
        writer.close()

    async with answering(serve) as url:
        link = await dial(url, "/x")
        await asyncio.sleep(0.5)
        waiting = sent
        assert QUEUED_MESSAGES < waiting < 1000, "the network's own buffers hold some"
        got = 0
        with pytest.raises(UnreachableError):
            while True:
                got += len(await link.receive())
        assert got == 2000 * 60_000


async def test_a_taker_hears_first_what_had_come_and_then_the_rest() -> None:
    go = asyncio.Event()

    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(20):
            head += frame(b"%d" % number)
        writer.write(head)
        await go.wait()
        writer.write(frame(b"20") + frame(b"\x03\xe8enough", Opcode.CLOSE))
        await reader.read(100)
        writer.close()

    async with answering(serve) as url:
        link = await dial(url, "/x")
        assert await link.receive() == b"0"
        heard = Heard()
        link.tell(heard)
        assert heard.messages == [b"%d" % number for number in range(1, 20)]
        go.set()
        async with asyncio.timeout(5):
            while not heard.events:
                await asyncio.sleep(0.01)
        assert heard.messages[-1] == b"20"
        assert heard.events == ["the connection to 127.0.0.1 was closed: enough"]
        assert not link.is_writable
        late = Heard()
        link.tell(late)
        assert late.events == heard.events
        link.write(b"dropped")


async def test_a_text_that_is_none_ends_the_link() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + frame(b"\xff", Opcode.TEXT))
        await reader.read(100)

    async with answering(serve) as url:
        link = await dial(url, "/x")
        with pytest.raises(UnreachableError, match=r"closed: it sent a text that is not UTF-8$"):
            await asyncio.wait_for(link.receive(), 5)


async def test_a_farewell_behind_much_that_nobody_read_is_heard() -> None:
    async def serve(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(100):
            writer.write(frame(bytes(100_000)))
        await reader.readexactly(2)  # the client's close begins
        writer.write(frame(b"\x03\xe8bye", Opcode.CLOSE))
        writer.close()

    async with answering(serve) as url:
        link = await dial(url, "/x")
        await link.receive()
        await link.close()
        assert link.close_reason == "bye"
        with pytest.raises(UnreachableError):
            await link.receive()

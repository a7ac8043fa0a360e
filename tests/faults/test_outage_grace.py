"""An outage longer than the grace: what runs pauses by back-pressure, at every door, and goes on byte for byte."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from remote_assist.core.wishes import Endpoint
from remote_assist.diagnostics.bundle import read_bundle
from tests.faults.parties import EVERYTHING
from tests.faults.tcp_proxy import CONTROL, TcpProxy, until
from tests.faults.wired import Output, Wired, wired_session
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

COUNTING = """import pathlib, sys, time
for n in range(400):
    print(n * 7919, flush=True)
    pathlib.Path(sys.argv[1]).write_text(str(n))
    time.sleep(0.02)"""
PRINTED = b"".join(b"%d\n" % (n * 7919) for n in range(400))
LOOKS, LOOK_SECONDS = 10, 0.1
"""What paused is seen not to move for so many looks."""


async def stands_still(size: Callable[[], int]) -> None:
    """Return once a size did not change for a second."""
    async with asyncio.timeout(60):
        same, last = 0, -1
        while same < LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            same, last = (same + 1, last) if size() == last else (0, size())


def lose_the_relay(wired: Wired) -> None:
    """The agent's records reach nobody any more, while the stream of the technician still stands."""
    assert wired.proxy.cut(CONTROL, refuse=True) == 1


async def test_a_command_goes_on_within_the_grace_then_pauses_and_not_a_byte_is_lost(
    proxied: tuple[World, TcpProxy], tmp_path: Path
) -> None:
    async with (
        wired_session(*proxied, tmp_path, outage_grace_seconds=1.0) as wired,
        await wired.desk.connect(wired.session) as session,
    ):
        output, lives = Output(), tmp_path / "lives"
        argv = [sys.executable, "-c", COUNTING, str(lives)]
        running = asyncio.create_task(session.run(argv, stdin=None, on_output=output))
        await until(lambda: output.data.count(b"\n") > 5)
        lose_the_relay(wired)
        seen = len(output.data)
        await until(lambda: len(output.data) > seen + 20)
        await stands_still(lambda: len(output.data))
        printed = int(lives.read_text())
        await until(lambda: int(lives.read_text() or 0) > printed + 5)  # the program itself was not stopped
        assert len(output.data) < len(PRINTED) and not running.done()
        wired.proxy.restore()
        async with asyncio.timeout(60):
            assert (await running).exit == 0
        assert output.data == PRINTED


async def test_what_is_typed_and_what_answers_it_pause_together(
    proxied: tuple[World, TcpProxy], tmp_path: Path
) -> None:
    said = asyncio.Event()

    async def typed() -> AsyncIterator[bytes]:
        yield b"before\n"
        await said.wait()
        yield b"after\n"

    async with (
        wired_session(*proxied, tmp_path, outage_grace_seconds=0.0) as wired,
        await wired.desk.connect(wired.session) as session,
    ):
        output, mark = Output(), tmp_path / "mark"
        words = ["sh", "-c", f"read one; echo $one; read two; touch {mark}; echo $two"]
        running = asyncio.create_task(session.run(words, stdin=typed(), on_output=output))
        await until(lambda: output.data == b"before\n")
        lose_the_relay(wired)
        await until(lambda: "nothing new can start" in "\n".join(wired.parties.customer.shown))
        said.set()
        await stands_still(lambda: len(output.data))
        assert not mark.exists()
        wired.proxy.restore()
        async with asyncio.timeout(60):
            assert (await running).exit == 0
        assert mark.exists() and output.data == b"before\nafter\n"


async def test_a_forwarded_connection_pauses_and_not_a_byte_is_lost(
    proxied: tuple[World, TcpProxy], tmp_path: Path
) -> None:
    arrived = hashlib.sha256()
    heard = 0

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        while piece := await reader.read(65536):
            arrived.update(piece)
            heard += len(piece)
        writer.write(arrived.hexdigest().encode())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
    content = bytes(range(256)) * 4096
    async with (
        wired_session(
            *proxied, tmp_path, wishes=(*EVERYTHING, f"forward={endpoint}"), outage_grace_seconds=0.0
        ) as wired,
        await wired.desk.connect(wired.session) as session,
        session.forward(endpoint) as port,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(content)
        await until(lambda: heard == len(content))
        lose_the_relay(wired)
        await until(lambda: "nothing new can start" in "\n".join(wired.parties.customer.shown))
        writer.write(content)
        writer.write_eof()
        await stands_still(lambda: heard)
        assert heard == len(content)
        wired.proxy.restore()
        async with asyncio.timeout(60):
            assert (await reader.read()).decode() == hashlib.sha256(content * 2).hexdigest()
        writer.close()
    server.close()


async def test_a_bundle_pauses_and_arrives_whole(proxied: tuple[World, TcpProxy], tmp_path: Path) -> None:
    lost: list[bool] = []
    out = tmp_path / "bundle.tar.zst"
    async with (
        wired_session(*proxied, tmp_path, outage_grace_seconds=0.0) as wired,
        await wired.desk.connect(wired.session) as session,
    ):

        def lose_once(_: object) -> None:
            if not lost:
                lost.append(True)
                lose_the_relay(wired)

        collecting = asyncio.create_task(session.collect(out=out, on_progress=lose_once))
        await until(lambda: lost)
        parts = lambda: sum(path.stat().st_size for path in tmp_path.glob("*bundle*"))  # noqa: E731
        await stands_still(parts)
        assert not collecting.done()
        wired.proxy.restore()
        async with asyncio.timeout(60):
            await collecting
        assert read_bundle(out).manifest

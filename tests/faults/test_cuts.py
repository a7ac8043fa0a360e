"""Cuts cost time, never work: what runs on a session goes on byte for byte over another connection (F1, F2, F17)."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote_assist.core.resume import LinkNews
from remote_assist.errors import UnreachableError
from remote_assist.technician.desk import Desk
from tests.faults.tcp_proxy import AGENT_STREAM, TECHNICIAN_STREAM, TcpProxy, until
from tests.faults.turned_time import TurnedTime
from tests.faults.wired import Counting, Output, Wired, wired_session
from tests.scenarios.world import World

OFFSETS, AT_ONCE = 20, 10
FILE_BYTES = 2 << 20
SEED = 20261122


def file_of(folder: Path, name: str, seed: int, size: int = FILE_BYTES) -> tuple[Path, bytes]:
    content = random.Random(seed).randbytes(size)
    path = folder / name
    path.write_bytes(content)
    return path, content


def drawn_offsets(seed: int) -> list[int]:
    """Where the cuts fall: anywhere from the first bytes of the handshakes to the last of the file."""
    return sorted(random.Random(seed).randrange(1, FILE_BYTES) for _ in range(OFFSETS))


# --- F1: mid-command -------------------------------------------------------------------------------


async def test_a_command_goes_on_through_a_cut_of_one_second_and_nobody_is_asked_again(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session)
        assert wired.proxy.cut(refuse=True) >= 3  # both ends of the stream, and the agent's control connection
        await asyncio.sleep(1.0)
        wired.proxy.restore()
        await counting.check()
    assert wired.news == [LinkNews.CUT, LinkNews.BACK]
    assert len(wired.parties.customer.asked) == 1
    shown = "\n".join(wired.parties.customer.shown)
    assert "reconnecting… since " in shown
    assert "the technician's connection is back" in shown


@pytest.mark.full
async def test_a_command_goes_on_through_a_cut_of_thirty_seconds(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=900)
        wired.proxy.cut(refuse=True)
        await asyncio.sleep(30.0)
        wired.proxy.restore()
        await counting.check()


@pytest.mark.slow
async def test_a_command_goes_on_through_a_cut_of_ten_minutes(
    proxied: tuple[World, TcpProxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a turned clock: every timer of both ends runs as if the time had passed, only the relay's do not."""
    turned = TurnedTime(asyncio.get_running_loop(), monkeypatch)
    async with wired_session(*proxied, tmp_path, moment=turned.moment) as wired:
        async with await wired.desk.connect(wired.session) as session:
            counting = await Counting.start(session)
            wired.proxy.cut(refuse=True)
            await turned.pass_slowly(600.0)
            assert not counting.running.done()
            wired.proxy.restore()
            await turned.pass_slowly(60.0)
            await counting.check()
        assert wired.news == [LinkNews.CUT, LinkNews.BACK]
        assert len(wired.parties.customer.asked) == 1


@pytest.mark.parametrize("kind", [TECHNICIAN_STREAM, AGENT_STREAM], ids=["technician", "agent"])
async def test_one_end_that_is_cut_is_enough_and_is_mended(wired: Wired, kind: bytes) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=30)
        assert wired.proxy.cut(kind) >= 1
        await counting.check()
    assert wired.news == [LinkNews.CUT, LinkNews.BACK]


@pytest.mark.slow
async def test_cut_again_and_again_it_still_comes_to_its_end(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=100)
        for _ in range(3):
            await until(lambda: wired.proxy.count(AGENT_STREAM) and wired.proxy.count(TECHNICIAN_STREAM))
            await asyncio.sleep(0.2)
            wired.proxy.cut(TECHNICIAN_STREAM)
            await until(lambda: not wired.proxy.count(TECHNICIAN_STREAM))
        await counting.check()
        await until(lambda: wired.news.count(LinkNews.CUT) == wired.news.count(LinkNews.BACK) >= 3)


@pytest.mark.slow
async def test_a_half_closed_connection_is_a_cut(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=30)
        wired.proxy.half_close(TECHNICIAN_STREAM)
        await counting.check()


async def test_what_was_typed_during_a_cut_arrives_once(wired: Wired) -> None:
    async def typed() -> AsyncIterator[bytes]:
        yield b"before\n"
        wired.proxy.cut(refuse=True)
        for number in range(100):
            yield b"%d\n" % number
        wired.proxy.restore()
        yield b"after\n"

    output = Output()
    async with await wired.desk.connect(wired.session) as session, asyncio.timeout(30):
        await session.run(["cat"], stdin=typed(), on_output=output)
    assert output.data == b"before\n" + b"".join(b"%d\n" % n for n in range(100)) + b"after\n"


async def test_a_session_that_was_not_cut_never_says_so(wired: Wired) -> None:
    for _ in range(3):
        async with await wired.desk.connect(wired.session) as session:
            await session.run(["true"], stdin=None, on_output=lambda kind, data: None)
    await wired.parties.leave()
    assert wired.news == []
    assert "reconnecting" not in "\n".join(wired.parties.customer.shown)


# --- F2: at any offset -----------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_get_survives_a_cut_at_any_offset(wired: Wired, tmp_path: Path) -> None:
    path, content = file_of(tmp_path, "source.bin", SEED)
    offsets = drawn_offsets(SEED)

    async def get(number: int) -> bytes:
        folder = tmp_path / str(number)
        folder.mkdir()
        async with await wired.desk.connect(wired.session) as session:
            await session.get(bytes(path), folder, lambda progress: None)
        return (folder / "source.bin").read_bytes()

    for start in range(0, OFFSETS, AT_ONCE):
        wired.proxy.budgets = offsets[start : start + AT_ONCE]
        async with asyncio.timeout(60):
            copies = await asyncio.gather(*(get(start + number) for number in range(AT_ONCE)))
        assert all(copy == content for copy in copies), offsets
    assert wired.news.count(LinkNews.CUT) >= OFFSETS - 2  # a cut before the stream is open is dialled anew


@pytest.mark.slow
async def test_a_put_survives_a_cut_at_any_offset(wired: Wired, tmp_path: Path) -> None:
    offsets = drawn_offsets(SEED + 1)
    remote = tmp_path / "remote"
    remote.mkdir()

    async def put(number: int) -> bool:
        path, content = file_of(tmp_path, f"{number}.bin", number)
        async with await wired.desk.connect(wired.session) as session:
            await session.put(path, bytes(remote), lambda progress: None)
        return (remote / path.name).read_bytes() == content

    for start in range(0, OFFSETS, AT_ONCE):
        wired.proxy.budgets = offsets[start : start + AT_ONCE]
        async with asyncio.timeout(60):
            assert all(await asyncio.gather(*(put(start + number) for number in range(AT_ONCE)))), offsets
    assert wired.news.count(LinkNews.CUT) >= OFFSETS - 2


@pytest.mark.slow
async def test_a_bundle_survives_a_cut(wired: Wired, tmp_path: Path) -> None:
    from remote_assist.diagnostics.bundle import read_bundle

    cuts: list[int] = []
    out = tmp_path / "bundle.tar.zst"

    def cut_once(_: object) -> None:
        if not cuts:
            cuts.append(wired.proxy.cut())

    async with await wired.desk.connect(wired.session) as session, asyncio.timeout(60):
        summary = await session.collect(out=out, on_progress=cut_once)
    assert cuts and LinkNews.CUT in wired.news
    assert read_bundle(out).manifest
    assert set(summary.collectors.values()) >= {"ok"} or summary.collectors


# --- F17: slow and late, not cut -------------------------------------------------------------------


@pytest.mark.slow
async def test_a_delay_of_half_a_second_and_a_narrow_road_are_no_cut(wired: Wired, tmp_path: Path) -> None:
    path, content = file_of(tmp_path, "source.bin", SEED, 256 << 10)
    wired.proxy.delay_seconds, wired.proxy.bytes_per_second = 0.125, 1 << 20  # four passages: half a second
    folder = tmp_path / "got"
    folder.mkdir()
    async with await wired.desk.connect(wired.session) as session, asyncio.timeout(60):
        await session.get(bytes(path), folder, lambda progress: None)
    assert (folder / "source.bin").read_bytes() == content
    assert wired.news == []


@pytest.mark.slow
async def test_a_stall_of_some_seconds_is_no_cut(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=30)
        wired.proxy.stall()
        await asyncio.sleep(3.0)
        wired.proxy.restore()
        await counting.check()
    assert wired.news == []


# --- giving up -------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_after_the_configured_time_the_request_ends_with_a_sentence(wired: Wired) -> None:
    settings = replace(wired.parties.desk_settings(), resume_patience_seconds=2.0)
    async with await Desk.open(settings) as desk:
        news: list[LinkNews] = []
        desk.on_link = lambda _, what, __: news.append(what)
        async with await desk.connect(wired.session) as session:
            counting = await Counting.start(session, count=200)
            began = time.monotonic()
            wired.proxy.cut(refuse=True)
            with pytest.raises(UnreachableError, match=r"was cut at \d\d:\d\d:\d\d and did not come back within 2 s"):
                await counting.running
            assert 1.9 < time.monotonic() - began < 5
        assert news == [LinkNews.CUT, LinkNews.OVER]


@pytest.mark.slow
async def test_a_session_that_ended_during_the_cut_says_so_at_once(wired: Wired) -> None:
    async with await wired.desk.connect(wired.session) as session:
        counting = await Counting.start(session, count=200)
        wired.proxy.cut(TECHNICIAN_STREAM)
        wired.parties.customer.ask_to_end("customer")
        with pytest.raises(UnreachableError, match="ended the session"):
            async with asyncio.timeout(15):
                await counting.running


def test_the_command_gives_up_with_exit_4_and_says_since_when(proxied: tuple[World, TcpProxy], tmp_path: Path) -> None:
    world, proxy = proxied
    _, session, agent = world.session()
    try:
        big = tmp_path / "big.bin"
        big.write_bytes(secrets.token_bytes(4 << 20))
        proxy.budgets = [1 << 20]
        got = tmp_path / "got"
        got.mkdir()
        done = world.command("get", session, str(big), str(got), timeout=60)
        assert "reconnecting… since " in done.stderr
        assert (got / "big.bin").read_bytes() == big.read_bytes()
        proxy.budgets = [1 << 20, 0, 0, 0, 0, 0, 0, 0]
        (got / "big.bin").unlink()
        done = world.command("get", "--patience", "2s", session, str(big), str(got), expect=4, timeout=60)
        assert "did not come back within 2 s" in done.stderr
        assert not (got / "big.bin").exists()
    finally:
        proxy.budgets.clear()
        agent.terminate()
        with contextlib.suppress(Exception):
            agent.wait(10)

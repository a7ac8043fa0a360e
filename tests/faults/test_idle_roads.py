"""Middle boxes that drop what is idle: keepalives hold a session that nobody uses, on all its connections."""

import asyncio
from pathlib import Path

import pytest

from remote_assist.transport import dial
from tests.faults.tcp_proxy import AGENT_STREAM, CONTROL, TECHNICIAN_STREAM, TcpProxy
from tests.faults.wired import Output, wired_session
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

PATIENCES = [
    pytest.param(0.5, 6.0, id="scaled"),
    pytest.param(dial.PING_SECONDS, 30.0, id="30 s", marks=[pytest.mark.full, pytest.mark.timeout(300)]),
]
"""(our keepalive, the middle box's patience). The shortest patience in wide use is 60 s (nginx, load balancers)."""


@pytest.mark.parametrize(("keepalive", "patience"), PATIENCES)
async def test_keepalives_hold_an_idle_session_through_a_middle_box(
    proxied: tuple[World, TcpProxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keepalive: float,
    patience: float,
) -> None:
    monkeypatch.setattr(dial, "PING_SECONDS", keepalive)
    proxied[1].idle_seconds = patience
    async with (
        wired_session(*proxied, tmp_path) as wired,
        await wired.desk.connect(wired.session) as session,
    ):
        kinds = (CONTROL, AGENT_STREAM, TECHNICIAN_STREAM)
        before = [wire for wire in wired.proxy.wires if any(kind in wire.request for kind in kinds)]
        assert len(before) >= 3
        await asyncio.sleep(2.5 * patience)
        assert set(before) <= set(wired.proxy.wires)  # the very same connections
        output = Output()
        await session.run(["echo", "still", "here"], stdin=None, on_output=output)
        assert output.data == b"still here\n"
        assert wired.news == []


async def test_without_them_the_middle_box_cuts_and_the_session_resumes(
    proxied: tuple[World, TcpProxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "PING_SECONDS", 300.0)
    proxied[1].idle_seconds = 3.0
    async with (
        wired_session(*proxied, tmp_path) as wired,
        await wired.desk.connect(wired.session) as session,
    ):
        async with asyncio.timeout(60):
            while not wired.news:
                await asyncio.sleep(0.05)
        output = Output()
        async with asyncio.timeout(60):
            await session.run(["echo", "again"], stdin=None, on_output=output)
        assert output.data == b"again\n"

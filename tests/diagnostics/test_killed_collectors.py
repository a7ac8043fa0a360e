"""A collector that hangs is ended with everything it started, and nobody waits for it."""

import asyncio
import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path

from remote_assist.core.catalog.model import CommandSpec, Implementation
from remote_assist.diagnostics.gather import gather
from remote_assist.diagnostics.look import Look
from tests.diagnostics.conftest import now
from tests.diagnostics.real_target import RealTarget
from tests.diagnostics.test_pack_catalog import COLLECTOR, installed, stocked

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""


async def test_a_hanging_program_and_its_child_that_ignores_being_told_are_both_gone(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = CommandSpec((sys.executable, "-c", STUBBORN, str(pids)), timeout_seconds=2.0)
    collector = stocked(installed(COLLECTOR)).catalog.collectors["acme_raid"]
    hanging = replace(collector, timeout_seconds=30.0, implementations=(Implementation("linux", command=command),))
    outcome = await gather(hanging, Look(RealTarget(), now=now()))
    assert outcome.status == "unavailable"
    assert "did not end within 2 s" in outcome.reason
    assert outcome.seconds < 60
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2, "the program and its child"
    assert await _gone(started) == []


async def _gone(pids: list[int]) -> list[int]:
    """Those that live on; what was killed may take the kernel a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while any(map(_lives, pids)):
                await asyncio.sleep(0.02)
    return [pid for pid in pids if _lives(pid)]


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z" or os.getpid() == pid

"""F13: a technician's program that stops reading holds up itself, and nobody else; nothing piles up in the relay."""

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import World, find_program, served_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

STREAMED = 256 << 20
"""What the frozen program was sent and does not take: far more than any queue may hold."""
RELAY_GROWTH_KIB = 48 << 10
OTHER_BYTES = 8 << 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as world:
        yield world


def resident_kib(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/status").read_text().split("VmRSS:")[1].split()[0])


def moved_bytes(process_id: int) -> int:
    """What a process has read so far, from files and sockets."""
    return int(Path(f"/proc/{process_id}/io").read_text().split("rchar:")[1].split()[0])


def settle(relay: int) -> None:
    """Until nothing moves through the relay any more."""
    end, same, last = time.monotonic() + 60, 0, -1
    while same < 5:
        assert time.monotonic() < end, "the relay goes on reading for a reader that takes nothing"
        time.sleep(0.2)
        now = moved_bytes(relay)
        same, last = (same + 1, last) if now - last < 64 << 10 else (0, now)


def test_f13_a_frozen_reader_slows_nobody_else_and_nothing_piles_up(world: World) -> None:
    relay = world.programs[0].pid
    _, frozen_session, _ = world.session()
    _, other_session, _ = world.session()
    words = ("run", frozen_session, "--", "head", "-c", str(STREAMED), "/dev/zero")
    frozen = subprocess.Popen(
        [find_program("remote-assist"), *words],
        cwd=world.folder, env=world.environment("alice-home"), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert frozen.stdout is not None and len(frozen.stdout.read(1 << 20)) == 1 << 20
        before = resident_kib(relay)
        frozen.send_signal(signal.SIGSTOP)
        settle(relay)
        assert resident_kib(relay) - before < RELAY_GROWTH_KIB

        big = world.folder / "big.bin"
        big.write_bytes(secrets.token_bytes(OTHER_BYTES))
        (world.folder / "got").mkdir()
        world.command("get", other_session, str(big), "got", timeout=120)
        same = hashlib.sha256((world.folder / "got" / "big.bin").read_bytes()).digest()
        assert same == hashlib.sha256(big.read_bytes()).digest()
        beside = world.command("run", frozen_session, "--", "echo", "beside", timeout=120)  # the same session, too
        assert beside.stdout == "beside\n"

        frozen.send_signal(signal.SIGCONT)
        left = STREAMED - (1 << 20)
        while left:
            piece = os.read(frozen.stdout.fileno(), 1 << 20)
            assert piece and not piece.strip(b"\0")
            left -= len(piece)
        assert frozen.wait(60) == 0
    finally:
        frozen.kill()
        frozen.wait()

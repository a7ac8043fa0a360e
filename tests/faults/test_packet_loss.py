"""F17: every fifth packet is lost, each way, between the agent and the relay: slow, and nothing is wrong."""

import hashlib
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lossy_road import LossyRoad, need_tun
from tests.scenarios.world import SCOPES, World, find_program, next_line, served_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LOSS, SEED = 0.2, 20261129
FILE_BYTES = 1 << 20


@pytest.fixture
def lossy(tmp_path: Path) -> Iterator[tuple[World, LossyRoad]]:
    need_tun()
    with served_world(tmp_path) as world, LossyRoad(world.port, LOSS, SEED) as road:
        yield world, road


def test_f17_a_file_arrives_byte_exact_though_every_fifth_packet_is_lost(lossy: tuple[World, LossyRoad]) -> None:
    world, road = lossy
    inviting, code = world.invite(world.new_ticket())
    words = ["join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES]
    with (world.folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen(
            [*road.inside, find_program("remote-assist"), *words],
            cwd=world.folder, env=world.environment("customer-home"), stdin=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        assert agent.stdin is not None
        agent.stdin.write(f"{code}\n".encode())
        agent.stdin.close()
        session = next_line(inviting, 120)
        assert session.startswith("s-"), world.log("agent.log") + world.log("programs.log")
        source = world.folder / "source.bin"
        source.write_bytes(secrets.token_bytes(FILE_BYTES))
        (world.folder / "got").mkdir()
        world.command("get", session, str(source), "got", timeout=300)
        copy = (world.folder / "got" / "source.bin").read_bytes()
        assert hashlib.sha256(copy).digest() == hashlib.sha256(source.read_bytes()).digest()
        assert road.carried > FILE_BYTES / 1500 and 0.1 < road.lost / road.carried < 0.3
        world.command("end", session, "--note", "done", timeout=120)
        assert agent.wait(120) == 0
        assert "verified" in world.command("audit", "verify", session).stdout
    finally:
        agent.kill()
        agent.wait()

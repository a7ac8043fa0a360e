"""One organisation a module, whose relay lies or whose network misbehaves; a fresh customer a test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.evil_relay import EvilRelay, honest
from tests.faults.parties import Parties, lying_world
from tests.faults.tcp_proxy import TcpProxy
from tests.faults.wired import Wired, proxied_world, wired_session
from tests.scenarios.world import World


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, EvilRelay]]:
    with lying_world(tmp_path_factory.mktemp("lying")) as made:
        yield made


@pytest.fixture
def parties(lying: tuple[World, EvilRelay], tmp_path: Path) -> Iterator[Parties]:
    world, evil = lying
    evil.tamper = honest
    evil.take_over.clear()
    evil.seen.clear()
    yield Parties(world, evil, tmp_path)
    evil.tamper = honest
    evil.take_over.clear()


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, TcpProxy]]:
    with proxied_world(tmp_path_factory.mktemp("proxied")) as made:
        yield made


@pytest.fixture
async def wired(proxied: tuple[World, TcpProxy], tmp_path: Path) -> AsyncIterator[Wired]:
    world, proxy = proxied
    async with wired_session(world, proxy, tmp_path) as made:
        yield made

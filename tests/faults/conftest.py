"""One lying organisation a module, a fresh customer a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.evil_relay import EvilRelay, honest
from tests.faults.parties import Parties, lying_world
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

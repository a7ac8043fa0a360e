"""A running relay for every test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.relay.world import RelayWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path) as running:
        yield running

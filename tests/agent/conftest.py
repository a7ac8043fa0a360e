"""A customer's machine, a technician and a real relay for every test that asks for them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.agent.world import AgentWorld, agent_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as running:
        yield running

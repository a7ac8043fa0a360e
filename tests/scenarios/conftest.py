"""One organisation for each file of refusals; whoever breaks it starts its own."""

from collections.abc import Iterator

import pytest

from tests.scenarios.world import World, served_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served_world(tmp_path_factory.mktemp("organisation")) as served:
        yield served

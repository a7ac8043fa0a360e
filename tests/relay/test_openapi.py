"""docs/openapi.json is what the code says, and a relay that is asked anything it allows never fails."""

import asyncio
import json
import re
import warnings
from pathlib import Path

import msgspec
import pytest

from relay.access import ANYONE, MAY
from relay.openapi import ANSWERS, BODIES, document, text
from relay.routes import ROUTES, WEBSOCKET
from tests.relay.world import RelayWorld

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_document_in_docs_is_current() -> None:
    assert KEPT.read_text() == text(), "run: python -m relay.openapi > docs/openapi.json"


def test_every_route_is_in_it_with_its_bodies() -> None:
    found = {operation["operationId"] for path in document()["paths"].values() for operation in path.values()}
    assert found == {route.verb.value for route in ROUTES}
    assert {route.verb for route in ROUTES if route.method != WEBSOCKET} == set(ANSWERS)
    assert {route.verb for route in ROUTES if route.method == "POST"} - {"challenge", "repair", "alarm", "hook"} == set(
        BODIES
    )


def test_whoever_needs_a_login_is_named_and_every_reference_resolves() -> None:
    made = document()
    for path in made["paths"].values():
        for operation in path.values():
            assert (operation["security"] == []) == (MAY[operation["operationId"]] is ANYONE)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(made)))
    assert names <= set(made["components"]["schemas"])


def fuzz(url: str, token: str, examples: int) -> tuple[list[str], set[str]]:
    """Ask everything the document allows; the answers with a server error, and all statuses seen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    bad: list[str] = []
    seen: set[str] = set()
    schema = schemathesis.openapi.from_dict(document())
    schema.config.update(base_url=url)

    for wrapped in schema.get_all_operations():
        operation = wrapped.ok()
        if operation.definition.raw["responses"].get("101"):
            continue

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: object) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {token}"})  # type: ignore[attr-defined]
            seen.add(f"{case.operation.definition.raw['operationId']} {answer.status_code}")  # type: ignore[attr-defined]
            if answer.status_code >= 500:
                bad.append(f"{answer.request.method} {answer.request.url}: {answer.status_code}")

        ask()
    return bad, seen


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("examples", [3, pytest.param(300, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
async def test_whatever_the_document_allows_is_answered_without_a_server_error(
    world: RelayWorld, examples: int
) -> None:
    _, token = await world.technician()
    await world.ticket(token)
    bad, seen = await asyncio.to_thread(fuzz, world.url, token, examples)
    assert bad == []
    assert {"about 200", "tickets 200", "challenge 200", "ticket 404"} <= seen
    assert msgspec.json.decode((await world.call("GET", "/v1/about"))[1])["product"] == "remote-assist"

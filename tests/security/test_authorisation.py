"""T5: every role at every route, against a table written out by hand; a token never exceeds its maker."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from relay.routes import ROUTES, Route
from remote_assist.core.api import Records, Sessions, SessionSummary, Tickets
from tests.relay.world import RelayWorld

ROLES = ("nobody", "technician", "reviewer", "operator")

ALLOWED: dict[str, str] = {
    "GET /healthz": "nobody technician reviewer operator",
    "GET /readyz": "nobody technician reviewer operator",
    "GET /metrics": "nobody technician reviewer operator",
    "GET /v1/about": "nobody technician reviewer operator",
    "POST /v1/login/challenge": "nobody technician reviewer operator",
    "POST /v1/login": "nobody technician reviewer operator",
    "GET /v1/lists": "technician reviewer operator",
    "GET /v1/log/checkpoint": "nobody technician reviewer operator",
    "GET /v1/log/successions": "nobody technician reviewer operator",
    "GET /v1/log/consistency": "nobody technician reviewer operator",
    "GET /v1/log/anchorings": "technician reviewer operator",
    "GET /v1/log/tile/{tile:.+}": "nobody technician reviewer operator",
    "GET /v1/log/tile/entries/{tile:.+}": "reviewer operator",
    "GET /v1/tickets": "technician reviewer",
    "POST /v1/tickets": "technician",
    "GET /v1/tickets/{ticket}": "technician reviewer",
    "POST /v1/tickets/{ticket}/notes": "technician",
    "GET /v1/tickets/{ticket}/reconcile": "technician reviewer operator",
    "POST /v1/tickets/{ticket}/reconcile": "technician operator",
    "GET /v1/alarms": "technician",
    "POST /v1/alarms/claims": "technician",
    "GET /v1/machines": "technician reviewer",
    "GET /v1/outbox": "technician reviewer operator",
    "POST /v1/outbox/retry": "technician operator",
    "GET /v1/sessions": "technician reviewer",
    "GET /v1/sessions/{session}": "technician reviewer",
    "GET /v1/sessions/{session}/records": "technician reviewer",
    "GET /v1/sessions/{session}/chunks/{seq}": "reviewer",
    "POST /v1/alarms/{source}/{kind}": "nobody technician reviewer operator",
    "POST /v1/hooks/{system}": "nobody technician reviewer operator",
    "GET /start/{ticket}": "nobody technician reviewer operator",
    "GET /v1/chains": "reviewer operator",
    "POST /v1/chains/records": "technician reviewer operator",
    "GET /v1/chains/{chain}": "technician reviewer operator",
    "GET /v1/chains/{chain}/records": "technician reviewer operator",
    "WS /v1/nameplate": "technician",
    "WS /v1/sessions/{session}/stream": "technician",
    "WS /v1/join/{nameplate}": "nobody technician reviewer operator",
    "WS /v1/ask": "nobody technician reviewer operator",
    "WS /v1/accept/{nameplate}": "technician",
    "WS /v1/standby": "nobody technician reviewer operator",
    "WS /v1/agent": "nobody technician reviewer operator",
    "WS /v1/streams/{ticket}": "nobody technician reviewer operator",
}
"""Who may, said a second time on purpose: the code's own table must not be its own judge."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path) as running:
        yield running


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


async def token_of(world: RelayWorld, role: str) -> str:
    return "" if role == "nobody" else (await world.login(world.person(role=role), role)).token


async def answer_to(world: RelayWorld, route: Route, token: str) -> tuple[int, str]:
    """(status, reason) of one call; 101 for a WebSocket that opened."""
    path = route.path.replace("{tile:.+}", "000").format(
        ticket="1001",
        session="s-" + "a" * 16,
        nameplate="417203",
        chain="o-" + "a" * 16,
        seq="1",
        source="prom",
        kind="alertmanager",
        system="desk",
    )
    if route.method != "WS":
        status, raw = await world.call(route.method, path, b"{}" if route.method == "POST" else None, token=token)
        return status, str(json.loads(raw).get("reason", "")) if status >= 400 else ""
    try:
        async with world.socket(path, token=token):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, str(json.loads(refused.response.body or b"{}").get("reason"))


def test_the_table_names_every_route() -> None:
    assert sorted(ALLOWED) == sorted(name_of(route) for route in ROUTES)


@pytest.mark.parametrize("role", ROLES)
async def test_each_route_is_open_to_the_roles_in_the_table_and_to_no_other(world: RelayWorld, role: str) -> None:
    token = await token_of(world, role)
    for route in ROUTES:
        status, reason = await answer_to(world, route, token)
        denied = (status, reason) in {(401, "not-logged-in"), (403, "role")}
        assert denied == (role not in ALLOWED[name_of(route)].split()), f"{role} at {name_of(route)}: {status} {reason}"
        if denied:
            assert status == (401 if role == "nobody" else 403)


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer " + "0" * 64, "Basic YTpi", "bearer x y"])
async def test_a_token_nobody_was_given_opens_nothing(world: RelayWorld, header: str) -> None:
    for path in ("/v1/tickets", "/v1/sessions", "/v1/lists"):
        status, raw = await world.call("GET", path, Authorization=header)
        assert (status, json.loads(raw)["reason"]) == (401, "not-logged-in")


async def test_a_certificate_gives_only_its_own_role(world: RelayWorld) -> None:
    for held in ROLES[1:]:
        for asked in ROLES[1:]:
            status, _ = await world.try_login(world.person(role=held), asked)
            assert (status == 200) == (held == asked)
            world.clock.turn(minutes=20)  # past the penalty of the refused ones


async def test_a_technician_sees_own_sessions_only_and_a_reviewer_all(world: RelayWorld) -> None:
    alice, alices = await world.technician()
    _, bobs = await world.technician("Bob Example")
    reviewers = await token_of(world, "reviewer")
    agent = world.agent(alice, await world.ticket(alices))
    await agent.open()
    path = f"/v1/sessions/{agent.session}"
    for token, sees in ((alices, True), (bobs, False), (reviewers, True)):
        found = (await world.get("/v1/sessions", Sessions, token)).sessions
        assert [one.id for one in found] == ([agent.session] if sees else [])
        for one in (path, f"{path}/records"):
            assert (await world.call("GET", one, token=token))[0] == (200 if sees else 404)
    with pytest.raises(InvalidStatus) as refused:
        await world.socket(f"{path}/stream", token=bobs)
    assert refused.value.response.status_code == 404
    assert (await world.get(path, SessionSummary, reviewers)).technician == "Alice Example"
    assert len((await world.get(f"{path}/records", Records, reviewers)).records) == 1


async def test_tickets_are_every_technicians(world: RelayWorld) -> None:
    _, alices = await world.technician()
    _, bobs = await world.technician("Bob Example")
    ticket = await world.ticket(alices)
    assert [one.id for one in (await world.get("/v1/tickets", Tickets, bobs)).tickets] == [ticket]

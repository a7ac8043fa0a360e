"""Incidents of others, as tests of the relay: T1 paths that mean the same, T11 sockets opened by a foreign page."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yarl
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from relay.__main__ import build_parser
from relay.routes import ROUTES, WEBSOCKET
from tests.relay.world import RelayWorld

VARIANTS = (
    "/{path}",
    "{path}/",
    "{path}//",
    "{path};x",
    "{path};x=1/",
    "{path}%2f",
    "{path}/.",
    "{path}/..",
    "{path}/x/..",
    "/.{path}",
    "/x/..{path}",
    "/x/%2e%2e{path}",
    "/%2e{path}",
    "/%2E%2E{path}",
    "{path}/%2e",
    "{path}/x/%2e%2e",
    "{path}/..%2f",
    "{path}%5c",
    "{path}%00",
    "{path}%20",
    "{path}.aspx",
    "{path}/SetupWizard.aspx/",
    "{path}\\",
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path) as running:
        yield running


def concrete(path: str) -> str:
    for name, value in (("ticket", "1001"), ("session", "s-aaaaaaaaaaaaaaaa"), ("nameplate", "417203")):
        path = path.replace(f"{{{name}}}", value)
    return path.partition("{")[0].rstrip("/") if "{" in path else path


def spellings(path: str) -> list[str]:
    found = [variant.format(path=path) for variant in VARIANTS]
    found += [path.upper(), path.replace("/", "//"), path.replace("/", "/./"), path[0] + path[1:].replace("/", "%2f")]
    found.append(path[:-1] + f"%{ord(path[-1]):02x}")
    return [spelling for spelling in found if spelling != path]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.verb.value)
async def test_t1_no_other_spelling_of_a_path_reaches_anything(world: RelayWorld, route: object) -> None:
    _, token = await world.technician()
    path = concrete(getattr(route, "path", ""))
    method = "GET" if getattr(route, "method", "") == WEBSOCKET else getattr(route, "method", "")
    for spelling in spellings(path):
        url = yarl.URL(world.url + spelling, encoded=True)
        headers = {"Authorization": f"Bearer {token}"}
        if getattr(route, "method", "") == WEBSOCKET:
            headers |= {"Connection": "Upgrade", "Upgrade": "websocket"}  # else every answer would be a refusal
        async with world.http.request(method, url, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 404, (spelling, answer.status, await answer.text())
            assert (await answer.json())["reason"] == "absent", spelling


def test_t1_setting_up_is_a_verb_of_the_command_and_no_route() -> None:
    paths = " ".join(route.path for route in ROUTES)
    for word in ("setup", "init", "adopt", "install", "wizard", "admin", "bootstrap"):
        assert word not in paths
    assert {"init", "adopt"} <= set(build_parser()._subparsers._group_actions[0].choices or ())  # type: ignore[union-attr]


@pytest.mark.parametrize("route", [one for one in ROUTES if one.method == WEBSOCKET], ids=lambda one: one.verb.value)
async def test_t11_a_page_of_another_site_opens_no_socket(world: RelayWorld, route: object) -> None:
    _, token = await world.technician()
    path = concrete(getattr(route, "path", ""))
    for origin in ("https://evil.example.com", "null", "file://", f"{world.url}.evil.example.com", "https://127.0.0.1"):
        with pytest.raises(InvalidStatus) as caught:
            await world.socket(path, token=token, origin=origin)
        assert caught.value.response.status_code == 403
        assert json.loads(caught.value.response.body)["reason"] == "foreign-origin"


async def test_t11_a_cookie_is_no_login_and_none_is_ever_set(world: RelayWorld) -> None:
    _, token = await world.technician()
    for cookie in (token, f"token={token}", f"Authorization=Bearer {token}"):
        with pytest.raises(InvalidStatus) as caught:
            await connect(
                f"{world.url.replace('http:', 'ws:')}/v1/nameplate", additional_headers={"Cookie": cookie}, proxy=None
            )
        assert caught.value.response.status_code == 401
    for path in ("/healthz", "/v1/about", "/v1/tickets", "/v1/absent"):
        async with world.http.get(world.url + path) as answer:
            assert "Set-Cookie" not in answer.headers
            assert not any(name.lower().startswith("access-control-") for name in answer.headers)

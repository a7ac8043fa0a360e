"""Paths are served exactly as written, bodies are bounded, answers tell a sentence and never a stack trace."""

import json
import re
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

import relay.routes
from relay.access import ANYONE, MAY, Verb
from relay.routes import ROUTES
from tests.relay.world import RelayWorld

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_in_the_docstring_is_the_router() -> None:
    said = re.findall(r"^    ((?:GET|POST|WS) .*)$", relay.routes.__doc__ or "", re.M)
    assert [" ".join(line.split()) for line in said] == [
        f"{route.method} {route.path} {route.verb.value} {', '.join(sorted(MAY[route.verb]))}" for route in ROUTES
    ]


def test_every_verb_has_one_route_and_one_line_of_who_may() -> None:
    assert sorted(route.verb for route in ROUTES) == sorted(Verb) == sorted(MAY)


def test_the_operators_page_shows_the_same_routes() -> None:
    page = (DOCS / "operations" / "relay.md").read_text()
    for route in ROUTES:
        who = "anyone" if MAY[route.verb] is ANYONE else ", ".join(sorted(MAY[route.verb]))
        assert f"| {route.method} | `{route.path}` | {who} |" in page


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//v1/about",
        "/v1//about",
        "/v1/about/",
        "/v1/about;x",
        "/v1/%61bout",
        "/v1%2fabout",
        "/V1/about",
        "/v1/About",
        "/v1/./about",
        "/v1/login/../about",
        "/v1/about/x",
        "/v1/setup",
        "/init",
        "/v1/tickets/..%2f..%2fetc",
        "/v1/about\\",
        "/v1/about%00",
    ],
)
async def test_an_address_that_is_not_exactly_a_route_is_absent(world: RelayWorld, path: str) -> None:
    import yarl

    url = yarl.URL(world.url + path, encoded=True)
    async with world.http.get(url, allow_redirects=False) as answer:
        assert answer.status == 404
        assert (await answer.json())["reason"] == "absent"


async def test_another_method_is_absent_too(world: RelayWorld) -> None:
    for method, path in (("DELETE", "/v1/about"), ("POST", "/v1/about"), ("GET", "/v1/login"), ("PUT", "/v1/tickets")):
        status, raw = await world.call(method, path)
        assert status == 405 and json.loads(raw)["reason"] == "absent"


async def test_a_body_beyond_the_limit_is_413(world: RelayWorld) -> None:
    _, token = await world.technician()
    status, raw = await world.call("POST", "/v1/tickets", b"x" * (1 << 20 | 1), token=token)
    assert (status, json.loads(raw)["reason"]) == (413, "too-large")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"subject":1}', b'{"subject":"x","more":1}', b'{"description":"x"}', b"\xff\xfe"]
)
async def test_a_body_that_is_not_the_verbs_is_400_with_a_sentence(world: RelayWorld, body: bytes) -> None:
    _, token = await world.technician()
    status, raw = await world.call("POST", "/v1/tickets", body, token=token)
    said = json.loads(raw)
    assert (status, said["reason"]) == (400, "usage") and said["sentence"] and said["advice"]
    assert b"Traceback" not in raw


async def test_a_websocket_from_a_page_of_another_site_is_refused(world: RelayWorld) -> None:
    _, token = await world.technician()
    for origin in ("https://evil.example.com", "null", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus) as caught:
            await world.socket("/v1/nameplate", token=token, origin=origin)
        assert caught.value.response.status_code == 403
    async with world.socket("/v1/nameplate", token=token, origin=world.url):
        pass


async def test_a_plain_request_to_a_websocket_says_so(world: RelayWorld) -> None:
    status, raw = await world.call("GET", "/v1/agent")
    assert status == 400 and "WebSocket" in json.loads(raw)["sentence"]


async def test_answers_are_not_kept_or_sniffed(world: RelayWorld) -> None:
    async with world.http.get(f"{world.url}/v1/about") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_query_that_is_no_record_number_is_400(world: RelayWorld) -> None:
    _, token = await world.technician()
    for query in ("from=-1", "from=x", "from=1&to=2", "to=1"):
        status, _ = await world.call("GET", f"/v1/sessions/s-aaaaaaaaaaaaaaaa/records?{query}", token=token)
        assert status == 400

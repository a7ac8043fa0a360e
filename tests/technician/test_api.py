"""The HTTP client: typed answers, our errors, limits; against a small server that says what a test wants."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from remote_assist.core.api import LoggedRecord, NewNote, Records
from remote_assist.core.codec import encode
from remote_assist.core.messages import Acknowledgement
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from remote_assist.technician import relay_http
from remote_assist.technician.api import RelayApi
from remote_assist.technician.relay_http import safe_addresses, safe_origin
from tests.transport.test_networks import proxied

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[RelayApi]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with RelayApi(f"http://127.0.0.1:{port}", token="secret", deadline_seconds=5) as api:
            yield api
    finally:
        await runner.cleanup()


def says(status: int, text: str, **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    return answer


ERROR = '{"reason": "why", "sentence": "it is so", "advice": "do this"}'


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UsageError),
        (401, RefusedError),
        (403, RefusedError),
        (404, UsageError),
        (409, RefusedError),
        (413, UsageError),
        (429, RefusedError),
        (503, AuditUnavailable),
        (504, UnreachableError),
    ],
)
async def test_an_error_of_the_relay_becomes_one_of_ours(status: int, kind: type[AssistError]) -> None:
    async with serving(says(status, ERROR)) as api:
        with pytest.raises(kind) as fault:
            await api.tickets()
    older = " The relay is older than this program (it speaks 1.0, this one 1.1)." if kind is UsageError else ""
    assert (fault.value.message, fault.value.advice) == ("it is so", f"do this{older}")
    if isinstance(fault.value, RefusedError):
        assert fault.value.reason == "why"


async def test_a_certificate_the_relay_does_not_accept_failed_verification() -> None:
    async with serving(says(403, ERROR.replace("why", "unverified"))) as api:
        with pytest.raises(VerificationError, match="it is so"):
            await api.login_challenge()


async def test_not_logged_in_any_more_says_how_to_log_in() -> None:
    async with serving(says(401, '{"reason": "not-logged-in", "sentence": "the login is over"}')) as api:
        with pytest.raises(RefusedError) as fault:
            await api.sessions()
    assert "login --key" in fault.value.advice


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"tickets": 1}', "[" * 200_000, '{"tickets": "\xff"}'])
async def test_an_answer_that_is_none_is_refused(text: str) -> None:
    async with serving(says(200, text)) as api:
        with pytest.raises(RemoteProtocolError):
            await api.tickets()


async def test_what_is_only_shown_may_be_told_with_more_and_what_is_verified_may_not() -> None:
    async with serving(says(200, '{"tickets": [], "more": 1}')) as api:
        assert await api.tickets() == ()
    async with serving(says(200, '{"lists": [], "more": 1}')) as api:
        with pytest.raises(RemoteProtocolError, match="unknown field"):
            await api.lists()


async def test_an_error_without_words_still_is_one() -> None:
    async with serving(says(500, "<html>")) as api:
        with pytest.raises(UnreachableError, match="HTTP 500"):
            await api.tickets()
    async with serving(says(418, "")) as api:
        with pytest.raises(RemoteProtocolError, match="HTTP 418"):
            await api.tickets()


async def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serving(answer) as api:
        with pytest.raises(AssistError):
            await api.tickets()
    assert asked == ["/v1/tickets"]


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_http, "MAX_ANSWER_BYTES", 1 << 20)

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        try:
            while True:
                await stream.write(b" " * 65536)
        except ConnectionError:
            return stream

    async with serving(answer) as api:
        with pytest.raises(RemoteProtocolError, match="longer than"):
            await api.tickets()


async def test_ids_cannot_change_the_path_and_the_token_travels_in_its_header() -> None:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.headers["Authorization"]))
        return web.Response(status=404, text=ERROR)

    async with serving(answer) as api:
        for odd in ("../sessions", "1/notes", "1?x=y", "é"):
            with pytest.raises(UsageError):
                await api.ticket(odd)
        with pytest.raises(UsageError):
            await api.add_note("a/b", NewNote(text="t", key="k"))
    assert [path for path, _ in seen] == [
        "/v1/tickets/..%2Fsessions",
        "/v1/tickets/1%2Fnotes",
        "/v1/tickets/1%3Fx=y",
        "/v1/tickets/%C3%A9",
        "/v1/tickets/a%2Fb/notes",
    ]
    assert {token for _, token in seen} == {"Bearer secret"}


async def test_records_are_read_page_by_page() -> None:
    async def answer(request: web.Request) -> web.Response:
        start = int(request.query["from"])
        record = LoggedRecord(
            record=b"a",
            head="h",
            acknowledgement=Acknowledgement(session="s", seq=start, hash="x", time="t", index=0, signature="s"),
        )
        return web.Response(body=encode(Records(session="s", records=(record,), more=start < 2)))

    async with serving(answer) as api:
        assert [one.acknowledgement.seq for one in await api.records("s")] == [0, 1, 2]


async def test_a_relay_that_promises_more_and_sends_nothing_is_not_asked_for_ever() -> None:
    async with serving(says(200, '{"session": "s", "records": [], "more": true}')) as api:
        with pytest.raises(RemoteProtocolError, match="sends none"):
            await api.records("s")


async def test_nobody_there_is_unreachable() -> None:
    async with RelayApi("http://127.0.0.1:9", deadline_seconds=5) as api:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            await api.about()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8470", "http://localhost:1", "http://[::1]:8470", "https://relay.example.com"]
)
def test_https_anywhere_and_plain_http_here(url: str) -> None:
    assert safe_origin(url).startswith(url)


@pytest.mark.parametrize("url", ["http://relay.example.com", "http://10.0.0.1:80", "http://127.0.0.1.example.com"])
def test_plain_http_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="plain HTTP"):
        safe_origin(url)


@pytest.mark.parametrize("subject", ["", "x" * 201])
async def test_a_subject_has_1_to_200_characters(subject: str) -> None:
    async with serving(says(500, "")) as api:
        with pytest.raises(UsageError, match="1 to 200"):
            await api.new_ticket(subject)


async def test_the_next_address_answers_when_the_first_is_gone() -> None:
    async with serving(says(200, '{"sessions": []}')) as there:
        addresses = safe_addresses(["http://127.0.0.1:9", there.origin])
        async with RelayApi(addresses, deadline_seconds=5) as api:
            assert await api.sessions() == ()
            assert api.origin == there.origin


async def test_what_may_have_arrived_is_said_once_only() -> None:
    heard = []

    async def break_off(request: web.Request) -> web.StreamResponse:
        heard.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with (
        serving(break_off) as one,
        serving(break_off) as two,
        RelayApi(safe_addresses([one.origin, two.origin]), deadline_seconds=5) as api,
    ):
        with pytest.raises(UnreachableError):
            await api.new_ticket("Web server does not start")
        assert heard == ["POST"]
        with pytest.raises(UnreachableError, match="none of 2 addresses"):
            await api.tickets()
    assert heard.count("POST") == 1 and heard.count("GET") >= 2


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_the_api_is_reached_through_the_proxy_that_was_named(scheme: str) -> None:
    async with proxied() as proxy, serving(says(200, '{"sessions": []}')) as there:
        port = there.origin.rpartition(":")[2]
        proxy_url = f"{scheme}://127.0.0.1:{proxy.port}"
        async with RelayApi(f"https://relay.example.com:{port}", proxy_url=proxy_url, deadline_seconds=5) as api:
            with pytest.raises((VerificationError, UnreachableError)):  # it came through, and speaks no TLS
                await api.sessions()
        assert set(proxy.asked) == {f"relay.example.com:{port}"}
        before = len(proxy.asked)
        async with RelayApi(there.origin, proxy_url=proxy_url, deadline_seconds=5) as api:
            assert await api.sessions() == ()
        assert len(proxy.asked) == before + 1

"""What a failure means for a retry: the difference between "not written" and "nobody knows" is never guessed."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp import web

from remote_assist.errors import ContentError, Fault, TicketSystemError
from remote_assist.tickets.http import Http, checked_url, retry_after
from tests.tickets.peer import Request, peer
from tests.tickets.servers import free_port


def answering(status: int, **headers: str) -> object:
    async def decide(request: Request) -> web.StreamResponse:
        return web.json_response({"said": "words"}, status=status, headers=headers)

    return decide


async def fault_of(method: str, url: str, deadline_seconds: float = 30.0) -> TicketSystemError:
    http = Http(url, headers={"Authorization": "token 1"}, deadline_seconds=deadline_seconds)
    try:
        with pytest.raises(TicketSystemError) as failed:
            await http.call(method, "/x", body={"a": 1} if method != "GET" else None)
    finally:
        await http.close()
    return failed.value


@pytest.mark.parametrize(
    ("method", "status", "fault"),
    [
        ("POST", 400, Fault.REJECTED),
        ("POST", 401, Fault.CREDENTIAL),
        ("POST", 403, Fault.REJECTED),
        ("POST", 404, Fault.ABSENT),
        ("POST", 410, Fault.ABSENT),
        ("POST", 302, Fault.REJECTED),
        ("POST", 429, Fault.SLOW_DOWN),
        ("POST", 500, Fault.UNCLEAR),
        ("POST", 503, Fault.UNCLEAR),
        ("GET", 500, Fault.NOT_SENT),
    ],
)
async def test_a_status_means_what_it_means(method: str, status: int, fault: Fault) -> None:
    async with peer(answering(status)) as one:  # type: ignore[arg-type]
        assert (await fault_of(method, one.url)).fault is fault


async def test_retry_after_is_told_also_with_a_403() -> None:
    async with peer(answering(403, **{"Retry-After": "7"})) as one:  # type: ignore[arg-type]
        failed = await fault_of("POST", one.url)
    assert (failed.fault, failed.wait_seconds) == (Fault.SLOW_DOWN, 7.0)


async def test_nobody_listening_means_nothing_was_sent() -> None:
    assert (await fault_of("POST", f"http://127.0.0.1:{free_port()}")).fault is Fault.NOT_SENT


@pytest.mark.parametrize(("method", "fault"), [("POST", Fault.UNCLEAR), ("GET", Fault.NOT_SENT)])
async def test_a_cut_after_the_request_is_unclear_for_a_write_only(method: str, fault: Fault) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert (await fault_of(method, url)).fault is fault


async def test_an_answer_that_does_not_come_in_time_is_unclear() -> None:
    release = asyncio.Event()

    async def wait(request: Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    async with peer(wait) as one:
        failed = await fault_of("POST", one.url, deadline_seconds=0.3)
        release.set()
    assert failed.fault is Fault.UNCLEAR


async def test_an_answer_that_cannot_be_read_after_a_write_is_unclear() -> None:
    async def words(request: Request) -> web.StreamResponse:
        return web.Response(text="<html>")

    async with peer(words) as one:
        http = Http(one.url, headers={})
        answer = await http.call("POST", "/x", body={})
        with pytest.raises(TicketSystemError) as failed:
            answer.read(dict[str, int])
        await http.close()
    assert failed.value.fault is Fault.UNCLEAR


async def test_the_credential_does_not_follow_a_redirect() -> None:
    async with peer(answering(200)) as other:  # type: ignore[arg-type]

        async def away(request: Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{other.url}/stolen"})

        async with peer(away) as one:
            await fault_of("GET", one.url)
        assert other.requests == []


@pytest.mark.parametrize(
    "url", ["http://rt.example.com", "ftp://127.0.0.1", "https://", "https://u:p@rt.example.com", "https://h/?q=1"]
)
def test_an_address_that_would_give_the_credential_away_is_refused(url: str) -> None:
    with pytest.raises(ContentError):
        checked_url(url)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("7", 7),
        ("-1", 0),
        ("nan", 0),
        ("1e9", 3600),
        ("soon", 0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30),
        ("Sun, 22 Nov 2020 10:00:30 GMT", 0),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_never_for_ever(value: str, seconds: float) -> None:
    assert retry_after(value, now=datetime(2026, 11, 22, 10, tzinfo=UTC)) == seconds


async def test_an_answer_of_our_kind_is_read() -> None:
    class Said(msgspec.Struct):
        said: str

    async with peer(answering(200)) as one:  # type: ignore[arg-type]
        http = Http(f"{one.url}/", headers={"X": "1"})
        assert (await http.call("GET", "/a", query={"q": "1 & 2"})).read(Said).said == "words"
        await http.close()
        assert (one.requests[0].query, one.requests[0].headers["X"]) == ({"q": "1 & 2"}, "1")

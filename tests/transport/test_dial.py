"""Links: dialled outward, no redirects, errors in sentences."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import WSCloseCode, web

from remote_assist.core.api import ApiError
from remote_assist.errors import ContentError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.causes import cause_of
from remote_assist.transport.dial import dial

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def echo(request: web.Request) -> web.StreamResponse:
    own = web.WebSocketResponse()
    await own.prepare(request)
    await own.send_str(f"{request.path} {request.headers.get('X-Test', '')} {request.headers['User-Agent']}")
    async for message in own:
        await (own.send_str(message.data) if message.type is web.WSMsgType.TEXT else own.send_bytes(message.data))
    return own


async def test_text_and_binary_pass_and_headers_arrive() -> None:
    async with serving(echo) as url:
        link = await dial(url + "/base/", "/v1/x", headers={"X-Test": "yes"})
        first = await link.receive()
        assert isinstance(first, str)
        assert first.startswith("/base/v1/x yes remote-assist/")
        await link.send_text(b'{"a":1}')
        await link.send_binary(b"\0\1")
        assert await link.receive() == '{"a":1}'
        assert await link.receive() == b"\0\1"
        sock = link._connection.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await link.close()
        await link.close()
        for call in (link.receive(), link.send_text("x"), link.send_binary(b"x")):
            with pytest.raises(UnreachableError):
                await call


async def test_why_the_relay_closed_is_kept() -> None:
    async def closing(request: web.Request) -> web.StreamResponse:
        own = web.WebSocketResponse()
        await own.prepare(request)
        await own.close(code=WSCloseCode.GOING_AWAY, message=b"restarting")
        return own

    async with serving(closing) as url:
        link = await dial(url, "/x")
        with pytest.raises(UnreachableError, match="restarting"):
            await link.receive()
        assert link.close_reason == "restarting"


async def test_a_message_beyond_the_limit_closes_the_link() -> None:
    async with serving(echo) as url:
        link = await dial(url, "/x", max_bytes=1000)
        await link.receive()
        await link.send_binary(bytes(1001))
        with pytest.raises(UnreachableError):
            await link.receive()


async def test_a_redirect_is_never_followed() -> None:
    reached: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        reached.append(request.path)
        return await echo(request)

    async with serving(elsewhere) as other:

        async def redirect(request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(other + "/stolen")

        async with serving(redirect) as url:
            with pytest.raises(UnreachableError, match="307"):
                await dial(url, "/x", headers={"Authorization": "Bearer secret"})
    assert reached == []


async def test_a_refusal_of_the_relay_keeps_its_reason() -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        body = ApiError(reason="not-logged-in", sentence="this needs a login", advice="Log in.")
        return web.Response(status=401, body=msgspec.json.encode(body))

    async with serving(refuse) as url:
        with pytest.raises(RefusedError) as refused:
            await dial(url, "/x")
    assert (refused.value.reason, refused.value.message) == ("not-logged-in", "this needs a login")
    assert refused.value.advice == "Log in."


async def test_nobody_there_and_nobody_answering_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(dial(url, "/x", deadline_seconds=0.2), 5)
    with pytest.raises(UnreachableError, match=r"cannot be reached: connection refused$"):
        await dial(url, "/x")


def test_a_cause_is_said_without_system_calls_and_addresses() -> None:
    both = OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 113] no")
    assert cause_of(OSError(111, "Connect call failed ('127.0.0.1', 1)")) == os.strerror(111).lower()
    assert cause_of(both) == os.strerror(111).lower()
    assert cause_of(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    assert cause_of(TimeoutError()) == "no answer in time"
    assert cause_of(ValueError()) == "ValueError"


@pytest.mark.parametrize("url", ["relay.example.com", "ftp://x", "https://", "https://x?y=1", "https://x#y", ""])
async def test_what_is_no_relay_url_is_said(url: str) -> None:
    with pytest.raises(UsageError):
        await dial(url, "/x")


async def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for path in (tmp_path / "ca.pem", tmp_path / "absent.pem"):
        with pytest.raises(ContentError):
            await dial("https://127.0.0.1:1", "/x", tls_ca_file=path)

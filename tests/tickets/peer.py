"""A ticket system's HTTP peer on loopback whose answers a test decides; it remembers every request."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Decide = Callable[[Request], Awaitable[web.StreamResponse]]


@dataclass
class Peer:
    """The running peer. `decide` may be replaced at any time."""

    decide: Decide
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        heard = Request(request.method, request.path, dict(request.query), dict(request.headers), await request.read())
        self.requests.append(heard)
        return await self.decide(heard)


@asynccontextmanager
async def peer(decide: Decide) -> AsyncIterator[Peer]:
    """A peer on a free loopback port."""
    one = Peer(decide)
    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", one.serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    one.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    try:
        yield one
    finally:
        await runner.cleanup()

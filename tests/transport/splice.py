"""A relay in thirty lines for tests: splices the two WebSockets that come for one path, and can misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

Tamper = Callable[[str, bytes], bytes | None]
"""(from whom: the `who` of the URL, message) → what is passed on; None drops it."""


class Splice:
    """`ws://…/NAME/technician` and `ws://…/NAME/agent` are joined."""

    def __init__(self, tamper: Tamper | None = None) -> None:
        self.tamper = tamper
        self.url = ""
        self.sockets: dict[tuple[str, str], web.WebSocketResponse] = {}
        self._both: dict[str, asyncio.Event] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        name, who = request.match_info["name"], request.match_info["who"]
        other = "agent" if who == "technician" else "technician"
        socket = web.WebSocketResponse(compress=False, max_msg_size=1 << 20, timeout=1.0)
        await socket.prepare(request)
        self.sockets[name, who] = socket
        both = self._both.setdefault(name, asyncio.Event())
        if (name, other) in self.sockets:
            both.set()
        await both.wait()
        peer = self.sockets[name, other]
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await peer.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                raw = message.data if self.tamper is None else self.tamper(who, message.data)
                if raw is not None:
                    with contextlib.suppress(ConnectionError):  # the peer closed meanwhile
                        await peer.send_bytes(raw)
        await peer.close()
        return socket


@asynccontextmanager
async def spliced(tamper: Tamper | None = None, *, host: str = "127.0.0.1") -> AsyncIterator[Splice]:
    """A running splice on loopback."""
    splice = Splice(tamper)
    app = web.Application()
    app.router.add_get("/{name}/{who}", splice.serve)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    await site.start()
    splice.url = f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    try:
        yield splice
    finally:
        await runner.cleanup()

"""A relay that lies: it stands where the relay stands, sees every message, and may change, drop, repeat or add any.

It forwards to an honest relay that was told its address (`serve --origin`), so whatever it does not touch works as it
should; what a test makes it touch is the attack. It runs on a thread of its own, so that programs under test may be
processes or coroutines.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import FromAgent, Message, ToAgent
from remote_assist.core.spoken import HEADER, OWN

Data = str | bytes


SPEAKS = {HEADER: str(OWN)}
"""It is no older than the relay behind it: what it changes, it changes on purpose."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One WebSocket message on its way. `road`: nameplate, join, agent, stream (technician) or agent-stream."""

    road: str
    to_relay: bool
    data: Data

    @property
    def between_ends(self) -> bool:
        return isinstance(self.data, bytes)

    def message(self) -> Message:
        """What a control message of the agent's connection says."""
        kind: type[Message] = FromAgent if self.to_relay else ToAgent  # type: ignore[assignment]  # unions
        return decode(self.data, kind)


Tamper = Callable[[Passage], Awaitable[Sequence[Data]]]
TakeOver = Callable[[web.WebSocketResponse], Awaitable[None]]


async def honest(passage: Passage) -> Sequence[Data]:
    """Change nothing."""
    return [passage.data]


def text(message: Message) -> str:
    """A message as the relay would write it."""
    return encode(message).decode()


def flipped(raw: bytes, place: int) -> bytes:
    """The same bytes with one bit changed."""
    changed = bytearray(raw)
    changed[place % len(changed)] ^= 1
    return bytes(changed)


class EvilRelay:
    """Serves on `port` and forwards to `upstream`. `tamper` may be replaced at any time; `seen` counts per road."""

    def __init__(self, port: int, upstream: str, tamper: Tamper = honest) -> None:
        self.tamper = tamper
        self.take_over: dict[str, TakeOver] = {}
        self.seen: dict[str, int] = {}
        self.answer_http: Callable[[str, bytes], bytes] = lambda path, body: body
        self.agents: list[web.WebSocketResponse] = []
        self._port = port
        self._upstream = upstream
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="evil-relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def tell_agent(self, message: Message) -> None:
        """Say something to the connected agent that no honest relay said."""

        async def say() -> None:
            await self.agents[-1].send_str(text(message))

        asyncio.run_coroutine_threadsafe(say(), self._loop).result(5)

    def drop_agents(self) -> None:
        """Cut every control connection; the agents dial again."""

        async def drop() -> None:
            for socket in self.agents:
                await socket.close()
            self.agents.clear()

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=4 << 20)
        application.router.add_route("*", "/{tail:.*}", self._arrived)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self._port).start()
        async with ClientSession() as self._client:
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _arrived(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        headers = {k: v for k, v in request.headers.items() if k in {"Authorization", "Content-Type", "Host", HEADER}}
        url = self._upstream + request.path_qs
        async with self._client.request(request.method, url, data=await request.read(), headers=headers) as answer:
            body = self.answer_http(request.path, await answer.read())
            return web.Response(status=answer.status, body=body, content_type="application/json", headers=SPEAKS)

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        road = _road(request.path)
        self.seen[road] = self.seen.get(road, 0) + 1
        near = web.WebSocketResponse(compress=False, max_msg_size=4 << 20)
        near.headers.update(SPEAKS)
        await near.prepare(request)
        if road == "agent":
            self.agents.append(near)
        if road in self.take_over:
            await self.take_over[road](near)
            await near.close()
            return near
        headers = {k: v for k, v in request.headers.items() if k in {"Authorization", "Host", HEADER}}
        url = self._upstream + request.path_qs
        async with self._client.ws_connect(url, headers=headers, max_msg_size=4 << 20) as far:
            forth = asyncio.create_task(self._pass(road, near, far, to_relay=True))
            back = asyncio.create_task(self._pass(road, far, near, to_relay=False))
            await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
            for task in (forth, back):
                task.cancel()
            await asyncio.gather(forth, back, return_exceptions=True)
        await near.close()
        return near

    async def _pass(
        self,
        road: str,
        source: web.WebSocketResponse | ClientWebSocketResponse,
        sink: web.WebSocketResponse | ClientWebSocketResponse,
        *,
        to_relay: bool,
    ) -> None:
        async for message in source:
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                return
            for data in await self.tamper(Passage(road, to_relay, message.data)):
                await (sink.send_str(data) if isinstance(data, str) else sink.send_bytes(data))


def _road(path: str) -> str:
    parts = path.strip("/").split("/")
    if parts[1:2] == ["streams"]:
        return "agent-stream"
    return "stream" if parts[-1] == "stream" else parts[1]

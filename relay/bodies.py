"""Bodies of HTTP requests and answers: read within bounds, decoded strictly, written as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from relay.access import Caller
from remote_assist.core.codec import decode, encode
from remote_assist.errors import RemoteProtocolError, UsageError

T = TypeVar("T")

MAX_ANSWER_BYTES = 16 << 20

Answer = Callable[[web.Request, Caller | None], Awaitable[web.StreamResponse]]


class Bodies:
    """Reads request bodies: bounded in size and time."""

    def __init__(self, *, max_bytes: int, deadline_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._deadline_seconds = deadline_seconds

    async def read(self, request: web.Request, kind: type[T]) -> T:
        """The body as `kind`. Raises UsageError; web.HTTPRequestEntityTooLarge beyond the limit."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                raw = await request.read()
        except TimeoutError as error:
            raise UsageError("the request took too long to arrive") from error
        try:
            return decode(raw, kind, max_bytes=self._max_bytes)
        except RemoteProtocolError as error:
            raise UsageError(error.message, advice="docs/protocol.md shows the body of every request.") from error


def answer(body: msgspec.Struct, *, status: int = 200) -> web.Response:
    """A JSON answer that no browser keeps or sniffs."""
    return web.Response(
        body=encode(body, max_bytes=MAX_ANSWER_BYTES),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def query_numbers(request: web.Request, *names: str) -> dict[str, int]:
    """Numbers in the query. Raises UsageError for other names, other values, or one given twice."""
    found: dict[str, int] = {}
    for name, text in request.query.items():
        if name not in names or name in found or not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise UsageError(f"the query holds numbers named {' and '.join(names)}, each once")
        found[name] = int(text)
    return found

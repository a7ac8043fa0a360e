"""The HTTP half of the API: each method answers one verb with a body of core/api.py."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from relay.access import Caller, owner_filter
from relay.chains import Chains
from relay.login import Logins
from relay.penalties import Penalties
from relay.session_filter import SessionFilter
from relay.sessions import Live, read_page, read_summaries, read_summary, with_live
from relay.sources import address_of
from relay.store import Store
from relay.trust import TrustFolder
from remote_assist import __version__
from remote_assist.core.api import (
    About,
    ChallengeAnswer,
    ListsAnswer,
    Login,
    NewRecords,
    NewRecordsAnswer,
)
from remote_assist.core.api import Chains as ChainList
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import relay_origin
from remote_assist.errors import RefusedError, RemoteProtocolError, UsageError, VerificationError

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


class LoginPages:
    """Who this relay is, and logging in."""

    def __init__(
        self,
        logins: Logins,
        trust: TrustFolder,
        penalties: Penalties,
        bodies: Bodies,
        *,
        origins: tuple[str, ...],
        clock: Callable[[], datetime],
    ) -> None:
        self._logins = logins
        self._trust = trust
        self._penalties = penalties
        self._bodies = bodies
        self._origins = origins
        self._clock = clock

    async def health(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /healthz: the process answers."""
        return web.Response(text="ok\n")

    async def about(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/about: hints for people."""
        return answer(About(product="remote-assist", version=__version__, origin=self._origin(request)))

    async def challenge(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/login/challenge: a nonce."""
        return answer(ChallengeAnswer(nonce=self._logins.challenge(), origin=self._origin(request)))

    async def login(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/login: a token for a signature. Failures cost the address."""
        source = address_of(request)
        self._penalties.check(source, self._clock())
        asked = await self._bodies.read(request, Login)
        try:
            return answer(await self._logins.login(asked, origin=self._origin(request)))
        except (VerificationError, RefusedError, UsageError):
            self._penalties.failed(source, self._clock())
            raise

    async def lists(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/lists: what the CA signed."""
        return answer(ListsAnswer(lists=self._trust.raw))

    def _origin(self, request: web.Request) -> str:
        """The name of this relay the caller used, if it is one of its names."""
        try:
            used = relay_origin(f"{request.scheme}://{request.host}")
        except UsageError:
            return self._origins[0]
        return used if used in self._origins else self._origins[0]


@dataclass(frozen=True, slots=True)
class SessionPages:
    """Sessions and their records: a technician's own, a reviewer's all."""

    store: Store
    live: Live

    async def sessions(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/sessions?…: see relay/session_filter.py."""
        assert caller is not None
        owner, wanted = owner_filter(caller), SessionFilter.of(request)
        found = await self.store.read(lambda connection: read_summaries(connection, owner, wanted))
        return answer(msgspec.structs.replace(found, sessions=await with_live(found.sessions, self.live)))

    async def session(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/sessions/{session}."""
        assert caller is not None
        session, owner = request.match_info["session"], owner_filter(caller)
        found = await self.store.read(lambda connection: read_summary(connection, session, owner))
        return answer((await with_live((found,), self.live))[0])

    async def records(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/sessions/{session}/records?from=SEQ&size=N."""
        assert caller is not None
        session, owner = request.match_info["session"], owner_filter(caller)
        numbers = query_numbers(request, "from", "size")
        start, size = numbers.get("from", 0), numbers.get("size", 0)
        return answer(await self.store.read(lambda connection: read_page(connection, session, owner, start, size)))


@dataclass(frozen=True, slots=True)
class ChainPages:
    """Records that belong to no session."""

    kept: Chains
    bodies: Bodies

    async def chains(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/chains."""
        return answer(ChainList(chains=await self.kept.summaries()))

    async def chain(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/chains/{chain}."""
        assert caller is not None
        return answer(await self.kept.summary(caller, request.match_info["chain"]))

    async def records(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/chains/{chain}/records?from=SEQ&size=N."""
        assert caller is not None
        numbers = query_numbers(request, "from", "size")
        start, size = numbers.get("from", 0), numbers.get("size", 0)
        return answer(await self.kept.page(caller, request.match_info["chain"], start, size))

    async def new_records(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/chains/records."""
        assert caller is not None
        new = await self.bodies.read(request, NewRecords)
        return answer(NewRecordsAnswer(acknowledgements=await self.kept.take(caller, new.records)), status=201)


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

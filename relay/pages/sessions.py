"""Sessions and other chains of records, as HTTP verbs: each method answers one with a body of core/api.py."""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from relay.access import Caller, owner_filter
from relay.bodies import Bodies, answer, query_numbers
from relay.log.chains import Chains
from relay.log.session_filter import SessionFilter
from relay.log.sessions import Live, read_page, read_summaries, read_summary, with_live
from relay.storage.store import Store
from remote_assist.core.api import Chains as ChainList
from remote_assist.core.api import (
    NewRecords,
    NewRecordsAnswer,
)


@dataclass(frozen=True, slots=True)
class SessionPages:
    """Sessions and their records: a technician's own, a reviewer's all."""

    store: Store
    live: Live

    async def sessions(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/sessions?…: see relay/log/session_filter.py."""
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

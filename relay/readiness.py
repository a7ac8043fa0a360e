"""Whether this relay should be sent work: GET /readyz for load balancers, and the drain before its end.

    serving ── SIGTERM ──▶ draining: /readyz says no, no new WebSocket ── drain_seconds ──▶ sockets told to come back
                              └── second SIGTERM ──▶ ended at once (what was acknowledged is on disk)

Rule: /healthz says that the process answers, /readyz that a session started now would be served and recorded.
"""

import asyncio

from aiohttp import web

from relay.access import Caller, Verb
from relay.store import Store
from remote_assist.errors import AuditUnavailable

STORE_SECONDS = 5.0
"""How long the store may take to answer before it counts as gone."""


class Readiness:
    """Answers /readyz and refuses new WebSockets while draining."""

    def __init__(self) -> None:
        self.draining = False
        self._store: Store | None = None

    def watch(self, store: Store) -> None:
        """Say whose disk counts."""
        self._store = store

    def check_new(self, verb: Verb) -> None:
        """Raise AuditUnavailable `draining` when `verb` would begin something that outlives this relay."""
        if self.draining:
            raise AuditUnavailable("this relay is about to stop", reason="draining", advice="Try again in a moment.")

    async def ready(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /readyz: 200, or 503 with what is wrong."""
        assert self._store is not None
        self.check_new(Verb.READY)
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self._store.write(lambda connection: None)  # takes the write lock and looks at the free space
        except TimeoutError:
            raise AuditUnavailable("the store does not answer", reason="store-slow") from None
        return web.Response(text="ready\n")

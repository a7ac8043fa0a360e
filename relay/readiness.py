"""Whether this relay should be sent work: GET /readyz for load balancers, and the drain before its end.

    serving ── SIGTERM ──▶ draining: /readyz says no, no new WebSocket ── drain_seconds ──▶ sockets told to come back
                              └── second SIGTERM ──▶ ended at once (what was acknowledged is on disk)

Rule: /healthz says that the process answers, /readyz that a session started now would be served and recorded.
"""

import asyncio

import structlog
from aiohttp import web

from relay.access import Caller, Verb
from relay.storage.store import Store
from remote_assist.core.room import Marks, Room
from remote_assist.errors import AuditUnavailable

BEGINS_SESSIONS = frozenset({Verb.NAMEPLATE, Verb.ASK, Verb.ACCEPT, Verb.READY})
"""What is refused before the disk is full, so that running sessions can still be recorded to their ends."""

STORE_SECONDS = 5.0
"""How long the store may take to answer before it counts as gone."""


class Readiness:
    """Answers /readyz and refuses new WebSockets while draining."""

    def __init__(self) -> None:
        self.draining = False
        self.room = Room.FINE
        self._store: Store | None = None

    def watch(self, store: Store) -> None:
        """Say whose disk counts."""
        self._store = store

    def look(self, marks: Marks) -> bool:
        """Look how much room the disk has; whether that changed."""
        assert self._store is not None
        before, self.room = self.room, marks.room(self._store.free_bytes)
        if self.room != before:
            tell = structlog.get_logger("store")
            (tell.info if self.room is Room.FINE else tell.warning)("room", level=self.room.word)
        return self.room != before

    def check_new(self, verb: Verb) -> None:
        """Raise AuditUnavailable `draining` when `verb` would begin something that outlives this relay."""
        if self.draining:
            raise AuditUnavailable("this relay is about to stop", reason="draining", advice="Try again in a moment.")
        if self.room >= Room.REFUSE and verb in BEGINS_SESSIONS:
            raise AuditUnavailable(
                "the relay's disk is nearly full, so no new session may begin",
                reason="store-full",
                advice="Ask the relay's operator to free disk space.",
            )

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

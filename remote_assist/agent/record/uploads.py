"""Sealed chunks on their way to the relay: offered once their record is acknowledged, again after a cut, until stored.

    keep: spool (disk) → record (journal) → offer ─ acknowledged ─▶ StoreChunk ▶ ◀ ChunkStored → gone from the disk

Rule 1: bodies are read from the disk when they are sent, so memory holds a few at most. Rule 2: a refusal that time
can mend is tried again; any other is told to whoever made the chunk, and the chunk stays on the disk.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from remote_assist.audit.spool import Spool
from remote_assist.core.messages import ChunkRefused, ChunkStored, StoreChunk
from remote_assist.errors import AuditUnavailable, VerificationError

MAX_IN_FLIGHT = 8
"""Chunks sent and not yet answered."""

RETRY_SECONDS = 1.0
"""How long a relay that refused a chunk for now is left alone."""

PASSING_REFUSALS = frozenset({"store-full", "busy", "unavailable", "no-record"})

OnStored = Callable[[AuditUnavailable | None], None]
"""Told once: the relay has it (None), or will never take it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A chunk that the relay lacks."""

    seq: int
    hash: str
    on_stored: OnStored


class Uploads:
    """One session's chunks. `acknowledged` says whether the relay has promised to keep the record of a place."""

    def __init__(self, spool: Spool, session: str, *, acknowledged: Callable[[int], bool]) -> None:
        self.spool = spool
        self._session = session
        self._acknowledged = acknowledged
        self._waiting: dict[int, Waiting] = {}
        self._sent: set[int] = set()
        self._refused_until = 0.0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def undelivered(self) -> int:
        """How many chunks the relay lacks."""
        return len(self._waiting)

    def offer(self, seq: int, hash: str, on_stored: OnStored = lambda fault: None) -> None:
        """Send the chunk that the record at `seq` names, as soon as that record is acknowledged."""
        self._waiting[seq] = Waiting(seq, hash, on_stored)
        self._idle.clear()
        self._wake.set()

    def wake(self) -> None:
        """A record was acknowledged: perhaps a chunk may go."""
        if self._waiting:
            self._wake.set()

    def joined(self) -> None:
        """A new connection: what was sent on the old one and not answered is sent again."""
        self._sent.clear()
        self._refused_until = 0.0
        self._wake.set()

    async def next_upload(self) -> StoreChunk:
        """The next chunk to send; waits until there is one."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pause = self._refused_until - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            one = self._next()
            if one is None:
                await self._wake.wait()
                continue
            self._sent.add(one.seq)
            try:
                body = await asyncio.to_thread(self.spool.read, one.hash)
            except (AuditUnavailable, VerificationError) as error:
                self._give_up(one, AuditUnavailable(error.message, reason="store-failed", advice=error.advice))
                continue
            return StoreChunk(session=self._session, seq=one.seq, body=body)

    async def answered(self, message: ChunkStored | ChunkRefused) -> None:
        """The relay has one, or did not take it."""
        if isinstance(message, ChunkRefused):
            self._refused(message)
            return
        one = self._waiting.get(message.seq)
        if one is not None:
            await asyncio.to_thread(self.spool.drop, one.hash)
            self._take(message.seq)
            one.on_stored(None)

    def _refused(self, message: ChunkRefused) -> None:
        if message.reason in PASSING_REFUSALS:
            self._sent.discard(message.seq)
            self._refused_until = asyncio.get_running_loop().time() + RETRY_SECONDS
            self._wake.set()
            return
        one = self._waiting.get(message.seq)
        if one is not None:
            fault = AuditUnavailable(
                f"the relay does not take the recording: {message.reason}",
                reason=message.reason,
                advice="The relay's operator must make room for recordings.",
            )
            self._give_up(one, fault)

    async def settle(self, deadline_seconds: float) -> int:
        """Wait until the relay has everything, at most so long; answer how many chunks it lacks."""
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._idle.wait()
        except TimeoutError:
            pass
        return len(self._waiting)

    def _next(self) -> Waiting | None:
        if len(self._sent) >= MAX_IN_FLIGHT:
            return None
        for seq, one in self._waiting.items():
            if seq not in self._sent and self._acknowledged(seq):
                return one
        return None

    def _give_up(self, one: Waiting, fault: AuditUnavailable) -> None:
        self._take(one.seq)
        one.on_stored(fault)

    def _take(self, seq: int) -> Waiting | None:
        one = self._waiting.pop(seq, None)
        self._sent.discard(seq)
        if not self._waiting:
            self._idle.set()
        self._wake.set()
        return one

"""The agent's eye on the relay's log: at start, every minute and when the technician shows theirs, it must only grow.

    control connection ─ AskCheckpoint(since what was seen) ─▶ checkpoint + proof ─▶ audit/log_memory.py

Rule 1: a relay that cannot be asked is no fault; one whose answer does not continue what was seen ends the session.
Rule 2: agent and technician must come to the same checkpoint, each with a proof from their own last one (F9).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from remote_assist.audit.log_memory import LogContradiction, LogMemory
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.messages import AskCheckpoint, CheckpointGiven
from remote_assist.errors import UnreachableError

EVERY_SECONDS = 60.0
TRIES = 5
"""How often two answers may differ because the log grew between them."""

Ask = Callable[[AskCheckpoint], Awaitable[CheckpointGiven]]


class Asks(Protocol):
    """Whoever can ask the relay: the control connection."""

    async def ask(self, question: AskCheckpoint) -> CheckpointGiven:
        """Raises UnreachableError."""

    async def successions(self) -> tuple[str, ...]:
        """How the log's keys followed each other. Raises UnreachableError."""


class LogWatch:
    """One session's eye on the log."""

    def __init__(self, memory: LogMemory, *, tell: Callable[[str], None], every_seconds: float = EVERY_SECONDS) -> None:
        self.memory = memory
        self._tell = tell
        self._every_seconds = every_seconds
        self._turn = asyncio.Lock()

    async def watch(self, relay: Asks) -> None:
        """Look now and every minute. Raises VerificationError, with evidence saved, when the log contradicts itself."""
        while True:
            with contextlib.suppress(UnreachableError):  # withheld or cut off: the next look, or record, says more
                await self.agree(relay, "")
            await asyncio.sleep(self._every_seconds)

    async def agree(self, relay: Asks, note: str) -> tuple[str, tuple[bytes, ...]]:
        """Come to one checkpoint with whoever saw `note` ("": nobody); answer it and the proof from theirs.

        Raises VerificationError (evidence saved): not a note of this log, or one that this log does not continue;
        UnreachableError.
        """
        async with self._turn:
            for known in (self.memory.remembered(), note):
                if known:
                    await self._learn(relay, known)
            theirs = open_checkpoint(note, self.memory.log_keys, where="the technician's checkpoint") if note else None
            try:
                return await self._meet(relay, theirs, self.memory.last())
            except LogContradiction as error:
                self._tell(error.message)
                self._tell(error.evidence)
                raise

    async def _meet(
        self, relay: Asks, theirs: Checkpoint | None, seen: Checkpoint | None
    ) -> tuple[str, tuple[bytes, ...]]:
        index = -1 if theirs is None else theirs.size - 1
        for _ in range(TRIES):
            for_us = await relay.ask(AskCheckpoint(since=0 if seen is None else seen.size, index=index))
            if not for_us.checkpoint:
                raise self._withheld(theirs, seen)
            await self._learn(relay, for_us.checkpoint)
            if theirs is None:
                self.memory.take_since(seen, for_us.checkpoint, for_us.consistency)
                return for_us.checkpoint, ()
            for_them = await relay.ask(AskCheckpoint(since=theirs.size, index=index))
            if for_them.checkpoint == for_us.checkpoint:
                newest = self.memory.take_since(seen, for_us.checkpoint, for_us.consistency)
                self.memory.confront(theirs, newest, for_them.consistency)
                return newest.note, for_them.consistency
        raise UnreachableError("the relay gave two different checkpoints again and again")

    async def _learn(self, relay: Asks, note: str) -> None:
        if self.memory.lacks(note):
            self.memory.learn(await relay.successions())

    def _withheld(self, theirs: Checkpoint | None, seen: Checkpoint | None) -> Exception:
        if theirs is None:
            return UnreachableError("the relay gave no checkpoint in time")
        fault = f"it signed for {theirs.size} records, which it does not show here"
        return self.memory.contradiction(fault, theirs.note, "" if seen is None else seen.note)

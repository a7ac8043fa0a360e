"""A bundle or file kept for the reviewers while it goes to the technician: digest and record before the transfer.

Rule 1: bytes come out of `take` only when the chunk they are in is on this disk and in the log.
Rule 2: what is beyond the policy's bytes is let through, not kept, and counted.
"""

import asyncio

from remote_assist.agent.record.recordings import Recordings
from remote_assist.core.log.chunk import MAX_CHUNK_BYTES
from remote_assist.errors import AuditUnavailable


class SealedCopy:
    """One copy; `name` is the number of the action. Without `recordings` everything passes at once."""

    def __init__(self, recordings: Recordings | None, code: str, name: str) -> None:
        self.chunks = 0
        self.left_out = 0
        self._recordings = recordings
        self._code = code
        self._name = name
        self._held = bytearray()
        self._kept = 0

    async def take(self, raw: bytes) -> bytes:
        """The next bytes; answers those that may go now. Raises AuditUnavailable when they cannot be kept."""
        if self._recordings is None:
            return raw
        self._held += raw
        ready = bytearray()
        while len(self._held) >= MAX_CHUNK_BYTES:
            ready += await self._cut()
        return bytes(ready)

    async def rest(self) -> bytes:
        """What is left at the end, kept too."""
        return await self._cut() if self._held else b""

    @property
    def keeps(self) -> bool:
        """Whether anything is kept at all."""
        return self._recordings is not None

    @property
    def name(self) -> str:
        """What the outcome names as its recording, empty when nothing is kept."""
        return self._name if self.chunks else ""

    @property
    def sizes(self) -> dict[str, int]:
        """For the outcome."""
        if self._recordings is None:
            return {}
        return {"chunks": self.chunks, **({"left-out": self.left_out} if self.left_out else {})}

    async def _cut(self) -> bytes:
        assert self._recordings is not None
        content = bytes(self._held[:MAX_CHUNK_BYTES])
        del self._held[:MAX_CHUNK_BYTES]
        if self._kept + len(content) > self._recordings.policy.keep_bytes:
            self.left_out += len(content)
            return content
        number, self.chunks = self.chunks, self.chunks + 1
        # A chunk that was begun is finished, also when whoever waits for it is stopped.
        keeping = self._recordings.keep(self._code, self._name, number, content, _told)
        await asyncio.shield(asyncio.ensure_future(keeping))
        self._kept += len(content)
        return content


def _told(fault: AuditUnavailable | None) -> None:
    """A relay that takes no copy is no reason to stop: the log says what was sent, the disk keeps it."""

"""The record of what the customer does alone (`self-check`): a file here, where the fsync is the acknowledgement.

Rule: there is no relay and no session, so nothing here is a link of a chain; it says what was looked at, and when.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import RecordDraft, format_time
from remote_assist.errors import AuditUnavailable
from remote_assist.transport.private_files import append_durably

LOCAL = "local"


class LocalLog:
    """Implements gate.Log over one file."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._count = 0

    async def append(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> int:
        """Write one record; what would be sealed is left out, because it is all on this machine anyway."""
        line = {"time": format_time(self._clock()), **msgspec.to_builtins(draft)}
        try:
            await asyncio.to_thread(append_durably, self._path, msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise AuditUnavailable(
                f"the record could not be written, so nothing was done: {error.strerror}", reason="store-failed"
            ) from error
        self._count += 1
        return self._count - 1

    async def intent(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> Acknowledgement:
        """Write an intent; once it is on the disk, it counts."""
        seq = await self.append(draft, secrets)
        return Acknowledgement(
            session=LOCAL, seq=seq, hash="", time=format_time(self._clock()), index=seq, signature=""
        )

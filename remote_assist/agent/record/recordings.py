"""What one session's recordings and sealed copies are made with, and the one way a chunk is kept.

    content ─▶ sealed ─▶ disk ─▶ record in the log ─▶ offered to the relay

Rule: `keep` returns when chunk and record are on this disk; nothing of the content may leave the agent before.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.record.uploads import OnStored, Uploads
from remote_assist.core.log.chunk import DIGEST, seal_chunk
from remote_assist.core.log.sealing import NONCE_BYTES, ContentKey
from remote_assist.core.records import Actor, RecordDraft

RECORDING_CHUNK, BUNDLE_CHUNK, FILE_CHUNK = "RA1410E", "RA1411E", "RA1412E"
"""Codes of chunks' records: of a terminal's recording, a bundle, a file."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept for the reviewers. `keep_bytes`: the most of one bundle or file."""

    outage_grace_seconds: float = 60.0
    record_input: bool = False
    keep_bundles: bool = True
    keep_files: bool = False
    keep_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class Recordings:
    """One session's: where chunks go, the key they are sealed with, and what is to be kept."""

    recorder: Recorder
    uploads: Uploads
    content_key: ContentKey
    session: str
    entropy: Callable[[int], bytes]
    policy: Policy = Policy()

    async def keep(self, code: str, name: str, number: int, content: bytes, on_stored: OnStored) -> None:
        """Keep one chunk of `name` (the number of its action). Raises AuditUnavailable; then nothing of it is kept."""
        stored = seal_chunk(
            self.content_key,
            content,
            session=self.session,
            recording=name,
            number=number,
            nonce=self.entropy(NONCE_BYTES),
            level=1 if code == RECORDING_CHUNK else 0,
        )
        hash = hashlib.sha256(stored).hexdigest()
        await asyncio.to_thread(self.uploads.spool.keep, hash, stored)
        draft = RecordDraft(
            code=code,
            actor=Actor(kind="agent"),
            action=name,
            recording=name,
            stored=hash,
            sizes={"chunk": number, "bytes": len(content), "stored": len(stored)},
        )
        digest = hashlib.sha256(content).hexdigest().encode()
        seq = await self.recorder.append(draft, {DIGEST: digest})
        self.uploads.offer(seq, hash, on_stored)

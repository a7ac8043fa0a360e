"""Writes a bundle file while it is collected: nothing waits for the end and nothing touches a disk.

Rule 1: only `Redacted` content goes in; the type has no other maker than core/redaction.py.
Rule 2: `sweep` sees every name and every packed byte last, and its RefusedError keeps them out.
"""

import hashlib
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from remote_assist.core.redaction import Redacted
from remote_assist.core.sealed_stream import Sealer
from remote_assist.diagnostics.bundle import MANIFEST, Manifest
from remote_assist.diagnostics.tar_members import END, packed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEVEL = 3
PIECE_BYTES = 128 << 10
"""Largest piece handed to `write` at once."""


class BundleWriter:
    """A tar.zst stream into `write`. Files are readable as soon as their piece has arrived.

    With a `sealer` nothing but what it sealed is ever handed to `write`.
    """

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        modified: datetime,
        sweep: Callable[[str, bytes], None],
        sealer: Sealer | None = None,
    ) -> None:
        self._sealer = sealer
        self._write = write
        self._sweep = sweep
        self._modified = int(modified.timestamp())
        self._compressor = zstd.ZstdCompressor(level=LEVEL)
        self._digest = hashlib.sha256()
        self.size = 0
        self.unpacked_size = 0

    @property
    def sha256(self) -> str:
        """Digest (hex) of everything written so far."""
        return self._digest.hexdigest()

    async def add(self, name: str, content: Redacted) -> str:
        """Append a file; answers the SHA-256 (hex) of its bytes. Raises RefusedError: then nothing was appended."""
        return await self._add(name, content.raw)

    async def finish(self, manifest: Manifest) -> None:
        """Append the manifest and the end of the archive."""
        await self._add(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        await self._send(self._compressor.compress(END, zstd.ZstdCompressor.FLUSH_FRAME), last=True)

    async def _add(self, name: str, raw: bytes) -> str:
        self._sweep(name, raw)
        block = packed(name, raw, self._modified)
        self.unpacked_size += len(block)
        await self._send(self._compressor.compress(block, zstd.ZstdCompressor.FLUSH_BLOCK))
        return hashlib.sha256(raw).hexdigest()

    async def _send(self, raw: bytes, *, last: bool = False) -> None:
        if self._sealer is not None:
            raw = self._sealer.add(raw) + (self._sealer.finish() if last else b"")
        for start in range(0, len(raw), PIECE_BYTES):
            piece = raw[start : start + PIECE_BYTES]
            self._digest.update(piece)
            self.size += len(piece)
            await self._write(piece)

"""Sealed chunks on the agent's disk until the relay has stored them. It blocks: use a thread.

    FOLDER/chunks/HASH       the stored bytes, named by their SHA-256, 0600

Rule 1: `keep` returns when the bytes and their name are on the disk. Rule 2: what is not at the relay is not removed.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from remote_assist.audit.durable_file import FULL, make_folder, sync_folder, write_new
from remote_assist.core.log.chunk import MAX_STORED_BYTES
from remote_assist.errors import AuditUnavailable, VerificationError

CHUNKS = "chunks"


class Spool:
    """The chunks of one session's journal folder."""

    def __init__(self, journal: Path) -> None:
        self._folder = journal / CHUNKS

    def keep(self, hash: str, stored: bytes) -> None:
        """Put stored bytes on the disk. Raises AuditUnavailable; then nothing of them is left."""
        try:
            make_folder(self._folder)
            with contextlib.suppress(FileExistsError):
                write_new(self._folder / hash, stored)
            sync_folder(self._folder)
        except OSError as error:
            raise _unavailable(error) from error

    def read(self, hash: str) -> bytes:
        """The stored bytes. Raises VerificationError when they are not what they were, AuditUnavailable when gone."""
        try:
            descriptor = os.open(self._folder / hash, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(descriptor, "rb") as file:
                stored = file.read(MAX_STORED_BYTES + 1)
        except OSError as error:
            raise _unavailable(error) from error
        if hashlib.sha256(stored).hexdigest() != hash:
            raise VerificationError("a chunk kept on this disk is not what it was", where=hash)
        return stored

    def drop(self, hash: str) -> None:
        """The relay has it: the disk need not."""
        with contextlib.suppress(OSError):
            (self._folder / hash).unlink(missing_ok=True)

    def held(self) -> frozenset[str]:
        """Hashes of all that is kept here."""
        try:
            return frozenset(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return frozenset()


def _unavailable(error: OSError) -> AuditUnavailable:
    if error.errno in FULL:
        return AuditUnavailable(
            "no room is left on the customer's machine to keep the recording",
            reason="store-full",
            advice="Free disk space there and try again.",
        )
    return AuditUnavailable(
        f"the recording could not be written: {error.strerror or error}",
        reason="store-failed",
        advice="Check the disk that holds the journal.",
    )

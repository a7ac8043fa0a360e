"""The agent's journal: a session's records, durable here before anything happens, with what the relay said to them.

Rule 1: `append` returns when record and head signature are on the disk, and works with no relay at all.
Rule 2: it is one append at a time; a caller who stops waiting does not stop the append.
Rule 3: no room, no record: AuditUnavailable, and the file holds nothing of the failed one. What only concludes
or narrows (outcomes, revocations, the end) may use a reserve that was set aside when the journal was made; whatever
else is written only while that reserve is whole, so that the outcome of every intent has its room.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from remote_assist.audit.acknowledged import Acknowledged
from remote_assist.audit.durable_file import FULL, Disk, DurableFile, grow, make_folder, shrink, sync_folder, write_new
from remote_assist.audit.journal_files import (
    ACKNOWLEDGEMENTS,
    JOURNAL_KEY,
    RECORDS,
    RESERVE,
    JournalContent,
    line_of,
    read_journal,
)
from remote_assist.core.log.chain import Chain, advance, extend, link, session_of
from remote_assist.core.messages import Acknowledgement, StoredRecord
from remote_assist.core.record_codes import CODES, JOURNAL_KEY_CODES, NEVER_WAITING, SESSION_ENDED
from remote_assist.core.records import RecordDraft, head_bytes, place, verify_acknowledgement
from remote_assist.core.signing.keys import PrivateKey, load_private, new_key, private_bytes, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import AuditUnavailable, LocalProtocolError, VerificationError

RESERVE_BYTES = 64 << 10
"""Set aside for what must still be written when the disk is full."""

END_RESERVE_BYTES = 16 << 10
"""The part of the reserve that only the end record may use."""

_BLOCK = 4096
_SYNC_EVERY = 32

T = TypeVar("T")


class Journal:
    """One session's journal. Make it with `create` or `reopen`; use it from one event loop."""

    def __init__(
        self,
        folder: Path,
        chain: Chain,
        signer: PrivateKey | None,
        files: tuple[DurableFile, DurableFile],
        clock: Callable[[], datetime],
        disk: Disk,
    ) -> None:
        self.folder = folder
        self.torn = ""
        self.journal_key_line = ""
        self._chain = chain
        self._signer = signer
        self._records, self._acknowledgements = files
        self._clock = clock
        self._disk = disk
        self._log_keys: tuple[str, ...] = ()
        self._hashes: list[str] = []
        self._waiting: dict[int, StoredRecord] = {}
        self._seen = Acknowledged()
        self._unsynced = 0
        self._closed = False
        self._lock = asyncio.Lock()
        self._acknowledging = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._running: set[asyncio.Task[Any]] = set()

    @classmethod
    def create(
        cls,
        folder: Path,
        session: str,
        host_key: PrivateKey,
        *,
        clock: Callable[[], datetime],
        disk: Disk | None = None,
    ) -> "Journal":
        """A new journal in `folder`, signed by the session's host key, with a journal key beside it.

        Raises AuditUnavailable when the disk does not take it or a journal is already there.
        """
        disk = disk or Disk()
        journal_key = new_key(secrets.token_bytes(32))
        try:
            make_folder(folder)
            files = (
                DurableFile.create(folder / RECORDS, disk),
                DurableFile.create(folder / ACKNOWLEDGEMENTS, disk),
            )
            write_new(folder / JOURNAL_KEY, private_bytes(journal_key))
            write_new(folder / RESERVE, secrets.token_bytes(RESERVE_BYTES))
            sync_folder(folder)
        except OSError as error:
            raise _unavailable(error) from error
        journal = cls(folder, Chain(session, host_key=public_line(host_key)), host_key, files, clock, disk)
        journal.journal_key_line = public_line(journal_key)
        return journal

    @classmethod
    def reopen(cls, folder: Path, *, clock: Callable[[], datetime], disk: Disk | None = None) -> "Journal":
        """The journal a stopped agent left, verified; the journal key signs what may still be added.

        `torn` says so when a last line was cut short; its bytes are kept beside, and do not count.
        Raises UsageError (no journal), VerificationError (damaged), AuditUnavailable (disk).
        """
        content = read_journal(folder)
        chain, hashes = _walk(content)
        try:
            _keep_torn(folder, content)
            disk = disk or Disk()
            files = _reopen_files(folder, content, disk)
        except OSError as error:
            raise _unavailable(error) from error
        journal = cls(folder, chain, _journal_key(folder), files, clock, disk)
        journal.torn = content.torn
        journal.journal_key_line = chain.journal_key
        journal._hashes = hashes
        journal._waiting = {
            seq: stored for seq, stored in enumerate(content.records) if seq not in content.acknowledgements
        }
        for acknowledgement in content.acknowledgements.values():
            journal._seen.add(acknowledgement)
        return journal

    @property
    def session(self) -> str:
        return self._chain.session

    @property
    def head(self) -> tuple[int, str]:
        """(seq, hash) of the last durable record; (-1, zeros) before the first."""
        return self._chain.seq, self._chain.hash

    @property
    def ended(self) -> bool:
        """Whether the end record is in."""
        return self._chain.ended

    def open_for(self, log_keys: Collection[str]) -> None:
        """From now on, acknowledgements count when one of these log keys (public lines) signed them."""
        self._log_keys = tuple(log_keys)

    async def append(self, draft: RecordDraft) -> tuple[int, StoredRecord]:
        """Make `draft` the next record and put it on the disk; answer its seq and what to send.

        Raises AuditUnavailable (disk; nothing was added), LocalProtocolError (ended, malformed, not ours to sign).
        """
        return await self._finish(self._append(draft))

    def unacknowledged(self) -> list[StoredRecord]:
        """Records the relay has not acknowledged, in seq order: what is to be sent (again)."""
        return [self._waiting[seq] for seq in sorted(self._waiting)]

    async def acknowledge(self, acknowledgement: Acknowledgement, *, signature_checked: bool = False) -> None:
        """Take an acknowledgement of the relay, verified against log keys, hash and order. Repeating it is harmless.

        `signature_checked`: the caller did so, against the same log keys.

        Raises VerificationError (does not hold, or contradicts an earlier one), AuditUnavailable (disk).
        """
        await self._finish(self._acknowledge(acknowledgement, signature_checked))

    def records(self) -> Iterator[tuple[StoredRecord, Acknowledgement | None]]:
        """Everything on the disk, in order, read anew."""
        content = read_journal(self.folder)
        for seq, stored in enumerate(content.records):
            yield stored, content.acknowledgements.get(seq)

    async def close(self) -> None:
        """Finish what is under way and let go of the files. After the end record, key and reserve are destroyed."""
        async with self._lock, self._acknowledging:
            if not self._closed:
                self._closed = True
                await self._in_thread(self._close_files)
                self._thread.shutdown(wait=False)

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # the caller may have gone; its error is not lost to asyncio's warning

    async def _append(self, draft: RecordDraft) -> tuple[int, StoredRecord]:
        async with self._lock:
            signer = self._signer_for(draft)
            draft = self._with_our_keys(draft)
            record, raw = link(self._chain, draft, self._clock())
            chain = extend(self._chain, record, raw)
            stored = StoredRecord(
                record=raw, head=sign(signer, "head", head_bytes(chain.session, chain.seq, chain.hash))
            )
            await self._in_thread(lambda: self._store(line_of(stored), record.code))
            self._chain = chain
            self._hashes.append(chain.hash)
            self._waiting[chain.seq] = stored
            return chain.seq, stored

    def _signer_for(self, draft: RecordDraft) -> PrivateKey:
        if self._closed:
            raise LocalProtocolError("the journal is closed")
        if self._chain.ended:
            raise LocalProtocolError("the session has ended; nothing can be added to its journal")
        if self._signer is None:
            raise LocalProtocolError("this journal has no key to sign with")
        by_journal_key = public_line(self._signer) == self._chain.journal_key
        if by_journal_key and draft.code not in JOURNAL_KEY_CODES:
            raise LocalProtocolError(f"a journal key may not sign {draft.code}")
        return self._signer

    def _with_our_keys(self, draft: RecordDraft) -> RecordDraft:
        """An opening names the keys of this journal; one that names others would never verify."""
        opening = draft.opening
        if opening is None:
            return draft
        if opening.host_key != self._chain.host_key or opening.journal_key not in {"", self.journal_key_line}:
            raise LocalProtocolError("the opening names other keys than this journal signs with")
        return replace(draft, opening=replace(opening, journal_key=self.journal_key_line))

    def _store(self, line: bytes, code: str) -> None:
        concludes = CODES[code].is_outcome or code in NEVER_WAITING
        try:
            if not concludes:
                grow(self.folder / RESERVE, RESERVE_BYTES, self._disk)
            self._records.append(line)
        except OSError as error:
            if error.errno not in FULL or not concludes or not self._release(len(line), code):
                raise _unavailable(error) from error
            try:
                self._records.append(line)
            except OSError as again:
                raise _unavailable(again) from again

    def _release(self, size: int, code: str) -> int:
        """Give back as much of the reserve as a line needs; answer the bytes freed."""
        keep = 0 if code == SESSION_ENDED else END_RESERVE_BYTES
        needed = (size // _BLOCK + 3) * _BLOCK
        return shrink(self.folder / RESERVE, needed, keep)

    async def _acknowledge(self, acknowledgement: Acknowledgement, signature_checked: bool) -> None:
        async with self._acknowledging:
            if self._closed:
                raise LocalProtocolError("the journal is closed")
            where = place(acknowledgement.session, acknowledgement.seq)
            if acknowledgement.session != self.session or not 0 <= acknowledgement.seq < len(self._hashes):
                raise VerificationError(f"{where}: acknowledged, but not a record of this journal", where=where)
            if acknowledgement.hash != self._hashes[acknowledgement.seq]:
                raise VerificationError(f"{where}: the relay acknowledged another record", where=where)
            if self._seen.check(acknowledgement, where):
                return
            await self._in_thread(lambda: self._keep(acknowledgement, signature_checked))
            self._seen.add(acknowledgement)
            self._waiting.pop(acknowledgement.seq, None)

    def _keep(self, acknowledgement: Acknowledgement, signature_checked: bool) -> None:
        if not signature_checked:
            verify_acknowledgement(acknowledgement, self._log_keys)
        line = line_of(acknowledgement)
        self._unsynced = (self._unsynced + 1) % _SYNC_EVERY
        sync = self._unsynced == 0  # lost ones are asked for again; the relay answers the same
        try:
            self._acknowledgements.append(line, sync=sync)
        except OSError as error:
            if error.errno not in FULL or not shrink(self.folder / RESERVE, 3 * _BLOCK, END_RESERVE_BYTES):
                raise _unavailable(error) from error
            try:
                self._acknowledgements.append(line, sync=sync)
            except OSError as again:
                raise _unavailable(again) from again

    def _close_files(self) -> None:
        with contextlib.suppress(OSError):
            self._acknowledgements.sync()
        self._records.close()
        self._acknowledgements.close()
        if self._chain.ended:
            (self.folder / JOURNAL_KEY).unlink(missing_ok=True)
            (self.folder / RESERVE).unlink(missing_ok=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _walk(content: JournalContent) -> tuple[Chain, list[str]]:
    """Check a journal's own chain; answer where it ends and every record's hash."""
    chain = Chain(session_of(content.records))
    hashes = []
    for stored in content.records:
        _, chain = advance(chain, stored)
        hashes.append(chain.hash)
    return chain, hashes


def _keep_torn(folder: Path, content: JournalContent) -> None:
    for name, lines in ((RECORDS, content.records_file), (ACKNOWLEDGEMENTS, content.acknowledgements_file)):
        if lines.torn:
            with contextlib.suppress(FileExistsError):
                write_new(folder / f"torn-{name}-{len(lines.whole)}", lines.torn)


def _reopen_files(folder: Path, content: JournalContent, disk: Disk) -> tuple[DurableFile, DurableFile]:
    return (
        DurableFile.reopen(folder / RECORDS, disk, content.records_file.whole),
        DurableFile.reopen(folder / ACKNOWLEDGEMENTS, disk, content.acknowledgements_file.whole),
    )


def _journal_key(folder: Path) -> PrivateKey | None:
    try:
        return load_private((folder / JOURNAL_KEY).read_bytes())
    except FileNotFoundError:
        return None


def _unavailable(error: OSError) -> AuditUnavailable:
    if error.errno in FULL:
        return AuditUnavailable(
            "no room is left on the customer's machine to write the record, so nothing was done",
            reason="store-full",
            advice="Free disk space there and try again.",
        )
    return AuditUnavailable(
        f"the record could not be written, so nothing was done: {error.strerror or error}",
        reason="store-failed",
        advice="Check the disk that holds the journal.",
    )

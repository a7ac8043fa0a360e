"""Signs what the log is: at most one checkpoint a second, only when it grew, never one that contradicts the last.

    commit ─ notice ─▶ work: head of the database ─ continues the last? ─▶ file `checkpoint` (fsynced) ─▶ published

Rule 1: a checkpoint is on the disk, outside the database, before anybody sees it; so a database that was put back to an
older copy is found out at start (F10): the relay does not serve from less than it signed for.
Rule 2: `--accept-rollback` is the operator's signed word, kept as `rollback-TIME.note` and as RA2021E; agents and
technicians who saw more still refuse that log.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection

from relay.log.keys import LogKeys
from relay.log.tree import TreeReader
from relay.storage.data_folder import replace_file, write_new
from relay.storage.store import Store
from relay.trust import read_bounded
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint, sign_rollback
from remote_assist.core.records import Actor, RecordDraft, format_time
from remote_assist.core.signing.cosignature import cosign
from remote_assist.core.signing.keys import public_line
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES, log_origin
from remote_assist.core.tree import EMPTY, TreeHead
from remote_assist.errors import AuditUnavailable, ContentError, RefusedError, UsageError, VerificationError

CHECKPOINT = "checkpoint"
"""File in the data folder: the last checkpoint signed."""

LOOK_SECONDS = 2.0
"""How often a node of several looks whether another one made the log grow."""

COVER_SECONDS = 5.0
"""How long somebody may wait for a checkpoint that covers a leaf."""


class Checkpoints:
    """The last checkpoint, and the worker that signs the next."""

    def __init__(
        self,
        store: Store,
        keys: LogKeys,
        data: Path,
        *,
        clock: Callable[[], datetime],
        interval_seconds: float,
        several: bool = False,
        cosign_seed: bytes | None = None,
    ) -> None:
        """`several`: other nodes make the log grow too; `cosign_seed`: signs checkpoints as well (ML-DSA-44)."""
        self._cosign_seed = cosign_seed
        self._look_seconds = LOOK_SECONDS if several else None
        self._store = store
        self._keys = keys
        self._data = data
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._grown = asyncio.Event()
        self._signing = asyncio.Lock()
        self._signed = asyncio.Condition()
        self.current = open_checkpoint(sign_checkpoint(keys.current, EMPTY), keys.lines)

    async def start(self, record: Callable[[RecordDraft], Awaitable[object]] | None = None) -> None:
        """Compare the database with the last checkpoint and sign what grew since.

        `record`: the operator accepts that the log lost records, and it keeps the relay's own record of that.
        Raises VerificationError when the database holds less than was signed for, or something else; UsageError when a
        rollback is accepted and there is none.
        """
        last = self._read()
        fault = "" if last is None else await self._store.read(lambda connection: contradiction(connection, last))
        if fault and last is not None:
            if record is None:
                raise VerificationError(
                    f"the relay does not serve: {fault}",
                    where=CHECKPOINT,
                    advice="Restore the newest copy of relay.db. If it is lost: serve --accept-rollback signs that, "
                    "and whoever saw the lost records refuses this log until they are told.",
                )
            await self._accept(last.head, record)
        elif record is not None:
            raise UsageError("there is no rollback to accept", advice="Serve without --accept-rollback.")
        elif last is not None:
            self.current = last
        await self.sign()

    def notice(self) -> None:
        """Records were committed."""
        self._grown.set()

    async def work(self) -> None:
        """Sign for ever, at most once in an interval. A disk that is full delays checkpoints, it loses none."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):  # `wait_for` may lose a cancellation (Python 3.11)
                    await self._grown.wait()
            self._grown.clear()
            try:
                await self.sign()
            except (AuditUnavailable, OSError) as error:
                self._grown.set()
                structlog.get_logger("checkpoints").warning("delayed", cause=type(error).__name__)
            except VerificationError as error:
                structlog.get_logger("checkpoints").error("contradiction", cause=error.message)
            await asyncio.sleep(self._interval_seconds)

    async def sign(self) -> None:
        """Sign what the log is, if it grew or another key signs now.

        One at a time: whoever read an older head must not publish it after a newer one. Raises AuditUnavailable,
        OSError, VerificationError.
        """
        async with self._signing:
            last = self.current
            head, fault = await self._store.read(lambda connection: _grown(connection, last))
            if fault:
                raise VerificationError(fault, where=CHECKPOINT)
            if head.size > last.size or last.origin != log_origin(self._keys.line):
                await self._publish(head)

    async def covering(self, index: int, *, seconds: float = COVER_SECONDS) -> Checkpoint:
        """The last checkpoint, once it covers leaf `index` (-1: as it is). Raises RefusedError after `seconds`."""
        if self._look_seconds is not None and self.current.size <= index:
            self.notice()  # another node may have stored it
        try:
            async with asyncio.timeout(seconds), self._signed:
                await self._signed.wait_for(lambda: self.current.size > index)
        except TimeoutError as error:
            raise RefusedError(
                f"no checkpoint covers leaf {index} yet", reason="not-yet", advice="Ask for an earlier one, or later."
            ) from error
        return self.current

    @property
    def successions(self) -> tuple[str, ...]:
        """The notes by which the log's keys followed each other. Reads files."""
        return self._keys.successions

    def signed_for(self, connection: Connection, session: str, found: Checkpoint) -> Checkpoint:
        """A checkpoint for whoever is in a session: signed by the key that acknowledges its records."""
        key = self._keys.of_session(connection, session)
        line = public_line(key)
        if log_origin(line) == found.origin:
            return found
        return open_checkpoint(sign_checkpoint(key, found.head), (line,))

    def _read(self) -> Checkpoint | None:
        try:
            raw = read_bounded(self._data / CHECKPOINT, MAX_NOTE_BYTES)
        except FileNotFoundError:
            return None
        try:
            return open_checkpoint(raw.decode(), self._keys.lines)
        except (VerificationError, UnicodeDecodeError) as error:
            raise ContentError(
                f"{self._data / CHECKPOINT} is not what this relay wrote",
                advice="Restore it from a copy; without it a rollback cannot be told from a fresh start.",
            ) from error

    async def _publish(self, head: TreeHead) -> None:
        note = sign_checkpoint(self._keys.current, head)
        if self._cosign_seed is not None:
            origin = log_origin(self._keys.line)
            note += cosign(self._cosign_seed, origin, head, int(self._clock().timestamp()))
        await asyncio.to_thread(replace_file, self._data / CHECKPOINT, note.encode())
        async with self._signed:
            self.current = open_checkpoint(note, self._keys.lines)
            self._signed.notify_all()

    async def _accept(self, lost: TreeHead, record: Callable[[RecordDraft], Awaitable[object]]) -> None:
        now = self._clock()
        found = await self._store.read(lambda connection: TreeReader(connection).head())
        note = sign_rollback(self._keys.current, time=format_time(now), lost=lost, found=found)
        name = f"rollback-{now:%Y%m%dT%H%M%S%f}.note"
        await asyncio.to_thread(write_new, self._data / name, note.encode())
        structlog.get_logger("checkpoints").error("rollback-accepted", promised=lost.size, found=found.size, note=name)
        sizes = {"promised": lost.size, "found": found.size}
        await record(RecordDraft(code="RA2021E", actor=Actor(kind="relay"), about=f"rollback {name}", sizes=sizes))
        await self._publish(await self._store.read(lambda connection: TreeReader(connection).head()))


def contradiction(connection: Connection, last: Checkpoint) -> str:
    """Why the database is not a continuation of a checkpoint, or nothing."""
    reader = TreeReader(connection)
    if reader.size < last.size:
        return f"it signed for {last.size} records, and the database holds {reader.size}"
    if reader.head(last.size) != last.head:
        return f"the first {last.size} records in the database are not those it signed for"
    return ""


def _grown(connection: Connection, last: Checkpoint) -> tuple[TreeHead, str]:
    fault = contradiction(connection, last)
    return (last.head if fault else TreeReader(connection).head()), fault

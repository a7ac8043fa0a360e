"""Writes down, and knows what the relay has promised to keep: the journal and its delivery.

    record → journal (sealed, chained, head signed, fsynced) → Append → signed acknowledgement

Rule 1: `intent` answers only with an acknowledgement signed by a log key of the CA-signed organisation list; late,
refused or unsigned means AuditUnavailable, and the caller does nothing. Rule 2: `append` waits for the disk and for
nothing else. Rule 3: what is not acknowledged is offered again, in order, whenever the relay is back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from remote_assist.agent.actions import Action, Ending
from remote_assist.audit.journal import Journal
from remote_assist.core.consent import ANY_SCOPE
from remote_assist.core.log.sealing import KEY_BYTES, NONCE_BYTES, ContentKey, seal
from remote_assist.core.messages import Acknowledgement, Append, AppendRefused, StoredRecord, Wrap
from remote_assist.core.records import (
    Actor,
    Outcome,
    RecordDraft,
    SealedField,
    decode_record,
    record_hash,
    verify_acknowledgement,
)
from remote_assist.errors import AssistError, AuditUnavailable, LocalProtocolError, VerificationError

MAX_BATCH = 64
"""Records of one Append (core/messages.py)."""

MAX_BATCH_BYTES = 512 << 10
"""Bytes of records of one Append; in base64 it stays below the message limit."""

KEEP_SECONDS = 0.05
"""How long acknowledgements may wait to be put beside their records: the disk belongs to the next intent first."""

RETRY_SECONDS = 1.0
"""How long a relay that refused records for lack of room is left alone."""

PASSING_REFUSALS = frozenset({"store-full", "store-refused", "busy", "unavailable"})
"""Refusals that time can mend; any other means our chain and the relay's differ, and nothing new starts."""


class NotWritten(AuditUnavailable):
    """An intent that is not even on this disk: there is nothing that an `aborted` would have to conclude."""


class Recorder:
    """One session's journal and its way to the relay. `distrust` is why nothing new may start, or empty.

    Without `seals` what would be sealed is left out: at a next start the session's content key is gone.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        session: str,
        log_keys: Sequence[str],
        content_key: ContentKey,
        wraps: Sequence[Wrap],
        entropy: Callable[[int], bytes],
        deadline_seconds: float,
        seals: bool = True,
    ) -> None:
        self.distrust = ""
        self.last: Acknowledgement | None = None
        self._journal = journal
        self._session = session
        self._log_keys = tuple(log_keys)
        self._content_key = content_key
        self._wraps = tuple(wraps)
        self._entropy = entropy
        self._deadline_seconds = deadline_seconds
        self._seals = seals
        self._unacknowledged: dict[int, StoredRecord] = {}
        self._hashes: dict[int, str] = {}
        self._waiting: dict[int, asyncio.Future[Acknowledgement]] = {}
        self._to_keep: deque[Acknowledgement] = deque()
        self._keeping: asyncio.Task[None] | None = None
        self._next_to_send = 0
        self._refused_until = 0.0
        self._wake = asyncio.Event()
        self.on_acknowledged: Callable[[], None] = _nobody
        """Called when the relay has acknowledged further records."""
        self._settled = asyncio.Event()
        self._settled.set()

    # --- writing down -----------------------------------------------------------------------------

    async def append(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> int:
        """Write a record durably here, hand it to the sender, and answer its place in the session.

        Raises AuditUnavailable when it cannot be made durable (disk full, journal closed).
        """
        if secrets and self._seals:
            draft = msgspec.structs.replace(draft, sealed=self._seal(secrets))
        seq, stored = await self._journal.append(draft)
        self._offer(seq, stored)
        return seq

    def take_over(self, left: Sequence[StoredRecord]) -> None:
        """Offer records an earlier run of the agent left undelivered."""
        for stored in left:
            self._offer(decode_record(stored.record).seq, stored)

    async def intent(self, draft: RecordDraft, secrets: Mapping[str, bytes] | None = None) -> Acknowledgement:
        """Write an intent and answer the relay's signed promise to keep it.

        Raises NotWritten (not durable here), AuditUnavailable: refused or late (the deadline counts from the append).
        """
        if self.distrust:
            raise AuditUnavailable(self.distrust, reason="distrust", advice="End the session and tell the operator.")
        try:
            seq = await self.append(draft, secrets)
        except AuditUnavailable as error:
            raise NotWritten(error.message, reason=error.reason, advice=error.advice) from error
        return await self.acknowledged(seq, self._deadline_seconds)

    async def acknowledged(self, seq: int, deadline_seconds: float) -> Acknowledgement:
        """The acknowledgement of a record that was appended. Raises AuditUnavailable when late or refused."""
        waiting = self._waiting.get(seq)
        if waiting is None:
            if seq not in self._unacknowledged and self.last is not None and self.last.seq == seq:
                return self.last
            waiting = self._waiting[seq] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(deadline_seconds):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise AuditUnavailable(
                f"the relay did not acknowledge the record within {deadline_seconds:g} s",
                reason="unacknowledged",
                advice="Nothing was done; try again when the relay is back.",
            ) from None
        finally:
            if not waiting.done():
                waiting.cancel()
            self._waiting.pop(seq, None)

    async def settle(self, deadline_seconds: float) -> int:
        """Wait until everything is acknowledged, at most so long; answer how many records are not."""
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._settled.wait()
        except TimeoutError:
            pass
        await self.keep()
        return len(self._unacknowledged)

    # --- the way to the relay ---------------------------------------------------------------------

    def joined(self, records: int) -> None:
        """A control connection is up and the relay holds `records` of this session: offer it what it lacks."""
        acknowledged = -1 if self.last is None else self.last.seq
        if records <= acknowledged:
            self.distrust = f"the relay holds {records} records of this session but has acknowledged {acknowledged + 1}"
        lacking = min(records, self._journal.head[0] + 1)  # also a record that is on the disk and not yet in our table
        self._next_to_send = min((lacking, *self._unacknowledged))
        self._refused_until = 0.0
        self._wake.set()

    async def next_batch(self) -> Append:
        """The next records to send, in order; waits until there are some. The first batch carries the wraps."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pause = self._refused_until - loop.time()
            if pause > 0:
                await asyncio.sleep(pause)
            records = self._take()
            if records:
                first = self._next_to_send == len(records)
                return Append(session=self._session, records=tuple(records), wraps=self._wraps if first else ())
            await self._wake.wait()

    async def keep(self) -> None:
        """Put the acknowledgements that came so far beside their records."""
        while self._to_keep:
            try:
                await self._journal.acknowledge(self._to_keep.popleft(), signature_checked=True)
            except VerificationError as error:
                self.distrust = error.message
            except (AuditUnavailable, LocalProtocolError):
                continue  # no room, or closed: the relay gives them again whenever it is asked

    async def receive(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Take acknowledgements in. Raises VerificationError for one that is forged or for something else."""
        for acknowledgement in acknowledgements:
            seq = acknowledgement.seq
            if seq not in self._unacknowledged:
                continue
            self._verify(acknowledgement)
            del self._unacknowledged[seq], self._hashes[seq]
            self.last = acknowledgement
            waiting = self._waiting.get(seq)
            if waiting is not None and not waiting.done():
                waiting.set_result(acknowledgement)
            self._to_keep.append(acknowledgement)
        if self._to_keep and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.create_task(self._keep_soon())
        if not self._unacknowledged:
            self._settled.set()
        self.on_acknowledged()

    def is_acknowledged(self, seq: int) -> bool:
        """Whether the relay has promised to keep the record at this place."""
        return seq not in self._unacknowledged and seq <= self._journal.head[0]

    def refused(self, message: AppendRefused) -> None:
        """The relay stored nothing from a record on: whoever waits for those is told; they are offered again."""
        self._next_to_send = min(self._unacknowledged, default=self._next_to_send)
        self._refused_until = asyncio.get_running_loop().time() + RETRY_SECONDS
        if message.reason not in PASSING_REFUSALS:
            self.distrust = f"the relay refused the record of this session ({message.reason})"
        for seq, waiting in self._waiting.items():
            if seq >= message.seq and not waiting.done():
                waiting.set_exception(
                    AuditUnavailable(
                        f"the relay did not take the record: {message.reason}",
                        reason=message.reason,
                        advice="Nothing was done; the operator must make room in the relay's store.",
                    )
                )

    @property
    def undelivered(self) -> int:
        """How many records the relay has not acknowledged."""
        return len(self._unacknowledged)

    async def _keep_soon(self) -> None:
        await asyncio.sleep(KEEP_SECONDS)
        await self.keep()

    def _offer(self, seq: int, stored: StoredRecord) -> None:
        self._unacknowledged[seq] = stored
        self._hashes[seq] = record_hash(stored.record)
        self._settled.clear()
        self._wake.set()

    def _take(self) -> list[StoredRecord]:
        records: list[StoredRecord] = []
        size = 0
        while len(records) < MAX_BATCH and (stored := self._unacknowledged.get(self._next_to_send)) is not None:
            size += len(stored.record)
            if records and size > MAX_BATCH_BYTES:
                break
            records.append(stored)
            self._next_to_send += 1
        return records

    def _verify(self, acknowledgement: Acknowledgement) -> None:
        try:
            verify_acknowledgement(acknowledgement, self._log_keys)
            if (acknowledgement.session, acknowledgement.hash) != (self._session, self._hashes[acknowledgement.seq]):
                raise VerificationError("the relay acknowledged another record than the one it was sent")
            if self.last is not None and acknowledgement.index <= self.last.index:
                raise VerificationError("the relay's index does not rise with the records")
        except VerificationError as error:
            self.distrust = error.message
            raise

    def _seal(self, secrets: Mapping[str, bytes]) -> dict[str, SealedField]:
        record_key = self._entropy(KEY_BYTES)
        return {
            name: seal(
                self._content_key,
                value,
                session=self._session,
                name=name,
                record_key=record_key,
                nonce=self._entropy(NONCE_BYTES),
            )
            for name, value in secrets.items()
        }


def _nobody() -> None:
    """Nobody waits for acknowledgements."""


def intent_draft(action: Action, number: str, actor: Actor, grant: str) -> RecordDraft:
    """The record written before an act."""
    return RecordDraft(
        code=f"{action.code}I",
        actor=actor,
        action=number,
        scope=action.scope,
        catalog=action.catalog,
        program=action.program,
        target=action.place,
        paths=action.named_paths,
        sizes=dict(action.sizes),
        grant=grant,
        plan=action.plan,
        approver=action.approver,
    )


def outcome_draft(action: Action, number: str, actor: Actor, ending: Ending) -> RecordDraft:
    """The record written after it."""
    return RecordDraft(
        code=f"{action.code}O",
        actor=actor,
        action=number,
        catalog=action.catalog,
        program=action.program,
        target=action.place,
        paths=action.paths,
        sizes=dict(ending.sizes),
        plan=ending.plan or action.plan,
        recording=ending.recording,
        outcome=Outcome(status=ending.status, exit=ending.exit, size=ending.size, reason=ending.reason),
    )


def refusal_draft(action: Action, actor: Actor, error: AssistError) -> RecordDraft:
    """An action that was not allowed: an event of its own, which never waits."""
    return RecordDraft(
        code="RA1900R",
        actor=actor,
        scope=action.scope,
        catalog=action.catalog,
        program=action.program,
        target=action.place,
        paths=action.paths,
        outcome=Outcome(status="refused", reason=getattr(error, "reason", "failed")),
    )


def aborted_draft(action: Action, number: str, actor: Actor, reason: str) -> RecordDraft:
    """An intent whose act never started."""
    return RecordDraft(
        code="RA1901E",
        actor=actor,
        action=number,
        scope=action.scope if action.scope != ANY_SCOPE else "",
        outcome=Outcome(status="aborted", reason=reason),
    )

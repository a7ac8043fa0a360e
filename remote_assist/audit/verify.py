"""Whether a session's log holds, record by record, from stored bytes alone; the report says what it proves.

Rule 1: what fails names its place: "record 7 of s-…: the previous-record hash does not match".
Rule 2: nothing is taken on the relay's word: log keys come from whoever verifies, or from a CA they vouch for.
Rule 3: what is odd but no forgery (an intent without outcome, a clock that went back) is reported, not a failure.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from remote_assist.core.agreements.sharing import Proven
from remote_assist.core.log.chain import Chain, advance
from remote_assist.core.log.opening import OpenedSession, check_opening
from remote_assist.core.messages import Acknowledgement, StoredRecord
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record, decode_record, format_time, parse_time, place, verify_acknowledgement
from remote_assist.errors import RemoteProtocolError, VerificationError

MAX_NOTES = 100
"""Most remarks kept in a report; a log of a million odd records is odd once."""

_CONCLUDES = {"RA1901E", "RA1302E", "RA1303E"}
"""Events that conclude the intent whose action they name."""


class Evidence(Protocol):
    """A record with what proves it: core.api.LoggedRecord, or audit.receipt.Evidence, which may lack the last part."""

    @property
    def record(self) -> bytes: ...

    @property
    def head(self) -> str: ...

    @property
    def acknowledgement(self) -> Acknowledgement | None: ...


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What a log that holds proves. Names are as signed by others: show them through `safe_text`.

    `names`: certified key → name of every technician. `ca_checked`: a CA somebody vouched for signed the technician's
    certificate. `unacknowledged`: records at the end that the relay never promised to keep. `incomplete`: intents
    without outcome. Times RFC 3339 UTC.
    """

    session: str
    records: int
    head: str
    technician: str
    technician_key: str
    names: Mapping[str, str]
    certificate_serial: int
    ca_fingerprint: str
    ca_checked: bool
    ticket: str
    subject: str
    relay: str
    opened: str
    last: str
    ended: bool
    end_reason: str
    unacknowledged: int
    first_index: int
    last_index: int
    incomplete: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def state(self) -> str:
        """`ended`, or `open at seq N`."""
        return "ended" if self.ended else f"open at seq {self.records - 1}"


def verify_session(
    records: Iterable[Evidence],
    *,
    log_keys: Collection[str],
    ca_line: str | None,
    strict: bool = False,
    session: str = "",
    must_have_ended: bool = False,
    may_lack_acknowledgements: bool = False,
    witnesses: Iterable[Acknowledgement] = (),
) -> SessionReport:
    """Verify one session's log from its first record on.

    `log_keys`: public lines that may sign acknowledgements; with `ca_line`, also those that the opening's lists,
    signed by that CA, name. `session`: which one was asked for. `must_have_ended`: somebody says it ended, so the
    end record
    must be there. `may_lack_acknowledgements`: a receipt, whose last records may be newer than the relay's word.
    `witnesses`: acknowledgements seen elsewhere; each must be in this log. Raises VerificationError.
    """
    check = SessionCheck(tuple(log_keys), ca_line, strict, session, may_lack_acknowledgements)
    for evidence in records:
        check.take(evidence)
    check.finish(must_have_ended)
    for witness in witnesses:
        check.confront(witness)
    return check.report()


class SessionCheck:
    """One walk over a log: `take` each record in order, `finish`, then `report`."""

    def __init__(
        self, log_keys: tuple[str, ...], ca_line: str | None, strict: bool, session: str, may_lack: bool
    ) -> None:
        self._log_keys = log_keys
        self._ca_line = ca_line
        self._strict = strict
        self._expected = session
        self._may_lack = may_lack
        self._chain: Chain | None = None
        self._opened: OpenedSession | None = None
        self._technicians = Proven("", "", {}, {})
        self._hashes: list[str] = []
        self._indexes: list[int] = []
        self._unacknowledged = 0
        self._times: list[datetime] = []
        self._relay_time: datetime | None = None
        self._remarks = Remarks()
        self._end_reason = ""

    def take(self, evidence: Evidence) -> None:
        """The next record."""
        if self._chain is None:
            self._chain = Chain(self._first_session(evidence))
        stored = StoredRecord(record=evidence.record, head=evidence.head)
        record, self._chain = advance(self._chain, stored, strict=self._strict)
        if record.opening is not None:
            self._open(record)
        self._technicians = self._technicians.after(record)
        self._hashes.append(self._chain.hash)
        self._check_acknowledgement(evidence.acknowledgement, record)
        self._check_time(record)
        self._remarks.take(record)
        if self._chain.ended:
            self._end_reason = record.outcome.reason if record.outcome else ""

    def finish(self, must_have_ended: bool) -> None:
        """After the last record."""
        if self._chain is None:
            raise VerificationError(f"{self._expected or 'the session'}: there is no record at all", where="record 0")
        if must_have_ended and not self._chain.ended:
            where = place(self._chain.session, self._chain.seq + 1)
            raise VerificationError(
                f"{where}: missing; the session has ended, but its log is open at seq {self._chain.seq}", where=where
            )

    def confront(self, witness: Acknowledgement) -> None:
        """Compare with an acknowledgement seen elsewhere."""
        assert self._chain is not None
        if witness.session != self._chain.session:
            return
        if witness.seq < len(self._hashes) and witness.hash == self._hashes[witness.seq]:
            return
        verify_acknowledgement(witness, self._log_keys)
        where = place(witness.session, witness.seq)
        fault = "is not the one" if witness.seq < len(self._hashes) else "is missing, one"
        raise VerificationError(
            f"{where}: {fault} the relay once acknowledged as leaf {witness.index} at {witness.time}",
            where=where,
            advice="Keep the log and the acknowledgement: together they prove that the log was rewritten.",
        )

    def report(self) -> SessionReport:
        """What was proved."""
        assert self._chain is not None and self._opened is not None
        technician, statement = self._opened.technician, self._opened.statement
        return SessionReport(
            session=self._chain.session,
            records=len(self._hashes),
            head=self._chain.hash,
            technician=technician.name,
            technician_key=technician.key_fingerprint,
            names=self._technicians.names,
            certificate_serial=technician.serial,
            ca_fingerprint=technician.ca_fingerprint,
            ca_checked=self._opened.ca_checked,
            ticket=statement.ticket,
            subject=statement.subject,
            relay=statement.relay,
            opened=format_time(self._times[0]),
            last=format_time(self._times[-1]),
            ended=self._chain.ended,
            end_reason=self._end_reason,
            unacknowledged=self._unacknowledged,
            first_index=self._indexes[0] if self._indexes else -1,
            last_index=self._indexes[-1] if self._indexes else -1,
            incomplete=self._remarks.incomplete(),
            notes=tuple(self._remarks.notes[:MAX_NOTES]),
        )

    def _first_session(self, evidence: Evidence) -> str:
        where = f"record 0 of {self._expected or 'the session'}"
        try:
            found = decode_record(evidence.record).session
        except RemoteProtocolError as error:
            raise VerificationError(f"{where}: {error.message}", where=where) from error
        if self._expected and found != self._expected:
            raise VerificationError(f"{where}: it belongs to session {found}", where=where)
        return found

    def _open(self, record: Record) -> None:
        opened = self._opened = check_opening(record, ca_line=self._ca_line)
        self._technicians = Proven.at_opening(opened.technician, opened.statement.agent_host_key)
        self._log_keys = (*self._log_keys, *self._opened.log_keys)
        if not self._log_keys:
            raise VerificationError(
                f"{place(record.session, 0)}: no log key is vouched for, so nothing proves the acknowledgements",
                where=place(record.session, 0),
                advice="Name the relay's log key (--log-key KEY.pub) or the organisation's CA key (--ca CA.pub).",
            )

    def _check_acknowledgement(self, acknowledgement: Acknowledgement | None, record: Record) -> None:
        where = place(record.session, record.seq)
        if acknowledgement is None:
            if not self._may_lack:
                raise VerificationError(f"{where}: its acknowledgement is missing", where=where)
            self._unacknowledged += 1
            return
        if self._unacknowledged:
            before = place(record.session, record.seq - 1)
            raise VerificationError(
                f"{before}: its acknowledgement is missing, but the next one is there", where=before
            )
        last = self._indexes[-1] if self._indexes else -1
        check_promise(acknowledgement, record, self._hashes[-1], self._log_keys, last)
        self._indexes.append(acknowledgement.index)
        moment = parse_time(acknowledgement.time)
        if self._relay_time is not None and moment < self._relay_time:
            self._remarks.note(f"{where}: the relay's clock went back by {_span(self._relay_time - moment)}")
        self._relay_time = moment

    def _check_time(self, record: Record) -> None:
        moment = parse_time(record.time)
        if self._times and moment < self._times[-1]:
            back = _span(self._times[-1] - moment)
            self._remarks.note(f"{place(record.session, record.seq)}: the agent's clock went back by {back}")
        self._times.append(moment)


def check_promise(
    acknowledgement: Acknowledgement, record: Record, digest: str, log_keys: Collection[str], last_index: int
) -> None:
    """Check that the relay acknowledged exactly this record, after leaf `last_index`. Raises VerificationError."""
    where = place(record.session, record.seq)
    names = (acknowledgement.session, acknowledgement.seq, acknowledgement.hash)
    if names != (record.session, record.seq, digest):
        raise VerificationError(f"{where}: the acknowledgement is for another record", where=where)
    verify_acknowledgement(acknowledgement, log_keys)
    if acknowledgement.index <= last_index:
        raise VerificationError(f"{where}: the leaf index {acknowledgement.index} does not rise", where=where)


class Remarks:
    """What is odd but no forgery."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._open: dict[tuple[str, str], Record] = {}

    def note(self, text: str) -> None:
        """Add a remark."""
        self.notes.append(text)

    def take(self, record: Record) -> None:
        """Match intents with what concludes them."""
        code = CODES[record.code]
        key = (code.family, record.action)
        if code.is_intent:
            self._open[key] = record
        elif code.is_outcome:
            if self._open.pop(key, None) is None:
                self.note(f"{place(record.session, record.seq)}: an outcome ({code.code}) without its intent")
        elif record.code in _CONCLUDES and record.action:
            self._open = {other: intent for other, intent in self._open.items() if other[1] != record.action}

    def incomplete(self) -> tuple[str, ...]:
        """Intents that nothing concluded."""
        return tuple(
            f"{place(record.session, record.seq)}: {record.code} {CODES[record.code].name} has no outcome"
            for record in sorted(self._open.values(), key=lambda one: one.seq)
        )


def _span(back: timedelta) -> str:
    return f"{back.total_seconds():.3f} s"

"""One record as another system's log takes it: what OCSF and CEF lines, and the live push, are made of.

Rule 1: only clear fields go out (PROTOCOL 5); a sealed field is named by its commitment.
Rule 2: one record is one event, and carries what finds and proves it: session, seq, leaf index, hash.
"""

from dataclasses import dataclass
from datetime import datetime

from remote_assist.audit.timeline import subject_words
from remote_assist.core.codec import decode
from remote_assist.core.messages import Acknowledgement, SignedStatement
from remote_assist.core.record_codes import CODES, SESSION_OPENED, Code
from remote_assist.core.records import Record, decode_record, parse_time
from remote_assist.errors import RemoteProtocolError

FAILED = frozenset({"failed", "refused", "aborted", "cancelled"})
"""Words of an outcome's `status` that tell of no success."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a record's chain says of it once, in its opening. Empty where it belongs to no session."""

    log: str
    ticket: str = ""
    subject: str = ""
    technician: str = ""
    technician_key: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class SiemEvent:
    """A record with its place in the log. `raw`: its stored bytes."""

    record: Record
    raw: bytes
    acknowledgement: Acknowledgement
    context: Context

    @property
    def code(self) -> Code:
        return CODES[self.record.code]

    @property
    def moment(self) -> datetime:
        """When the relay took it: the time in the tree."""
        return parse_time(self.acknowledgement.time)

    @property
    def succeeded(self) -> bool | None:
        """Whether it went well; None where that is not said."""
        if self.record.code.endswith("R"):
            return False
        return None if self.record.outcome is None else self.record.outcome.status not in FAILED

    @property
    def severity(self) -> int:
        """OCSF's numbers: 1 informational, 2 low, 3 medium, 4 high."""
        if self.record.code in _SEVERITY:
            return _SEVERITY[self.record.code]
        return 3 if self.succeeded is False else _SEVERITY_OF_FAMILY.get(self.code.family[:4], 1)

    @property
    def who(self) -> str:
        """The actor's name, as far as the chain says it."""
        actor = self.record.actor
        return self.context.technician if actor.kind == "technician" and self.context.technician else actor.kind

    @property
    def message(self) -> str:
        """One sentence."""
        about = subject_words(self.record) or self.record.about
        return self.code.sentence + (f": {about}" if about else "")


_SEVERITY = {"RA1995E": 4, "RA2012E": 3, "RA2020E": 4, "RA2021E": 4, "RA2022E": 4, "RA2025E": 4, "RA1902E": 3}
_SEVERITY_OF_FAMILY = {"RA13": 2, "RA14": 2, "RA15": 2}


def context_of(first: Record, log: str, *, technician: str = "", technician_key: str = "") -> Context:
    """The context of a chain, from its first record; who the technician was, whoever verified it or kept it says."""
    if first.opening is None or first.code != SESSION_OPENED:
        return Context(log)
    try:
        said = decode(first.opening.statement, SignedStatement)
    except RemoteProtocolError:
        return Context(log, technician=technician, technician_key=technician_key)
    return Context(log, said.ticket, said.subject, technician, technician_key, first.opening.host_key)


def event_of(raw: bytes, acknowledgement: Acknowledgement, context: Context) -> SiemEvent:
    """The event of a stored record. Raises RemoteProtocolError when it cannot be read."""
    return SiemEvent(decode_record(raw), raw, acknowledgement, context)

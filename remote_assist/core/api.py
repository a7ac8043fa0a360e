"""The relay's HTTP API: JSON bodies of requests and answers. Paths and who may call them: docs/protocol.md.

Times are RFC 3339 UTC. An error is always `ApiError` with an HTTP status: 400 usage, 401 not logged in,
403 refused, 404 absent, 409 conflict, 413 too large, 429 too many, 503 store refused.
"""

from typing import Annotated

import msgspec

from remote_assist.core.canonical import MAX_INTEGER
from remote_assist.core.messages import Acknowledgement, SignedEnrolment, StoredRecord, Wrap


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of what is asked, and of answers that are verified: frozen, unknown fields refused."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers that are only shown: what a newer relay tells besides is passed over, for nothing rests on it."""


NODE_HEADER = "Remote-Assist-Node"
"""Beside an ApiError `elsewhere` (status 421): the URL of the node that serves what was asked for."""


Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
"""The number of a row, as somebody asks for it: no database holds more."""


class ApiError(Told, frozen=True):
    reason: str
    sentence: str
    advice: str = ""


class About(Told, frozen=True):
    """GET /v1/about (anyone). Hints only: nothing here is trusted."""

    product: str
    version: str
    origin: str


class ChallengeAnswer(Body, frozen=True):
    """POST /v1/login/challenge (anyone) → a nonce, good once, for 60 s."""

    nonce: bytes
    origin: str


class Login(Body, frozen=True):
    """POST /v1/login: SSHSIG (namespace login@remote-assist) by the certificate's key over `login_bytes`."""

    certificate: str
    nonce: bytes
    time: str
    role: str
    signature: str


class LoginAnswer(Body, frozen=True):
    """`token` goes into `Authorization: Bearer …`; `lists` are the CA-signed lists, verified by the caller."""

    token: str
    expires: str
    role: str
    name: str
    lists: tuple[bytes, ...]


class ListsAnswer(Body, frozen=True):
    """GET /v1/lists."""

    lists: tuple[bytes, ...]


class NewTicket(Body, frozen=True):
    """POST /v1/tickets. Subject 1..200 characters.

    `break_glass`: a session must be opened now and has no ticket; the subject says why. It goes into the relay's own
    book, whatever the default system is, and is counted.
    """

    subject: str
    description: str = ""
    break_glass: bool = False


class TicketNote(Told, frozen=True):
    """A note on a ticket. `visibility`: internal or customer. `events`: the record ids it tells of."""

    id: int
    time: str
    author: str
    text: str
    visibility: str
    session: str = ""
    events: tuple[str, ...] = ()


class TicketReply(Told, frozen=True):
    """What somebody wrote on a ticket of another system."""

    time: str
    author: str
    text: str
    visibility: str


class Ticket(Told, frozen=True):
    """`state`: open, active (a session runs), closed (and `closed`: since when, as far as it is known here).

    Of a ticket of another system: `url`, `status`, `assignee`, `requester` as that system says, `replies` what others
    wrote there, `fault` why it could not be asked now (then it is as last seen). `keeps_time`: minutes are booked
    there, not only said; `books_time`: those of a session by themselves, with its closing note.
    """

    id: str
    subject: str
    description: str
    state: str
    opened: str
    opened_by: str
    notes: tuple[TicketNote, ...] = ()
    url: str = ""
    status: str = ""
    assignee: str = ""
    replies: tuple[TicketReply, ...] = ()
    fault: str = ""
    closed: str = ""
    requester: str = ""
    keeps_time: bool = False
    books_time: bool = False


class Tickets(Told, frozen=True):
    tickets: tuple[Ticket, ...]


class NewNote(Body, frozen=True):
    """POST /v1/tickets/{id}/notes: words a technician discloses. `key` makes a repeat harmless.

    `closing` and `reopening` also do that to the ticket. `issues`: ids of the known issues that were found.
    `visibility`: internal keeps it from the customer; empty: as the system's settings say. `minutes` (0 to 1440) of
    work are said in the note, and booked where the ticket's own system keeps time. None: nothing, but of a closing note
    what the session took, where the settings book that.
    """

    text: str
    key: str
    session: str = ""
    closing: bool = False
    reopening: bool = False
    issues: tuple[str, ...] = ()
    visibility: str = ""
    minutes: int | None = None


class AlarmTaken(Told, frozen=True):
    """An alarm as it stands: `ticket` is empty while its ticket cannot be opened yet."""

    fingerprint: str
    status: str
    ticket: str = ""


class AlarmsTaken(Told, frozen=True):
    """POST /v1/alarms/{source}/{kind} (a source with its secret as bearer token)."""

    alarms: tuple[AlarmTaken, ...]


class AlarmSummary(Told, frozen=True):
    """An alarm a worker may take. `agent`: the enrolled machine, by name or id, as the source labelled it."""

    id: int
    source: str
    title: str
    agent: str
    host: str
    severity: str
    started: str
    ticket: str


class OpenAlarms(Told, frozen=True):
    """GET /v1/alarms: those that fire, have a ticket, and nobody works on."""

    alarms: tuple[AlarmSummary, ...]


class AlarmClaim(Body, frozen=True):
    """POST /v1/alarms/claims: take an alarm for 15 minutes, or (`done`) say that it was worked on."""

    id: Number
    done: bool = False


class AlarmClaimed(Told, frozen=True):
    """`taken`: it is the caller's."""

    taken: bool


class MachineSummary(Told, frozen=True):
    """An enrolled machine. `here`: it waits at this node now. Only what `signed` proves may be believed."""

    id: str
    name: str
    seen: str
    here: bool
    signed: SignedEnrolment


class Machines(Told, frozen=True):
    """GET /v1/machines."""

    machines: tuple[MachineSummary, ...]


class HookTaken(Told, frozen=True):
    """POST /v1/hooks/{system} (signed by the system). `looked`: its ticket is known here and was looked at."""

    looked: bool


class Delivery(Told, frozen=True):
    """Something on its way to a ticket of another system. `kind`: note, close, time, fields, link.

    `state`: waiting, trying, unclear (it may be there: it is looked for first), done, dead (nobody tries again by
    itself). `fault`: what went wrong last.
    """

    id: int
    ticket: str
    kind: str
    state: str
    attempts: int
    fault: str
    queued: str
    due: str
    result: str = ""


class Deliveries(Told, frozen=True):
    """GET /v1/outbox. `paused`: systems that are left alone for now, and why."""

    deliveries: tuple[Delivery, ...]
    paused: dict[str, str] = {}


class Retry(Body, frozen=True):
    """POST /v1/outbox/retry: one dead delivery, or all (0)."""

    id: Number = 0


class Retried(Told, frozen=True):
    count: int


class Difference(Told, frozen=True):
    """Where a ticket and the log differ. `kind`: missing, twice, foreign, waiting, dead. `events`: which records."""

    kind: str
    sentence: str
    events: tuple[str, ...] = ()


class Reconciled(Told, frozen=True):
    """GET (look) or POST (repair) /v1/tickets/{id}/reconcile. `told`: event ids found on the ticket exactly once."""

    ticket: str
    told: int
    differences: tuple[Difference, ...]
    repaired: int = 0


class SessionSummary(Told, frozen=True):
    """`state`: live (agent connected), away (agent not connected), ended. `part`: the caller's, in a session that
    another technician paired (active, observer, successor); else empty."""

    id: str
    ticket: str
    subject: str
    technician: str
    technician_key: str
    host_key: str
    opened: str
    state: str
    records: int
    end_reason: str = ""
    incomplete: int = 0
    ended: str = ""
    part: str = ""


class Sessions(Told, frozen=True):
    """GET /v1/sessions?… (newest first; `more`: ask again with `before` the last one's id)."""

    sessions: tuple[SessionSummary, ...]
    more: bool = False


class LoggedRecord(Body, frozen=True):
    """A record as the relay stores it, with its acknowledgement."""

    record: bytes
    head: str
    acknowledgement: Acknowledgement


class Records(Body, frozen=True):
    """GET /v1/sessions/{id}/records?from=SEQ&size=N (at most 500 a page; `more` says another page follows).

    With `size`, `proofs` has for each record the hashes that prove it is in the log's tree of that size (none for a
    record that is newer).
    """

    session: str
    records: tuple[LoggedRecord, ...]
    wraps: tuple[Wrap, ...] = ()
    more: bool = False
    proofs: tuple[tuple[bytes, ...], ...] = ()


class NewRecords(Body, frozen=True):
    """POST /v1/chains/records: the caller's own records, which belong to no session (at most 16)."""

    records: tuple[StoredRecord, ...]


class NewRecordsAnswer(Body, frozen=True):
    """The relay's acknowledgement of each."""

    acknowledgements: tuple[Acknowledgement, ...]


class ChainSummary(Told, frozen=True):
    """Somebody's records that belong to no session; `role` relay: its own. `head`: the last one's hash."""

    id: str
    owner: str
    role: str
    key: str
    serial: int
    opened: str
    records: int
    head: str


class Chains(Told, frozen=True):
    """GET /v1/chains: all chains of records that belong to no session."""

    chains: tuple[ChainSummary, ...]


class SuccessionsAnswer(Body, frozen=True):
    """GET /v1/log/successions (anyone): how the log's keys followed each other (core/log/succession.py)."""

    notes: tuple[str, ...]


class ConsistencyAnswer(Body, frozen=True):
    """GET /v1/log/consistency?from=M&to=N (anyone): proves that the first M records are the beginning of the first N.

    `hashes` are in the order of RFC 6962 section 2.1.2.
    """

    hashes: tuple[bytes, ...]


class Anchoring(Body, frozen=True):
    """A checkpoint that a witness outside took. `record`: the leaf of the relay's record about it (RA2024E).

    `kind`: command, url or rfc3161; `receipt`: what the witness answered, for rfc3161 its token.
    """

    record: int
    anchor: str
    kind: str
    receiver: str
    time: str
    size: int
    checkpoint: str
    receipt: bytes


class Anchorings(Body, frozen=True):
    """GET /v1/log/anchorings?from=LEAF: some anchorings from a leaf on, oldest first; none when there are no more."""

    anchorings: tuple[Anchoring, ...]

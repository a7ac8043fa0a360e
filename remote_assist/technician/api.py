"""The relay's HTTP API as the technician's program calls it: a method a question, typed answers.

What the relay says is data: decoded strictly, shown only through `safe_text`, and believed only where a signature is
checked elsewhere.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from remote_assist.core.api import (
    About,
    AlarmClaim,
    AlarmClaimed,
    AlarmSummary,
    Anchoring,
    Anchorings,
    Chains,
    ChainSummary,
    ChallengeAnswer,
    ConsistencyAnswer,
    Deliveries,
    ListsAnswer,
    LoggedRecord,
    Login,
    LoginAnswer,
    Machines,
    MachineSummary,
    NewNote,
    NewRecords,
    NewRecordsAnswer,
    NewTicket,
    OpenAlarms,
    Reconciled,
    Records,
    Retried,
    Retry,
    Sessions,
    SessionSummary,
    SuccessionsAnswer,
    Ticket,
    TicketNote,
    Tickets,
)
from remote_assist.core.log.organisation import is_chain_id
from remote_assist.core.messages import Acknowledgement, StoredRecord, Wrap
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES
from remote_assist.errors import RemoteProtocolError, UsageError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.relay_http import RelayHttp, safe_addresses
from remote_assist.transport.addresses import Addresses

MAX_PAGES = 10_000
"""Pages of one session's records; with 500 a page, five million records."""

TILE_WIDTH = 256


def tile_path(number: int, width: int) -> str:
    """How tlog-tiles writes a tile's number, with its width when it is not full: `x001/067.p/5`."""
    text = f"{number:03d}"
    while len(text) % 3:
        text = "0" + text
    groups = [text[at : at + 3] for at in range(0, len(text), 3)]
    path = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


class RelayApi:
    """One relay at one or several addresses, one login. Use as `async with`."""

    def __init__(
        self,
        url: str | Addresses,
        *,
        token: str = "",
        tls_ca_file: Path | None = None,
        proxy_url: str = "",
        deadline_seconds: float = 60.0,
    ) -> None:
        self.addresses = url if isinstance(url, Addresses) else safe_addresses([url])
        self._http = RelayHttp(
            self.addresses,
            token=token,
            tls_ca_file=tls_ca_file,
            proxy_url=proxy_url,
            deadline_seconds=deadline_seconds,
        )

    @property
    def origin(self) -> str:
        """The address that is asked next."""
        return self.addresses.current

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections; harmless when there are none."""
        await self._http.close()

    async def about(self) -> About:
        """What the relay says of itself: hints only."""
        return await self._http.get("/v1/about", About)

    async def login_challenge(self) -> ChallengeAnswer:
        """A nonce to sign."""
        return await self._http.call("POST", "/v1/login/challenge", ChallengeAnswer)

    async def login(self, login: Login) -> LoginAnswer:
        """Exchange a signature for a token."""
        return await self._http.call("POST", "/v1/login", LoginAnswer, login)

    async def lists(self) -> tuple[bytes, ...]:
        """The CA-signed lists, unverified."""
        return (await self._http.get("/v1/lists", ListsAnswer)).lists

    async def tickets(self) -> tuple[Ticket, ...]:
        """All tickets, without their notes or with, as the relay likes."""
        return (await self._http.get("/v1/tickets", Tickets)).tickets

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes. Raises UsageError when there is none."""
        return await self._http.get(f"/v1/tickets/{_ticket_path(ticket)}", Ticket)

    async def new_ticket(self, subject: str, description: str = "", *, break_glass: bool = False) -> Ticket:
        """Open a ticket; with `break_glass` in the relay's own book, marked as one there was no time for."""
        if not 1 <= len(subject) <= 200:
            raise UsageError("a ticket's subject has 1 to 200 characters")
        return await self._http.call(
            "POST", "/v1/tickets", Ticket, NewTicket(subject=subject, description=description, break_glass=break_glass)
        )

    async def add_note(self, ticket: str, note: NewNote) -> TicketNote:
        """Put words on a ticket. Repeating it with the same key does nothing more."""
        return await self._http.call("POST", f"/v1/tickets/{_ticket_path(ticket)}/notes", TicketNote, note)

    async def machines(self) -> tuple[MachineSummary, ...]:
        """Enrolled machines, as the relay tells of them."""
        return (await self._http.get("/v1/machines", Machines)).machines

    async def open_alarms(self) -> tuple[AlarmSummary, ...]:
        """Alarms that fire, have a ticket, and nobody works on."""
        return (await self._http.get("/v1/alarms", OpenAlarms)).alarms

    async def claim_alarm(self, alarm: int, *, done: bool = False) -> bool:
        """Take an alarm for a while, or say that it was worked on; whether it is ours."""
        return (await self._http.call("POST", "/v1/alarms/claims", AlarmClaimed, AlarmClaim(id=alarm, done=done))).taken

    async def search_tickets(self, text: str, system: str) -> tuple[Ticket, ...]:
        """Tickets of one system whose subject holds the text."""
        query = f"find={quote(text, safe='')}&system={quote(system, safe='')}"
        return (await self._http.get(f"/v1/tickets?{query}", Tickets)).tickets

    async def outbox(self, *, dead: bool = False) -> Deliveries:
        """What is on its way to other ticket systems."""
        return await self._http.get(f"/v1/outbox?state={'dead' if dead else 'all'}", Deliveries)

    async def retry_delivery(self, which: int = 0) -> int:
        """Let one dead delivery, or all (0), be tried again. Returns how many."""
        return (await self._http.call("POST", "/v1/outbox/retry", Retried, Retry(id=which))).count

    async def reconcile(self, ticket: str, *, repair: bool = False) -> Reconciled:
        """Where a ticket and the log differ; with `repair`, what is missing is sent again."""
        path = f"/v1/tickets/{_ticket_path(ticket)}/reconcile"
        return await self._http.call("POST" if repair else "GET", path, Reconciled)

    async def sessions(self) -> tuple[SessionSummary, ...]:
        """The newest of the caller's sessions (a reviewer: of all)."""
        return (await self._http.get("/v1/sessions", Sessions)).sessions

    async def each_session(self, **wanted: str) -> AsyncIterator[SessionSummary]:
        """Every session that fits, newest first. `wanted`: filters of GET /v1/sessions (docs/protocol.md)."""
        before: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            query = urlencode({**{name: text for name, text in wanted.items() if text}, **before})
            page = await self._http.get(f"/v1/sessions?{query}" if query else "/v1/sessions", Sessions)
            for one in page.sessions:
                yield one
            if not page.more:
                return
            if not page.sessions:
                raise RemoteProtocolError("the relay promises more sessions and sends none")
            before = {"before": page.sessions[-1].id}
        raise RemoteProtocolError("the relay lists more sessions than can be read")

    async def session(self, session: str) -> SessionSummary:
        """One session. Raises UsageError when there is none."""
        return await self._http.get(f"/v1/sessions/{quote(session, safe='')}", SessionSummary)

    async def checkpoint(self, *, fresh: bool = True, covers: int = -1) -> str:
        """The log's last checkpoint, unverified: a signed note. With `fresh`, one over all that is in the log now.

        `covers`: one that covers this leaf, which it may take the relay a moment to sign; UsageError when it has none.
        """
        raw = await self._http.fetch(
            f"/v1/log/checkpoint?fresh={fresh:d}" + (f"&covers={covers}" if covers >= 0 else "")
        )
        return raw[:MAX_NOTE_BYTES].decode("utf-8", "replace")

    async def successions(self) -> tuple[str, ...]:
        """The notes by which the log's keys followed each other."""
        return (await self._http.get("/v1/log/successions", SuccessionsAnswer)).notes

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of `old` records is the beginning of the one of `new`, unverified."""
        return (await self._http.get(f"/v1/log/consistency?from={old}&to={new}", ConsistencyAnswer)).hashes

    async def anchorings(self) -> AsyncIterator[Anchoring]:
        """Every checkpoint that a witness outside took, oldest first, unverified."""
        start = 0
        for _ in range(MAX_PAGES):
            page = await self._http.get(f"/v1/log/anchorings?from={start}", Anchorings)
            if not page.anchorings:
                return
            for one in page.anchorings:
                if one.record < start:
                    raise RemoteProtocolError("the relay lists anchorings out of order")
                start = one.record + 1
                yield one
        raise RemoteProtocolError("the relay lists more anchorings than can be read")

    async def entries(self, size: int) -> AsyncIterator[bytes]:
        """The entry bundles of the log's first `size` leaves, in order, unverified (C2SP tlog-tiles)."""
        for number in range(-(-size // TILE_WIDTH)):
            width = min(TILE_WIDTH, size - number * TILE_WIDTH)
            yield await self._http.fetch(f"/v1/log/tile/entries/{tile_path(number, width)}")

    async def record_pages(self, session: str, size: int = 0) -> AsyncIterator[Records]:
        """A session's or chain's records from the first on, by pages; with `size`, proofs for the tree of that size."""
        start, kind = 0, "chains" if is_chain_id(session) else "sessions"
        for _ in range(MAX_PAGES):
            sized = f"&size={size}" if size else ""
            page = await self._http.get(f"/v1/{kind}/{quote(session, safe='')}/records?from={start}{sized}", Records)
            if page.proofs and len(page.proofs) != len(page.records):
                raise VerificationError("the relay's proofs do not match its records", where=session)
            yield page
            start += len(page.records)
            if not page.more:
                return
            if not page.records:
                raise RemoteProtocolError("the relay promises more records and sends none")
        raise RemoteProtocolError(f"session {session} has more records than can be read")

    async def chains(self) -> tuple[ChainSummary, ...]:
        """All chains of records that belong to no session."""
        return (await self._http.get("/v1/chains", Chains)).chains

    async def chain(self, chain: str) -> ChainSummary:
        """One chain. Raises UsageError when there is none."""
        return await self._http.get(f"/v1/chains/{quote(chain, safe='')}", ChainSummary)

    async def new_records(self, records: tuple[StoredRecord, ...]) -> tuple[Acknowledgement, ...]:
        """Have records of one's own kept; the acknowledgements are unverified."""
        answer = await self._http.call("POST", "/v1/chains/records", NewRecordsAnswer, NewRecords(records=records))
        return answer.acknowledgements

    async def records(self, session: str) -> list[LoggedRecord]:
        """All of a session's records."""
        return [record async for page in self.record_pages(session) for record in page.records]

    async def chunk(self, session: str, seq: int) -> bytes:
        """The sealed bytes that record `seq` names, unverified. Raises UsageError when there are none."""
        return await self._http.fetch(f"/v1/sessions/{quote(session, safe='')}/chunks/{seq}")

    async def wraps(self, session: str) -> list[Wrap]:
        """The sealed content keys of a session."""
        found: dict[tuple[str, str], Wrap] = {}
        async for page in self.record_pages(session):
            found.update({(wrap.key_id, wrap.reviewer): wrap for wrap in page.wraps})
        return list(found.values())


def open_api(settings: TechnicianSettings, addresses: Addresses, token: str = "") -> RelayApi:
    """The API of a relay with these settings."""
    return RelayApi(
        addresses,
        token=token,
        tls_ca_file=settings.tls_ca_file,
        proxy_url=settings.proxy_url,
        deadline_seconds=settings.request_deadline_seconds,
    )


def _ticket_path(ticket: str) -> str:
    """A ticket id in a path: the colon of a foreign one stays as it is."""
    return quote(ticket, safe=":")

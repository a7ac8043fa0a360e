"""The relay's HTTP API as the technician's program calls it: typed answers, our errors, limits on everything.

The only file of this side that knows aiohttp. What the relay says is data: decoded strictly, shown only through
`safe_text`, and believed only where a signature is checked elsewhere.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from remote_assist.core.api import (
    About,
    AlarmClaim,
    AlarmClaimed,
    AlarmSummary,
    Anchoring,
    Anchorings,
    ApiError,
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
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import relay_origin
from remote_assist.core.messages import Acknowledgement, StoredRecord, Wrap
from remote_assist.core.organisation import is_chain_id
from remote_assist.core.signed_note import MAX_NOTE_BYTES
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    ContentError,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
    UsageError,
    VerificationError,
)
from remote_assist.settings import TechnicianSettings
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.causes import cause_of
from remote_assist.transport.proxies import is_loopback, proxy_context, proxy_for

if TYPE_CHECKING:  # only names for types: aiohttp takes a tenth of a second to load, and `run` needs no HTTP
    import aiohttp

CONNECT_SECONDS = 20.0
"""How long the relay may take to accept a connection."""

MAX_ANSWER_BYTES = 16 << 20
"""Longest answer read: a page of 500 records stays well below."""

MAX_PAGES = 10_000
"""Pages of one session's records; with 500 a page, five million records."""

TILE_WIDTH = 256

T = TypeVar("T")


def safe_origin(url: str) -> str:
    """`scheme://host:port` of a relay. Raises UsageError for plain HTTP beyond this machine."""
    if not url:
        raise UsageError("no relay was named", advice="Give --relay URL, or set REMOTE_ASSIST_RELAY, or log in first.")
    origin = relay_origin(url)
    parts = urlsplit(origin)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise UsageError(
            f"{origin} is plain HTTP and not on this machine", advice="Use https://; plain HTTP is for loopback only."
        )
    return origin


def safe_addresses(urls: Sequence[str]) -> Addresses:
    """The addresses of one relay. Raises UsageError as `safe_origin`."""
    return Addresses([safe_origin(url) for url in urls or ("",)])


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
        self._token = token
        self._tls_ca_file = tls_ca_file
        self._proxy_url = proxy_url
        self._deadline_seconds = deadline_seconds
        self._clients: dict[str, aiohttp.ClientSession] = {}

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
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def about(self) -> About:
        """What the relay says of itself: hints only."""
        return await self._get("/v1/about", About)

    async def login_challenge(self) -> ChallengeAnswer:
        """A nonce to sign."""
        return await self._call("POST", "/v1/login/challenge", ChallengeAnswer)

    async def login(self, login: Login) -> LoginAnswer:
        """Exchange a signature for a token."""
        return await self._call("POST", "/v1/login", LoginAnswer, login)

    async def lists(self) -> tuple[bytes, ...]:
        """The CA-signed lists, unverified."""
        return (await self._get("/v1/lists", ListsAnswer)).lists

    async def tickets(self) -> tuple[Ticket, ...]:
        """All tickets, without their notes or with, as the relay likes."""
        return (await self._get("/v1/tickets", Tickets)).tickets

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes. Raises UsageError when there is none."""
        return await self._get(f"/v1/tickets/{_ticket_path(ticket)}", Ticket)

    async def new_ticket(self, subject: str, description: str = "", *, break_glass: bool = False) -> Ticket:
        """Open a ticket; with `break_glass` in the relay's own book, marked as one there was no time for."""
        if not 1 <= len(subject) <= 200:
            raise UsageError("a ticket's subject has 1 to 200 characters")
        return await self._call(
            "POST", "/v1/tickets", Ticket, NewTicket(subject=subject, description=description, break_glass=break_glass)
        )

    async def add_note(self, ticket: str, note: NewNote) -> TicketNote:
        """Put words on a ticket. Repeating it with the same key does nothing more."""
        return await self._call("POST", f"/v1/tickets/{_ticket_path(ticket)}/notes", TicketNote, note)

    async def machines(self) -> tuple[MachineSummary, ...]:
        """Enrolled machines, as the relay tells of them."""
        return (await self._get("/v1/machines", Machines)).machines

    async def open_alarms(self) -> tuple[AlarmSummary, ...]:
        """Alarms that fire, have a ticket, and nobody works on."""
        return (await self._get("/v1/alarms", OpenAlarms)).alarms

    async def claim_alarm(self, alarm: int, *, done: bool = False) -> bool:
        """Take an alarm for a while, or say that it was worked on; whether it is ours."""
        return (await self._call("POST", "/v1/alarms/claims", AlarmClaimed, AlarmClaim(id=alarm, done=done))).taken

    async def search_tickets(self, text: str, system: str) -> tuple[Ticket, ...]:
        """Tickets of one system whose subject holds the text."""
        query = f"find={quote(text, safe='')}&system={quote(system, safe='')}"
        return (await self._get(f"/v1/tickets?{query}", Tickets)).tickets

    async def outbox(self, *, dead: bool = False) -> Deliveries:
        """What is on its way to other ticket systems."""
        return await self._get(f"/v1/outbox?state={'dead' if dead else 'all'}", Deliveries)

    async def retry_delivery(self, which: int = 0) -> int:
        """Let one dead delivery, or all (0), be tried again. Returns how many."""
        return (await self._call("POST", "/v1/outbox/retry", Retried, Retry(id=which))).count

    async def reconcile(self, ticket: str, *, repair: bool = False) -> Reconciled:
        """Where a ticket and the log differ; with `repair`, what is missing is sent again."""
        path = f"/v1/tickets/{_ticket_path(ticket)}/reconcile"
        return await self._call("POST" if repair else "GET", path, Reconciled)

    async def sessions(self) -> tuple[SessionSummary, ...]:
        """The newest of the caller's sessions (a reviewer: of all)."""
        return (await self._get("/v1/sessions", Sessions)).sessions

    async def each_session(self, **wanted: str) -> AsyncIterator[SessionSummary]:
        """Every session that fits, newest first. `wanted`: filters of GET /v1/sessions (docs/protocol.md)."""
        before: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            query = urlencode({**{name: text for name, text in wanted.items() if text}, **before})
            page = await self._get(f"/v1/sessions?{query}" if query else "/v1/sessions", Sessions)
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
        return await self._get(f"/v1/sessions/{quote(session, safe='')}", SessionSummary)

    async def checkpoint(self, *, fresh: bool = True) -> str:
        """The log's last checkpoint, unverified: a signed note. With `fresh`, one over all that is in the log now."""
        status, raw = await self._exchange("GET", f"/v1/log/checkpoint?fresh={fresh:d}", None)
        if status >= 300:
            raise _refusal(status, raw)
        return raw[:MAX_NOTE_BYTES].decode("utf-8", "replace")

    async def successions(self) -> tuple[str, ...]:
        """The notes by which the log's keys followed each other."""
        return (await self._get("/v1/log/successions", SuccessionsAnswer)).notes

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of `old` records is the beginning of the one of `new`, unverified."""
        return (await self._get(f"/v1/log/consistency?from={old}&to={new}", ConsistencyAnswer)).hashes

    async def anchorings(self) -> AsyncIterator[Anchoring]:
        """Every checkpoint that a witness outside took, oldest first, unverified."""
        start = 0
        for _ in range(MAX_PAGES):
            page = await self._get(f"/v1/log/anchorings?from={start}", Anchorings)
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
            status, raw = await self._exchange("GET", f"/v1/log/tile/entries/{tile_path(number, width)}", None)
            if status >= 300:
                raise _refusal(status, raw)
            yield raw

    async def record_pages(self, session: str, size: int = 0) -> AsyncIterator[Records]:
        """A session's or chain's records from the first on, by pages; with `size`, proofs for the tree of that size."""
        start, kind = 0, "chains" if is_chain_id(session) else "sessions"
        for _ in range(MAX_PAGES):
            sized = f"&size={size}" if size else ""
            page = await self._get(f"/v1/{kind}/{quote(session, safe='')}/records?from={start}{sized}", Records)
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
        return (await self._get("/v1/chains", Chains)).chains

    async def chain(self, chain: str) -> ChainSummary:
        """One chain. Raises UsageError when there is none."""
        return await self._get(f"/v1/chains/{quote(chain, safe='')}", ChainSummary)

    async def new_records(self, records: tuple[StoredRecord, ...]) -> tuple[Acknowledgement, ...]:
        """Have records of one's own kept; the acknowledgements are unverified."""
        answer = await self._call("POST", "/v1/chains/records", NewRecordsAnswer, NewRecords(records=records))
        return answer.acknowledgements

    async def records(self, session: str) -> list[LoggedRecord]:
        """All of a session's records."""
        return [record async for page in self.record_pages(session) for record in page.records]

    async def chunk(self, session: str, seq: int) -> bytes:
        """The sealed bytes that record `seq` names, unverified. Raises UsageError when there are none."""
        status, raw = await self._exchange("GET", f"/v1/sessions/{quote(session, safe='')}/chunks/{seq}", None)
        if status >= 300:
            raise _refusal(status, raw)
        return raw

    async def wraps(self, session: str) -> list[Wrap]:
        """The sealed content keys of a session."""
        found: dict[tuple[str, str], Wrap] = {}
        async for page in self.record_pages(session):
            found.update({(wrap.key_id, wrap.reviewer): wrap for wrap in page.wraps})
        return list(found.values())

    async def _get(self, path: str, kind: type[T]) -> T:
        return await self._call("GET", path, kind)

    async def _call(self, method: str, path: str, kind: type[T], body: msgspec.Struct | None = None) -> T:
        status, raw = await self._exchange(method, path, encode(body) if body is not None else None)
        if status >= 300:
            raise _refusal(status, raw)
        return decode(raw, kind, max_bytes=MAX_ANSWER_BYTES)

    async def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Ask the first address that can be reached. What was sent whole is repeated elsewhere only if it is a GET."""

        async def ask(origin: str) -> tuple[int, bytes]:
            try:
                return await self._ask(origin, method, path, body)
            except _Lost as lost:
                if method == "GET":
                    raise lost.error from lost
                raise

        try:
            return await self.addresses.reach(ask)
        except _Lost as lost:
            raise lost.error from lost

    async def _ask(self, origin: str, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        import aiohttp

        client = self._client(origin)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with client.request(
                method, origin + path, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, await _read(answer)
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise VerificationError(
                f"the certificate of {origin} does not hold: {_reason(error)}",
                advice="A relay with a certificate of your own needs --ca-file FILE.",
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _unreachable(origin, error) from error  # nothing was sent
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _Lost(_unreachable(origin, error)) from error

    def _client(self, origin: str) -> "aiohttp.ClientSession":
        import aiohttp

        if origin not in self._clients:
            total = self._deadline_seconds
            connect = self.addresses.deadline(min(CONNECT_SECONDS, total))
            self._clients[origin] = aiohttp.ClientSession(
                connector=self._connector(origin), timeout=aiohttp.ClientTimeout(total=total, sock_connect=connect)
            )
        return self._clients[origin]

    def _connector(self, origin: str) -> "aiohttp.BaseConnector":
        import aiohttp

        tls = _tls_context(origin, self._tls_ca_file)
        proxy = proxy_for(origin, self._proxy_url)
        if proxy is None:
            return aiohttp.TCPConnector(ssl=tls, limit=8)
        from aiohttp_socks import ProxyConnector

        if proxy.startswith("https:"):
            proxy_tls = proxy_context(self._tls_ca_file)
            plain = proxy.replace("https:", "http:", 1)
            return ProxyConnector.from_url(plain, rdns=True, proxy_ssl=proxy_tls, ssl=tls, limit=8)
        # aiohttp-socks knows no `socks5h`; with `rdns` every name is looked up by the proxy, as that one means
        plain = proxy.replace("socks5h://", "socks5://", 1).replace("socks4a://", "socks4://", 1)
        return ProxyConnector.from_url(plain, rdns=not proxy.startswith(("socks5://", "socks4://")), ssl=tls, limit=8)


def open_api(settings: TechnicianSettings, addresses: Addresses, token: str = "") -> RelayApi:
    """The API of a relay with these settings."""
    return RelayApi(
        addresses,
        token=token,
        tls_ca_file=settings.tls_ca_file,
        proxy_url=settings.proxy_url,
        deadline_seconds=settings.request_deadline_seconds,
    )


class _Lost(Exception):
    """The connection broke when the question may have arrived already."""

    def __init__(self, error: UnreachableError) -> None:
        super().__init__(error.message)
        self.error = error


def _unreachable(origin: str, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"the relay {origin} cannot be reached: {cause_of(error)}",
        advice="Check the address, the network, and whether the relay runs.",
    )


def _ticket_path(ticket: str) -> str:
    """A ticket id in a path: the colon of a foreign one stays as it is."""
    return quote(ticket, safe=":")


async def _read(answer: "aiohttp.ClientResponse") -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_chunked(256 << 10):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise RemoteProtocolError(f"the relay's answer is longer than {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _refusal(status: int, raw: bytes) -> AssistError:
    try:
        said = decode(raw, ApiError)
    except RemoteProtocolError:
        if status >= 500:
            return UnreachableError(f"the relay failed (HTTP {status})", advice="Ask its operator; try again later.")
        return RemoteProtocolError(f"the relay refused (HTTP {status}) without saying why")
    return _error_of(status, said)


def _error_of(status: int, said: ApiError) -> AssistError:
    sentence, advice = said.sentence or f"the relay refused (HTTP {status})", said.advice
    if status == 401:
        return RefusedError(
            sentence, reason=said.reason, advice=advice or "Log in again: remote-assist login --key FILE"
        )
    if status in {400, 404, 413}:
        return UsageError(sentence, advice=advice)
    if said.reason == "unverified":
        return VerificationError(sentence, advice=advice)
    if status == 503:
        return AuditUnavailable(sentence, reason=said.reason, advice=advice or "Ask the relay's operator.")
    if status > 503:
        return UnreachableError(sentence, advice=advice)
    return RefusedError(sentence, reason=said.reason, advice=advice)


def _tls_context(origin: str, ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None or origin.startswith("http://"):
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ContentError(f"{ca_file} holds no usable TLS certificate: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

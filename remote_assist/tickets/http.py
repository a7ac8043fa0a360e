"""The one HTTP client of all connectors: bounded, timed, and exact about what a failure means.

Rule 1: a credential goes to the configured origin only: no redirects are followed, plain HTTP is spoken on loopback.
Rule 2: after a failed write the caller knows whether it may have been written (docs/decisions/0070).
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from remote_assist.errors import ContentError, Fault, TicketSystemError

T = TypeVar("T")

MAX_ANSWER_BYTES = 16 << 20
MAX_WAIT_SECONDS = 3600.0
"""The longest Retry-After that is believed."""

CONNECT_SECONDS = 10.0
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a ticket system answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        """The JSON body as `kind`, a msgspec type that names only what we need."""
        try:
            return msgspec.json.decode(self.body, type=kind, strict=False)
        except (msgspec.DecodeError, ValueError) as error:
            raise TicketSystemError(
                f"the ticket system answered what cannot be read: {error}", fault=Fault.UNCLEAR
            ) from error


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart body."""

    field: str
    name: str
    content: bytes
    media_type: str = "application/octet-stream"


class Http:
    """Requests to one ticket system. `headers` hold the credential."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        deadline_seconds: float = 30.0,
        connections: int = 4,
        tls_ca_file: Path | None = None,
    ) -> None:
        self.url = checked_url(url)
        self._headers = dict(headers)
        self._deadline_seconds = deadline_seconds
        self._connections = connections
        self._tls_ca_file = tls_ca_file
        self._client: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        raw: bytes | None = None,
        parts: tuple[Mapping[str, str], tuple[FilePart, ...]] | None = None,
        headers: Mapping[str, str] | None = None,
        allow: tuple[int, ...] = (),
    ) -> Answer:
        """One exchange. `body` is sent as JSON, `raw` as it is, `parts` (fields, files) as multipart/form-data.

        Raises TicketSystemError for every status from 300 on that is not in `allow`.
        """
        sent = {**self._headers, "Accept": "application/json", **(headers or {})}
        data: Any = raw
        if body is not None:
            data, sent["Content-Type"] = msgspec.json.encode(body), "application/json"
        elif parts is not None:
            data = _form(*parts)
        answer = await self._exchange(method, path, query, data, sent)
        if answer.status >= 300 and answer.status not in allow:
            raise refusal(answer, reading=method == "GET")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str] | None, data: object, headers: Mapping[str, str]
    ) -> Answer:
        unsure = Fault.NOT_SENT if method == "GET" else Fault.UNCLEAR
        try:
            async with self._open().request(
                method, self.url + path, params=query, data=data, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers, await _bounded(response))
        except aiohttp.ClientConnectorCertificateError as error:
            raise TicketSystemError(
                f"the TLS certificate of {self.url} does not hold",
                fault=Fault.CREDENTIAL,
                advice="Name its CA in the settings: tls_ca.",
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TicketSystemError(f"{self.url} cannot be reached", fault=Fault.NOT_SENT) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TicketSystemError(f"{self.url} broke off: {type(error).__name__}", fault=unsure) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._client is None:
            context: ssl.SSLContext | bool = True
            if self._tls_ca_file is not None:
                context = ssl.create_default_context(cafile=str(self._tls_ca_file))
            total = self._deadline_seconds
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=context),
                timeout=aiohttp.ClientTimeout(total=total, sock_connect=min(CONNECT_SECONDS, total)),
                trust_env=self.url.startswith("https://"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._client


def checked_url(url: str) -> str:
    """The URL without its last slash. Raises ContentError unless it is https, or http on loopback."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ContentError(
            f"{url!r} is no address of a ticket system", advice="Write https://HOST or https://HOST/PATH."
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ContentError(
            f"{url!r} would send the credential in clear", advice="Use https; plain http is for loopback only."
        )
    return url.rstrip("/")


def refusal(answer: Answer, *, reading: bool) -> TicketSystemError:
    """What an answer of 300 or more means."""
    status, wait = answer.status, retry_after(answer.headers.get("Retry-After", ""))
    said = f"the ticket system answered {status}"
    if status == 429 or (status == 403 and wait > 0):
        return TicketSystemError(f"{said}: too many requests", fault=Fault.SLOW_DOWN, wait_seconds=wait)
    if status == 401:
        return TicketSystemError(
            f"{said}: it does not know us", fault=Fault.CREDENTIAL, advice="Renew the credential file of this system."
        )
    if status in {404, 410}:
        return TicketSystemError(f"{said}: there is no such ticket", fault=Fault.ABSENT)
    if status >= 500:
        fault = Fault.NOT_SENT if reading else Fault.UNCLEAR
        return TicketSystemError(said, fault=fault, wait_seconds=wait)
    return TicketSystemError(f"{said}: {_first_words(answer.body)}", fault=Fault.REJECTED)


def retry_after(value: str, *, now: datetime | None = None) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 when there is none that can be read."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS) if seconds == seconds else 0.0


def _first_words(body: bytes) -> str:
    return " ".join(body[:300].decode("utf-8", "replace").split())


def _form(fields: Mapping[str, str], files: tuple[FilePart, ...]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    for part in files:
        form.add_field(part.field, part.content, filename=part.name, content_type=part.media_type)
    return form


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    held = bytearray()
    async for part in response.content.iter_chunked(64 << 10):
        held += part
        if len(held) > MAX_ANSWER_BYTES:
            raise TicketSystemError("the ticket system's answer is too long", fault=Fault.UNCLEAR)
        await asyncio.sleep(0)
    return bytes(held)

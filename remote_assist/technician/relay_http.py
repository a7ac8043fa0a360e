"""HTTP to the relay as the technician's program speaks it: addresses tried in turn, proxies, TLS, bounded answers.

The only file of this side that knows aiohttp. An answer is decoded strictly; what it says is a peer's word.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from remote_assist.core.api import ApiError
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import relay_origin
from remote_assist.core.spoken import HEADER, OWN, check_version, explained, spoken_by
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
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.causes import cause_of
from remote_assist.transport.proxies import is_loopback, proxy_context, proxy_for

if TYPE_CHECKING:  # only names for types: aiohttp takes a tenth of a second to load, and `run` needs no HTTP
    import aiohttp

CONNECT_SECONDS = 20.0
"""How long the relay may take to accept a connection."""

MAX_ANSWER_BYTES = 16 << 20
"""Longest answer read: a page of 500 records stays well below."""

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


class RelayHttp:
    """Questions to one relay at one or several addresses, with one token."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        token: str = "",
        tls_ca_file: Path | None = None,
        proxy_url: str = "",
        deadline_seconds: float = 60.0,
    ) -> None:
        self.addresses = addresses
        self._token = token
        self._tls_ca_file = tls_ca_file
        self._proxy_url = proxy_url
        self._deadline_seconds = deadline_seconds
        self._clients: dict[str, aiohttp.ClientSession] = {}
        self._relay_speaks = OWN

    async def close(self) -> None:
        """Close connections; harmless when there are none."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    async def get(self, path: str, kind: type[T]) -> T:
        """As `call`, without a body."""
        return await self.call("GET", path, kind)

    async def call(self, method: str, path: str, kind: type[T], body: msgspec.Struct | None = None) -> T:
        """The decoded answer. Raises an AssistError for a refusal, and for an answer that is not of this kind."""
        raw = await self._exchange(method, path, encode(body) if body is not None else None)
        try:
            return decode(raw, kind, max_bytes=MAX_ANSWER_BYTES)
        except RemoteProtocolError as error:
            raise explained(error, self._relay_speaks, "relay") from error

    async def fetch(self, path: str) -> bytes:
        """The bytes of an answer that is no JSON. Raises an AssistError for a refusal."""
        return await self._exchange("GET", path, None)

    async def _exchange(self, method: str, path: str, body: bytes | None) -> bytes:
        """Ask the first address that can be reached. What was sent whole is repeated elsewhere only if it is a GET."""

        async def ask(origin: str) -> tuple[int, bytes]:
            try:
                return await self._ask(origin, method, path, body)
            except _Lost as lost:
                if method == "GET":
                    raise lost.error from lost
                raise

        try:
            status, raw = await self.addresses.reach(ask)
        except _Lost as lost:
            raise lost.error from lost
        if status >= 300:
            raise self._of_older(_refusal(status, raw))
        return raw

    def _of_older(self, error: AssistError) -> AssistError:
        """A relay that is older than we are may not know what it is asked."""
        if isinstance(error, UsageError) and self._relay_speaks.minor < OWN.minor:
            older = f"The relay is older than this program (it speaks {self._relay_speaks}, this one {OWN})."
            return UsageError(error.message, advice=f"{error.advice} {older}".strip())
        return error

    async def _ask(self, origin: str, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        import aiohttp

        client = self._client(origin)
        headers = {HEADER: str(OWN)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with client.request(
                method, origin + path, data=body, headers=headers, allow_redirects=False
            ) as answer:
                self._relay_speaks = spoken_by(answer.headers.get(HEADER, ""))
                check_version(self._relay_speaks, "relay")
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

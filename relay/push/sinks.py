"""Where the live push goes: a file, a syslog server over TLS, a webhook. Each takes a batch whole or fails.

Rule 1: `send` returns when the other side took the batch, as far as its protocol says so: a file is fsynced, a webhook
answered 2xx; syslog answers nothing, so after a broken connection the last batch is sent again (relay/push/live.py).
Rule 2: every wait has an end. What fails raises SinkError; nothing else leaves here.
"""

import asyncio
import contextlib
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from relay.push.syslog_frames import framed, syslog_message
from relay.trust import read_bounded
from remote_assist.audit.cef import cef_line
from remote_assist.audit.ocsf import ocsf_line
from remote_assist.audit.siem_event import SiemEvent
from remote_assist.errors import AssistError, ContentError
from remote_assist.settings import PushSettings

MAX_TOKEN_BYTES = 4096

FORMATS: dict[str, Callable[[SiemEvent], bytes]] = {
    "ocsf": lambda event: ocsf_line(event).rstrip(b"\n"),
    "cef": lambda event: cef_line(event).encode(),
}


class SinkError(AssistError):
    """A batch was not taken; it is to be sent again."""


class Sink(Protocol):
    """Where batches of events go. `repeats_after_break`: what was sent last may be lost when a connection breaks."""

    repeats_after_break: bool

    async def send(self, events: Sequence[SiemEvent]) -> None:
        """Deliver a batch in order. Raises SinkError."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(slots=True)
class FileSink:
    """Appends lines to a file and has them on the disk; opens it anew for each batch, so it may be rotated."""

    path: Path
    line: Callable[[SiemEvent], bytes]
    repeats_after_break: bool = False

    async def send(self, events: Sequence[SiemEvent]) -> None:
        raw = b"".join(self.line(event) + b"\n" for event in events)
        try:
            await asyncio.to_thread(_append, self.path, raw)
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {error.strerror}") from error

    async def close(self) -> None:
        """Nothing is kept open."""


class SyslogSink:
    """A syslog server over TLS (RFC 5425)."""

    repeats_after_break = True

    def __init__(self, settings: PushSettings, line: Callable[[SiemEvent], bytes], *, host_name: str) -> None:
        host, _, port = settings.address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._tls = tls_of(settings.tls_ca)
        self._line = line
        self._host_name = host_name
        self._deadline_seconds = settings.deadline_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, events: Sequence[SiemEvent]) -> None:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                writer = await self._connected()
                writer.writelines(framed(self._message(event)) for event in events)
                await writer.drain()
        except (OSError, TimeoutError) as error:
            await self.close()
            raise SinkError(f"the syslog server cannot be reached: {cause_of(error)}") from error

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.transport.abort()

    async def _connected(self) -> asyncio.StreamWriter:
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()
            raise ConnectionResetError("the server closed the connection")
        if self._streams is None:
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
            writer.transport.set_write_buffer_limits(high=0)
            self._streams = reader, writer
        return self._streams[1]

    def _message(self, event: SiemEvent) -> bytes:
        return syslog_message(
            severity=event.severity,
            moment=event.moment,
            host=self._host_name,
            message_id=event.record.code,
            index=event.acknowledgement.index,
            line=self._line(event),
        )


class WebhookSink:
    """POSTs a batch as JSON lines (or CEF lines) to a URL; any 2xx is a receipt."""

    repeats_after_break = False

    def __init__(self, settings: PushSettings, line: Callable[[SiemEvent], bytes]) -> None:
        self._url = settings.address
        self._line = line
        self._tls = tls_of(settings.tls_ca) if settings.address.startswith("https:") else False
        self._kind = "application/x-ndjson" if settings.format == "ocsf" else "text/plain; charset=utf-8"
        self._token_file = settings.token_file
        self._timeout = aiohttp.ClientTimeout(total=settings.deadline_seconds)
        self._client: aiohttp.ClientSession | None = None

    async def send(self, events: Sequence[SiemEvent]) -> None:
        body = b"".join(self._line(event) + b"\n" for event in events)
        if self._client is None:
            self._client = aiohttp.ClientSession(timeout=self._timeout)
        try:
            async with self._client.post(
                self._url,
                data=body,
                headers=headers_of(self._kind, self._token_file),
                ssl=self._tls,
                allow_redirects=False,
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise SinkError(f"the webhook answered {answer.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SinkError(f"the webhook cannot be reached: {cause_of(error)}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


def open_sink(settings: PushSettings, *, host_name: str) -> Sink:
    """The sink of one `[push.NAME]` table; what it says was checked when it was read."""
    line = FORMATS[settings.format]
    if settings.kind == "file":
        assert settings.path is not None
        return FileSink(settings.path, line)
    if settings.kind == "syslog":
        return SyslogSink(settings, line, host_name=host_name)
    return WebhookSink(settings, line)


def fault_in(settings: PushSettings) -> str:
    """What is wrong with a `[push.NAME]` table, or nothing."""
    if settings.format not in FORMATS:
        return f"format is one of {', '.join(FORMATS)}"
    if settings.kind == "file":
        return "" if settings.path is not None else "a file needs `path`"
    if settings.kind == "syslog":
        host, _, port = settings.address.rpartition(":")
        return "" if host and port.isdigit() and 0 < int(port) < 65536 else "address is HOST:PORT of a server with TLS"
    if settings.kind == "webhook":
        return fault_in_url(settings.address)
    return "kind is one of file, syslog, webhook"


def fault_in_url(url: str, *, plain: bool = False) -> str:
    """What is wrong with a web server's address, or nothing: https, or http on this machine.

    `plain`: http is good enough anywhere, because what is answered is signed.
    """
    parts = urlsplit(url)
    if parts.scheme == "http" and (plain or parts.hostname in {"127.0.0.1", "localhost", "::1"}) and parts.hostname:
        return ""
    if parts.scheme == "https" and parts.hostname:
        return ""
    return "address is an http or https URL" if plain else "address is an https URL"


def _append(path: Path, raw: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    before = os.fstat(descriptor).st_size
    try:
        view = memoryview(raw)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, before)  # half a batch would be read twice
        raise
    finally:
        os.close(descriptor)


def headers_of(kind: str, token_file: Path | None) -> dict[str, str]:
    """The headers of a POST: what the body is, and the token, read anew each time. Raises OSError, ContentError."""
    headers = {"Content-Type": kind}
    if token_file is not None:
        token = read_bounded(token_file, MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
        headers["Authorization"] = f"Bearer {token}"
    return headers


def tls_of(ca_file: Path | None) -> ssl.SSLContext:
    """How a server's certificate is checked. Raises ContentError."""
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ContentError(f"{ca_file} holds no usable TLS certificate") from error


def cause_of(error: BaseException) -> str:
    """Why a connection failed, in the system's words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

"""One JSON document to one web address, and the status that came back. No redirects, no proxy."""

import asyncio
import http.client
import ipaddress
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from remote_assist.errors import UnreachableError, UsageError


async def post_json(
    url: str, raw: bytes, *, timeout_seconds: float, bearer: str = "", tls_ca_file: Path | None = None
) -> int:
    """POST `raw`; answers the HTTP status. `tls_ca_file`: certificates to trust instead of the system's.

    Raises UsageError for an address that is neither https nor this machine's own, UnreachableError when nobody answers.
    """
    check_address(url)
    try:
        return await asyncio.to_thread(_post, url, raw, timeout_seconds, bearer, tls_ca_file)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UnreachableError(f"{urlsplit(url).hostname} cannot be told: {error}") from error


def check_address(url: str) -> None:
    """Raise UsageError unless what is said to `url` stays between it and this machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.scheme not in {"http", "https"}:
        raise UsageError(f"'{url[:80]}' is not an address of the form https://HOST/PATH")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise UsageError("alarms go to https addresses only, or to this machine's own", advice="Use https://.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(url: str, raw: bytes, timeout_seconds: float, bearer: str, tls_ca_file: Path | None) -> int:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=tls_ca_file)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout_seconds, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    authorization = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        path = parts.path or "/"
        connection.request(
            "POST",
            f"{path}?{parts.query}" if parts.query else path,
            body=raw,
            headers={"Content-Type": "application/json", "Connection": "close", **authorization},
        )
        return connection.getresponse().status
    finally:
        connection.close()

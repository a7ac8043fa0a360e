"""Which proxy a connection to the relay goes through: the one that was named, else the environment's, else none.

HTTP CONNECT and SOCKS; NO_PROXY is honoured; a `socks5h:` proxy looks the relay's name up itself. What is on this
machine is reached directly unless a proxy was named.
"""

import ipaddress
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from websockets.exceptions import InvalidProxy
from websockets.proxy import get_proxy, parse_proxy
from websockets.uri import parse_uri

from remote_assist.errors import ContentError, UsageError

_EXAMPLE = "It looks like http://proxy.example.com:3128 or socks5h://127.0.0.1:1080."


def check_proxy(url: str) -> str:
    """`url` as it came, if it names a proxy. Raises UsageError."""
    try:
        proxy = parse_proxy(url)
        named_port = urlsplit(url).port
    except (InvalidProxy, ValueError) as error:
        raise UsageError("--proxy is not the URL of a proxy", advice=_EXAMPLE) from error
    if named_port is None and proxy.scheme not in {"http", "https"}:
        raise UsageError("the proxy's URL names no port", advice=_EXAMPLE)
    return url


def proxy_for(relay_url: str, named: str = "") -> str | None:
    """The proxy's URL for a relay (any scheme), or None. `named` is what the user asked for; it holds everywhere."""
    if named:
        return named
    if is_loopback(urlsplit(relay_url).hostname or ""):
        return None
    return get_proxy(parse_uri(f"ws{relay_url.removeprefix('http')}" if relay_url.startswith("http") else relay_url))


def proxy_context(ca_file: Path | None) -> ssl.SSLContext:
    """How a proxy that is reached over TLS is checked: by the system's store, and by `ca_file` beside it.

    Raises ContentError for a file that holds no certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_file is not None:
            context.load_verify_locations(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ContentError(f"{ca_file} holds no certificates that can be used: {error}") from error
    return context


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

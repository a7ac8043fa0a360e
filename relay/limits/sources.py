"""Whose request it is: the address limits and penalties count.

Rule: only a proxy named in `trusted_proxies` may speak for others, and only the last address in its
`X-Forwarded-For` counts: that one the proxy itself saw, all before it anybody could have written.
"""

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web

from remote_assist.errors import ContentError

KEY = web.RequestKey("source", str)
"""Where a request carries its source."""


class Sources:
    """Tells the source of requests that came directly or through trusted proxies (addresses or networks)."""

    def __init__(self, trusted: Collection[str]) -> None:
        self._trusted = [_network(one) for one in trusted]

    def trusts(self, address: str) -> bool:
        """Whether this peer may say for whom it asks."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(parsed, "ipv4_mapped", None)
        return any((mapped or parsed) in network for network in self._trusted)

    def of(self, request: web.Request) -> str:
        """The address that asks."""
        peer = request.remote or ""
        if not self.trusts(peer):
            return peer
        said = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2].strip()
        try:
            return str(ip_address(said))
        except ValueError:
            return peer


def address_of(request: web.Request) -> str:
    """The source the router found for this request."""
    return request.get(KEY) or request.remote or ""


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ContentError(f"trusted_proxies: '{text[:64]}' is no address or network", advice=str(error)) from error

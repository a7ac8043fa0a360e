"""Which addresses may be reached from the customer's machine. Pure; names are resolved elsewhere.

Rule: an address that only means something on or next to the machine itself (loopback, link-local, a cloud's metadata
service) is refused unless the customer saw and granted exactly that: the address as such, or `localhost`. So a name
that somebody lets point there, now or later, opens nothing.
"""

import ipaddress
from collections.abc import Iterable

METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"))
)
"""Where clouds serve credentials to the machine itself: EC2/Azure/GCE, ECS, Alibaba, EC2 and GCE over IPv6."""

LOCAL_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback"})

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(text: str) -> Address:
    """The address `text` says, an IPv4 one inside IPv6 taken out of it. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or _nat64(address) or address
    return address


def why_not(host: str, address: str) -> str:
    """Why `address` may not be reached under the granted name `host`; empty when it may. Raises ValueError."""
    found = plain(address)
    if _named(host, found):
        return ""
    if found in METADATA:
        return "it is a cloud's metadata service"
    if found.is_loopback or found.is_unspecified:
        return "it is this computer itself"
    if found.is_link_local:
        return "it is a link-local address"
    if found.is_multicast or found == ipaddress.ip_address("255.255.255.255"):
        return "it is no address of one machine"
    return ""


def reachable(host: str, addresses: Iterable[str]) -> tuple[list[str], str]:
    """(those that may be reached, in their order; why one of the others may not)."""
    kept, refused = [], ""
    for address in addresses:
        fault = why_not(host, address)
        if fault:
            refused = f"{address}: {fault}"
        else:
            kept.append(address)
    return kept, refused


def _named(host: str, address: Address) -> bool:
    if host in LOCAL_NAMES:
        return address.is_loopback
    try:
        return plain(host) == address
    except ValueError:
        return False


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address behind the well-known prefix 64:ff9b::/96 (RFC 6052)."""
    if address in ipaddress.ip_network("64:ff9b::/96"):
        return ipaddress.IPv4Address(address.packed[-4:])
    return None

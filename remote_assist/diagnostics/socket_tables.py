"""Listening sockets as `ss` and the tables of /proc/net tell of them: text in, sockets out. Pure."""

import ipaddress
import re
from dataclasses import dataclass

_LISTEN, _UNCONNECTED = "0A", "07"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket; `pid` 0 when its owner cannot be seen."""

    protocol: str
    address: str
    port: int
    pid: int = 0
    process: str = ""
    inode: str = ""


def parse_ss(text: str) -> list[Listener]:
    """`ss -H -tulpn`."""
    found = []
    for line in text.splitlines():
        parts = line.split(None, 6)
        if len(parts) < 6 or parts[0] not in {"tcp", "udp"}:
            continue
        address, _, port = parts[4].rpartition(":")
        address = address.strip("[]").partition("%")[0]
        if not port.isdigit():
            continue
        owner = re.search(r'\("((?:[^"\\]|\\.)*)",pid=(\d+)', parts[6] if len(parts) > 6 else "")
        found.append(
            Listener(
                parts[0],
                "0.0.0.0" if address == "*" else address,  # noqa: S104  # a fact, not a bind
                int(port),
                int(owner[2]) if owner else 0,
                owner[1] if owner else "",
            )
        )
    return _distinct(found)


def parse_proc_net(text: str) -> list[Listener]:
    """/proc/net/{tcp,tcp6,udp,udp6} one after the other (proc(5)): addresses are hexadecimal words of the host."""
    found = []
    protocol = "tcp"
    tables = 0
    for line in text.splitlines():
        parts = line.split()
        if parts and parts[0] == "sl":
            tables += 1
            protocol = "udp" if "ref" in parts and "drops" in parts else "tcp"
            continue
        if len(parts) < 10 or parts[3] not in {_LISTEN, _UNCONNECTED}:
            continue
        if parts[3] == _UNCONNECTED and protocol == "tcp":
            continue
        address, _, port = parts[1].partition(":")
        found.append(Listener(protocol, _address(address), int(port, 16), inode=parts[9]))
    return _distinct(found)


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    words = [raw[start : start + 4][::-1] for start in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))


def _distinct(found: list[Listener]) -> list[Listener]:
    return list({(each.protocol, each.address, each.port): each for each in found}.values())

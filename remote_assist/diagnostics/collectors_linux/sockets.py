"""Listening sockets and who owns them: `ss` where there is one, else /proc/net and the links in /proc/PID/fd."""

import ipaddress
import re
from dataclasses import dataclass

from remote_assist.diagnostics.look import Gathered, Look, Unavailable
from remote_assist.diagnostics.services import service_backend

_NET_FILES = tuple(f"/proc/self/net/{name}" for name in ("tcp", "tcp6", "udp", "udp6"))
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


async def listening_ports(look: Look) -> Gathered:
    """Every listening port with its process and, where one owns it, its service."""
    sockets = await look.once("listeners", listeners)
    backend = await service_backend(look)
    rows: list[dict[str, object]] = []
    for each in sockets:
        unit = await backend.unit_of(each.pid) if backend and each.pid else ""
        rows.append(
            {
                "protocol": each.protocol,
                "address": each.address,
                "port": each.port,
                "pid": each.pid,
                "process": each.process,
                "unit": unit,
            }
        )
    return Gathered(rows)


async def listeners(look: Look) -> list[Listener]:
    """Shared by listening_ports, certificates and the verify of fixes."""
    try:
        return parse_ss(await look.run("ss", "-H", "-tulpn"))
    except Unavailable:
        text = await look.linked(*_NET_FILES, max_bytes=4 << 20)
        return _with_owners(parse_proc_net(text), await _socket_owners(look), await _names(look))


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


async def _socket_owners(look: Look) -> dict[str, int]:
    """Socket inode → process id, from the links in /proc/PID/fd that we may see."""
    try:
        argv = ("find", "/proc", "-mindepth", "3", "-maxdepth", "3", "-path", "/proc/[0-9]*/fd/*")
        done = await look.completed(*argv, "-lname", "socket:*", "-printf", "%p %l\n", max_bytes=4 << 20)
    except Unavailable:
        return {}
    found = re.findall(r"(?m)^/proc/(\d+)/fd/\d+ socket:\[(\d+)\]$", done.stdout.decode("utf-8", "replace"))
    return {inode: int(pid) for pid, inode in found}


async def _names(look: Look) -> dict[int, str]:
    try:
        text = await look.run("ps", "-eo", "pid=,comm=")
    except Unavailable:
        return {}
    return {int(pid): name.strip() for pid, name in re.findall(r"(?m)^\s*(\d+)\s+(.+)$", text)}


def _with_owners(found: list[Listener], owners: dict[str, int], names: dict[int, str]) -> list[Listener]:
    result = []
    for each in found:
        pid = owners.get(each.inode, 0)
        result.append(Listener(each.protocol, each.address, each.port, pid, names.get(pid, ""), each.inode))
    return result

"""Listening sockets and who owns them: `ss` where there is one, else /proc/net and the links in /proc/PID/fd."""

import re

from remote_assist.diagnostics.look import Gathered, Look, Unavailable
from remote_assist.diagnostics.services.chosen import service_backend
from remote_assist.diagnostics.socket_tables import Listener, parse_proc_net, parse_ss

_NET_FILES = tuple(f"/proc/self/net/{name}" for name in ("tcp", "tcp6", "udp", "udp6"))


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

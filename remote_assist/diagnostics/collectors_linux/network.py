"""Interfaces, routes and name resolution: `ip -j` where there is one, else /proc and /sys."""

import ipaddress
import re

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

Row = dict[str, object]


async def interfaces(look: Look) -> Gathered:
    """Every interface with its addresses, errors and drops."""
    try:
        return Gathered(parse_ip_address(await look.run("ip", "-j", "-s", "addr")))
    except Unavailable:
        return Gathered(parse_net_dev(await look.linked("/proc/self/net/dev")))


def parse_ip_address(text: str) -> list[Row]:
    """`ip -j -s addr`."""
    rows: list[Row] = []
    for each in msgspec.json.decode(text.encode(), type=list[dict[str, object]]):
        stats = each.get("stats64") or each.get("stats") or {}
        received, sent = (_table(stats, side) for side in ("rx", "tx"))
        addresses = each.get("addr_info")
        rows.append(
            {
                "name": str(each.get("ifname")),
                "state": _state(each),
                "mtu": _number(each, "mtu"),
                "mac": str(each.get("address") or "") if each.get("link_type") == "ether" else "",
                "loopback": each.get("link_type") == "loopback",
                "addresses": [
                    f"{info.get('local')}/{info.get('prefixlen')}"
                    for info in (addresses if isinstance(addresses, list) else [])
                ],
                "rx_bytes": _number(received, "bytes"),
                "tx_bytes": _number(sent, "bytes"),
                "errors": _number(received, "errors") + _number(sent, "errors"),
                "dropped": _number(received, "dropped") + _number(sent, "dropped"),
            }
        )
    return rows


def parse_net_dev(text: str) -> list[Row]:
    """/proc/net/dev: counters only."""
    rows: list[Row] = []
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        counters = [int(each) for each in rest.split()]
        if len(counters) >= 12:
            rows.append(
                {
                    "name": name.strip(),
                    "loopback": name.strip() == "lo",
                    "rx_bytes": counters[0],
                    "tx_bytes": counters[8],
                    "errors": counters[2] + counters[10],
                    "dropped": counters[3] + counters[11],
                }
            )
    return rows


async def routes(look: Look) -> Gathered:
    """The routing table, IPv4 and the IPv6 default."""
    try:
        rows = parse_ip_route(await look.run("ip", "-j", "route"))
        return Gathered(rows + [row for row in await _default_v6(look) if row["default"]])
    except Unavailable:
        return Gathered(parse_proc_route(await look.linked("/proc/self/net/route")))


async def _default_v6(look: Look) -> list[Row]:
    try:
        return parse_ip_route(await look.run("ip", "-j", "-6", "route"))
    except (Unavailable, msgspec.DecodeError):
        return []


def parse_ip_route(text: str) -> list[Row]:
    """`ip -j route`."""
    return [
        {
            "destination": str(each.get("dst")),
            "gateway": str(each.get("gateway") or ""),
            "interface": str(each.get("dev") or ""),
            "metric": _number(each, "metric"),
            "default": each.get("dst") == "default",
        }
        for each in msgspec.json.decode(text.encode() or b"[]", type=list[dict[str, object]])
    ]


def parse_proc_route(text: str) -> list[Row]:
    """/proc/net/route: little-endian hexadecimal addresses."""
    rows: list[Row] = []
    for line in text.splitlines()[1:]:
        parts = line.split()
        if len(parts) < 8:
            continue
        destination, gateway, mask = (ipaddress.IPv4Address(bytes.fromhex(parts[n])[::-1]) for n in (1, 2, 7))
        default = int(destination) == 0 and int(mask) == 0
        prefix = bin(int(mask)).count("1")
        rows.append(
            {
                "destination": "default" if default else f"{destination}/{prefix}",
                "gateway": str(gateway) if int(gateway) else "",
                "interface": parts[0],
                "metric": int(parts[6]),
                "default": default,
            }
        )
    return rows


async def dns(look: Look) -> Gathered:
    """Name servers and search domains of /etc/resolv.conf, and whether the file is there at all."""
    try:
        text = await look.linked("/etc/resolv.conf")
    except Unavailable:
        return Gathered({"present": False, "nameservers": [], "search": [], "nameserver_count": 0, "stub": False})
    return Gathered(parse_resolv_conf(text))


def parse_resolv_conf(text: str) -> Row:
    """resolv.conf(5)."""
    servers = re.findall(r"(?m)^\s*nameserver\s+(\S+)", text)
    search = re.findall(r"(?m)^\s*(?:search|domain)\s+(.+)$", text)
    return {
        "present": True,
        "nameservers": servers,
        "nameserver_count": len(servers),
        "search": search[-1].split() if search else [],
        "stub": any(each in {"127.0.0.53", "127.0.0.54"} for each in servers),
    }


def _table(value: object, key: str) -> dict[str, object]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _number(table: dict[str, object], key: str) -> int:
    value = table.get(key)
    return value if isinstance(value, int) else 0


def _state(link: dict[str, object]) -> str:
    state = str(link.get("operstate") or "").lower()
    flags = link.get("flags")
    return "up" if state == "unknown" and isinstance(flags, list) and "UP" in flags else state

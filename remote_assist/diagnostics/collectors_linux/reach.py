"""The way out: gateway, lookup, proxy, firewall, connections, links. Never a key, never a peer's address."""

import re
from urllib.parse import urlsplit

import msgspec

from remote_assist.diagnostics.collectors_linux.network import parse_ip_route, parse_proc_route
from remote_assist.diagnostics.look import Gathered, Look, Unavailable

LOOKUP_NAME = "example.com"
"""Reserved by RFC 2606: a lookup that tells nobody anything."""

LOOKUP_SECONDS = 6.0

PROXY_FILES = ("/etc/environment", "/etc/apt/apt.conf", "/etc/profile.d/proxy.sh")
Row = dict[str, object]


async def reachability(look: Look) -> Gathered:
    """Whether the gateway answers on the local network, and whether a name can be looked up."""
    facts: Row = {"lookup_name": LOOKUP_NAME}
    try:
        routes = parse_ip_route(await look.run("ip", "-j", "route"))
    except Unavailable:
        routes = parse_proc_route(await look.linked("/proc/self/net/route"))
    gateway = next((str(row["gateway"]) for row in routes if row["default"] and row["gateway"]), "")
    facts["gateway"] = gateway
    try:
        facts["gateway_state"] = neighbour_state(await look.run("ip", "-j", "neigh"), gateway)
    except (Unavailable, msgspec.DecodeError):
        facts["gateway_state"] = "unknown"
    facts["lookup_works"], facts["lookup_seconds"] = await _lookup(look)
    return Gathered(facts)


async def _lookup(look: Look) -> tuple[bool, float]:
    """Whether the test name is found, and how long it took; no answer in time is an answer too."""
    if not await look.exists("/usr/bin/getent"):
        raise Unavailable("there is no program getent here")
    try:
        done = await look.completed("getent", "ahosts", LOOKUP_NAME, timeout_seconds=LOOKUP_SECONDS)
    except Unavailable:
        return False, LOOKUP_SECONDS
    return done.status == 0, round(done.seconds, 3)


def neighbour_state(text: str, address: str) -> str:
    """`ip -j neigh`: reachable, stale, failed …; unknown when it was never asked for."""
    for each in msgspec.json.decode(text.encode(), type=list[dict[str, object]]):
        state = each.get("state")
        if each.get("dst") == address and isinstance(state, list) and state:
            return str(state[0]).lower()
    return "unknown"


async def proxy(look: Look) -> Gathered:
    """Proxies the system's own files name: scheme, host and port; a password only as the word that there is one."""
    rows: list[Row] = []
    files = [*PROXY_FILES, *[each.path for each in await look.folder("/etc/apt/apt.conf.d", max_entries=100)]]
    for path in files:
        rows += [{**row, "source": path} for row in parse_proxy(await look.text_or(path))]
    return Gathered(rows)


def parse_proxy(text: str) -> list[Row]:
    """`https_proxy=URL` and `Acquire::http::Proxy "URL"`."""
    rows: list[Row] = []
    pattern = r"""(?im)^\s*(?:export\s+)?(?:(https?|ftp|all)_proxy\s*=|Acquire::(https?)::Proxy)\s*["']?([^"'\s;]+)"""
    for one, other, address in re.findall(pattern, text):
        try:
            parts = urlsplit(address if "//" in address else f"//{address}")
            row: Row = {"kind": (one or other).lower(), "host": parts.hostname or "", "port": parts.port or 0}
        except ValueError:
            continue
        rows.append({**row, "has_credentials": bool(parts.username or parts.password)})
    return rows


async def connections(look: Look) -> Gathered:
    """TCP connections by state: counts only."""
    try:
        words = [
            line.split()[0] for line in (await look.run("ss", "-Hta", max_bytes=8 << 20)).splitlines() if line.split()
        ]
    except Unavailable:
        numbers = re.findall(
            r"(?m)^\s*\d+: \S+ \S+ (\w\w) ", await look.linked("/proc/self/net/tcp", "/proc/self/net/tcp6")
        )
        names = {
            "01": "ESTAB",
            "02": "SYN-SENT",
            "03": "SYN-RECV",
            "06": "TIME-WAIT",
            "08": "CLOSE-WAIT",
            "0A": "LISTEN",
        }
        words = [names.get(number, "OTHER") for number in numbers]
    wanted = ("ESTAB", "SYN-SENT", "SYN-RECV", "TIME-WAIT", "CLOSE-WAIT", "LISTEN")
    return Gathered({"total": len(words), **{name.lower().replace("-", "_"): words.count(name) for name in wanted}})


async def firewall(look: Look) -> Gathered:
    """Which firewall there is and how many rules it has; the rules stay here."""
    try:
        found = msgspec.json.decode(
            (await look.run("nft", "-j", "list", "ruleset")).encode(), type=dict[str, list[Row]]
        )
        return Gathered(parse_nft(found.get("nftables", [])))
    except (Unavailable, msgspec.DecodeError):
        pass
    text = await look.run("iptables", "-S")
    policies = re.findall(r"(?m)^-P INPUT (\w+)", text)
    return Gathered(
        {
            "tool": "iptables",
            "rules": len(re.findall(r"(?m)^-A ", text)),
            "input_policy": policies[0].lower() if policies else "",
        }
    )


def parse_nft(entries: list[Row]) -> Row:
    """`nft -j list ruleset`: number of rules, and what happens to incoming packets no rule names."""
    policy = ""
    for entry in entries:
        chain = entry.get("chain")
        if isinstance(chain, dict) and chain.get("hook") == "input":
            policy = str(chain.get("policy") or "accept")
    return {"tool": "nft", "rules": sum("rule" in entry for entry in entries), "input_policy": policy}


async def links(look: Look) -> Gathered:
    """Speed and duplex of cables, signal of radios; tunnels by kind. No network name, no key."""
    rows: list[Row] = []
    wireless = await look.text_or("/proc/net/wireless") or await look.text_or("/proc/self/net/wireless")
    for entry in await look.folder("/sys/class/net", max_entries=200):
        name = entry.path.rpartition("/")[2]
        if name != "lo":
            rows.append(await _link(look, name, wireless))
    return Gathered(rows)


async def _link(look: Look, name: str, wireless: str) -> Row:
    async def value(file: str) -> str:
        try:
            return (await look.linked(f"/sys/class/net/{name}/{file}")).strip()
        except Unavailable:
            return ""

    row: Row = {"name": name, "carrier": await value("carrier") == "1", "duplex": await value("duplex")}
    speed = await value("speed")
    if speed.lstrip("-").isdigit() and int(speed) > 0:
        row["speed_mbit"] = int(speed)
    signal = re.search(rf"(?m)^\s*{re.escape(name)}:\s+\d+\s+([\d.]+)\s+(-?[\d.]+)", wireless)
    if signal:
        row["signal_dbm"] = float(signal[2])
    row["kind"] = "wireless" if signal else tunnel_kind(name)
    return row


def tunnel_kind(name: str) -> str:
    """By the names that tunnel programs give."""
    return next((kind for start, kind in (("wg", "wireguard"), ("tun", "tunnel"), ("tap", "tunnel"), ("ppp", "ppp"),
                                          ("ipsec", "ipsec")) if name.startswith(start)), "cable")  # fmt: skip

"""Interfaces, routes, names, proxies, ports, firewall, radios and tunnels, certificates, the clock."""

import re
from collections import Counter

from cryptography import x509

from remote_assist.diagnostics.collectors_linux.tls import describe
from remote_assist.diagnostics.collectors_macos.reading import (
    Row,
    below,
    number,
    pairs,
    part_of,
    present,
    profile,
    text_of,
)
from remote_assist.diagnostics.look import Gathered, Look, Unavailable

FIREWALL = "/usr/libexec/ApplicationFirewall/socketfilterfw"
KEYCHAIN = "/Library/Keychains/System.keychain"
TEST_NAME = "example.com"
STATES = ("estab", "syn_sent", "syn_recv", "time_wait", "close_wait", "listen")
_WORDS = {"ESTABLISHED": "estab", "SYN_SENT": "syn_sent", "SYN_RCVD": "syn_recv"}


async def interfaces(look: Look) -> Gathered:
    """Network interfaces with their addresses."""
    blocks = re.split(r"(?m)^(?=\S)", await look.run("ifconfig", "-a"))
    return Gathered([row for block in blocks if (row := _interface(block))])


def _interface(block: str) -> Row:
    head = re.match(r"(\S+): flags=\w+<([^>]*)> mtu (\d+)", block)
    if head is None:
        return {}
    addresses = re.findall(r"(?m)^\s+inet6? ([0-9a-fA-F.:]+)", block)
    mac = re.search(r"(?m)^\s+ether (\S+)", block)
    active = "status: active" in block or ("UP" in head[2].split(",") and "status:" not in block)
    return present(
        name=head[1],
        state="up" if active else "down",
        mtu=int(head[3]),
        mac=mac[1] if mac else "",
        loopback="LOOPBACK" in head[2].split(","),
        addresses=addresses,
    )


async def routes(look: Look) -> Gathered:
    """Routes for IPv4."""
    rows = []
    for line in (await look.run("netstat", "-rn", "-f", "inet")).splitlines():
        parts = line.split()
        if len(parts) >= 4 and (parts[0] == "default" or parts[0][0].isdigit()):
            row = {
                "destination": parts[0],
                "gateway": parts[1],
                "interface": parts[3],
                "default": parts[0] == "default",
            }
            rows.append(row)
    return Gathered(rows)


async def dns(look: Look) -> Gathered:
    """Name servers."""
    text = await look.run("scutil", "--dns")
    servers = list(dict.fromkeys(re.findall(r"nameserver\[\d+\] : (\S+)", text)))
    search = list(dict.fromkeys(re.findall(r"search domain\[\d+\] : (\S+)", text)))
    return Gathered({"present": True, "nameservers": servers, "nameserver_count": len(servers), "search": search})


async def reachability(look: Look) -> Gathered:
    """The gateway and a test lookup."""
    gateway = pairs((await look.completed("route", "-n", "get", "default")).stdout.decode("utf-8", "replace")).get(
        "gateway", ""
    )
    state = "none"
    if gateway:
        done = await look.completed("ping", "-c", "1", "-t", "2", gateway)
        state = "reachable" if done.status == 0 else "silent"
    done = await look.completed("dscacheutil", "-q", "host", "-a", "name", TEST_NAME, timeout_seconds=8.0)
    works = b"ip_address" in done.stdout or b"ipv6_address" in done.stdout
    return Gathered(
        present(
            gateway=gateway,
            gateway_state=state,
            lookup_name=TEST_NAME,
            lookup_works=works,
            lookup_seconds=round(done.seconds, 3),
        )
    )


async def proxy(look: Look) -> Gathered:
    """Proxies of the system settings; passwords lie in the keychain and are not asked for."""
    values = pairs(await look.run("scutil", "--proxy"), " : ")
    rows: list[Row] = []
    for kind in ("HTTP", "HTTPS", "SOCKS"):
        if values.get(f"{kind}Enable") == "1" and values.get(f"{kind}Proxy"):
            port = int(number(values.get(f"{kind}Port", "0")))
            rows.append({"kind": kind.lower(), "host": values[f"{kind}Proxy"], "port": port, "source": "scutil"})
    if values.get("ProxyAutoConfigEnable") == "1":
        rows.append(present(kind="pac", host=values.get("ProxyAutoConfigURLString", ""), port=0, source="scutil"))
    return Gathered(rows)


async def listening_ports(look: Look) -> Gathered:
    """Listening TCP ports and their owners."""
    text = await look.run("lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-F", "pcn", timeout_seconds=8.0)
    rows: list[Row] = []
    pid, name = 0, ""
    for line in text.splitlines():
        kind, value = line[:1], line[1:]
        if kind == "p":
            pid = int(number(value))
        elif kind == "c":
            name = value
        elif kind == "n" and ":" in value:
            address, _, port = value.rpartition(":")
            if port.isdigit():
                row = {
                    "protocol": "tcp",
                    "address": address,
                    "port": int(port),
                    "pid": pid,
                    "process": name,
                    "unit": "",
                }
                rows += [row] if row not in rows else []
    return Gathered(rows)


async def connections(look: Look) -> Gathered:
    """TCP connections by state."""
    words = [
        line.split()[-1]
        for line in (await look.run("netstat", "-an", "-p", "tcp")).splitlines()
        if line.startswith("tcp")
    ]
    counts = Counter(_WORDS.get(word, word.lower()) for word in words)
    return Gathered({"total": len(words), **{state: counts[state] for state in STATES}})


async def firewall(look: Look) -> Gathered:
    """The application firewall."""
    said = await look.run(FIREWALL, "--getglobalstate")
    enabled = "enabled" in said
    return Gathered(
        {"tool": "socketfilterfw" if enabled else "none", "rules": 0, "input_policy": "drop" if enabled else "accept"}
    )


async def links(look: Look) -> Gathered:
    """Wi-Fi with its signal, and tunnels. Names of networks are left out."""
    rows: list[Row] = []
    found = await profile(look, "SPAirPortDataType")
    for row in below(found["SPAirPortDataType"]):
        listed = row.get("spairport_airport_interfaces")
        for each in listed if isinstance(listed, list) else []:
            if isinstance(each, dict):
                rows.append(_radio(each))
    for state, name in re.findall(
        r"(?m)^\* \((\w+)\).*\"([^\"]+)\"",
        (await look.completed("scutil", "--nc", "list")).stdout.decode("utf-8", "replace"),
    ):
        rows.append({"name": name, "kind": "tunnel", "carrier": state == "Connected"})
    return Gathered(rows)


def _radio(each: Row) -> Row:
    now = part_of(each, "spairport_current_network_information")
    signal = text_of(now, "spairport_signal_noise")
    rate = now.get("spairport_network_rate")
    return present(
        name=text_of(each, "_name"),
        kind="wifi",
        carrier="connected" in text_of(each, "spairport_status_information"),
        signal_dbm=number(signal) if signal else None,
        speed_mbit=rate if isinstance(rate, int) else None,
    )


async def certificates(look: Look) -> Gathered:
    """Certificates of the system keychain. Keys are never asked for."""
    text = await look.run("security", "find-certificate", "-a", "-p", KEYCHAIN, max_bytes=2 << 20)
    rows: list[Row] = []
    for pem in re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)[:100]:
        try:
            leaf = x509.load_pem_x509_certificate(pem.encode())
        except ValueError:
            continue
        rows.append({**describe(leaf, look.now), "path": KEYCHAIN, "source": "keychain", "in_use": False})
    return Gathered(rows)


async def time_sync(look: Look) -> Gathered:
    """The clock, compared with Apple's."""
    facts: Row = {"utc": look.now.strftime("%Y-%m-%dT%H:%M:%SZ"), "daemon": "timed", "known": False}
    zone = (await look.completed("readlink", "/etc/localtime")).stdout.decode("utf-8", "replace").strip()
    facts["timezone"] = zone.partition("zoneinfo/")[2] or "UTC"
    try:
        found = re.search(r"(?m)^([+-]\d+\.\d+) \+/-", await look.run("sntp", "-t", "3", "time.apple.com"))
    except Unavailable:
        found = None
    if found:
        offset = float(found[1])
        facts |= {"known": True, "offset_seconds": offset, "synchronised": abs(offset) < 1.0}
    return Gathered(facts)

"""The machine itself: maker, disks' health, power, devices, printers, encryption."""

import re

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

Row = dict[str, object]


async def hardware(look: Look) -> Gathered:
    """Maker, model, firmware (SMBIOS by way of /sys); the serial number where it may be read."""
    names = {
        "vendor": "sys_vendor",
        "model": "product_name",
        "serial": "product_serial",
        "bios_version": "bios_version",
        "bios_date": "bios_date",
    }
    facts: Row = {key: (await look.text_or(f"/sys/class/dmi/id/{file}")).strip() for key, file in names.items()}
    facts["model"] = facts["model"] or (await look.text_or("/proc/device-tree/model")).strip("\0 \n")
    if not any(facts.values()):
        raise Unavailable("this machine has no SMBIOS and no device tree")
    return Gathered(facts)


async def smart(look: Look) -> Gathered:
    """What the disks say of their own health."""
    listed = msgspec.json.decode((await look.run("smartctl", "-j", "--scan")).encode(), type=dict[str, object])
    devices = listed.get("devices")
    rows: list[Row] = []
    for each in (devices if isinstance(devices, list) else [])[:32]:
        name = str(each.get("name")) if isinstance(each, dict) else ""
        if re.fullmatch(r"/dev/[\w/-]+", name):
            done = await look.completed("smartctl", "-j", "-H", "-A", name, timeout_seconds=8)
            rows.append({"name": name, **parse_smart(done.stdout.decode("utf-8", "replace"))})
    return Gathered(rows)


def parse_smart(text: str) -> Row:
    """`smartctl -j -H -A`: health, wear, bad sectors, temperature (°C); what a disk does not say is absent."""
    found = msgspec.json.decode(text.encode(), type=dict[str, object])
    row: Row = {}
    status = found.get("smart_status")
    if isinstance(status, dict) and isinstance(status.get("passed"), bool):
        row["healthy"] = status["passed"]
    attributes = found.get("ata_smart_attributes")
    table = attributes.get("table") if isinstance(attributes, dict) else None
    bad = 0
    for each in table if isinstance(table, list) else []:
        raw = each.get("raw")
        if each.get("id") in {5, 187, 197, 198} and isinstance(raw, dict):
            bad += int(str(raw.get("value") or 0))
    if table:
        row["bad_sectors"] = bad
    nvme = found.get("nvme_smart_health_information_log")
    if isinstance(nvme, dict):
        row["worn_pct"] = int(str(nvme.get("percentage_used") or 0))
        row["bad_sectors"] = int(str(nvme.get("media_errors") or 0))
    heat = found.get("temperature")
    if isinstance(heat, dict) and "current" in heat:
        row["celsius"] = int(str(heat["current"]))
    return row


async def power(look: Look) -> Gathered:
    """Batteries and temperatures."""
    rows: list[Row] = []
    for entry in await look.folder("/sys/class/power_supply", max_entries=20):
        uevent = await _linked(look, f"{entry.path}/uevent")
        rows += parse_power_supply(uevent)
    for entry in await look.folder("/sys/class/thermal", max_entries=40):
        raw = (await _linked(look, f"{entry.path}/temp")).strip()
        if raw.lstrip("-").isdigit():
            kind = (await _linked(look, f"{entry.path}/type")).strip()
            rows.append({"name": kind or "thermal", "kind": "temperature", "celsius": int(raw) / 1000})
    return Gathered(rows)


async def _linked(look: Look, path: str) -> str:
    try:
        return await look.linked(path)
    except Unavailable:
        return ""


def parse_power_supply(text: str) -> list[Row]:
    """A `uevent` of /sys/class/power_supply; `health_pct` is what is left of the capacity it was built with."""
    found = dict(re.findall(r"(?m)^POWER_SUPPLY_(\w+)=(.*)$", text))
    if not found.get("NAME"):
        return []
    row: Row = {"name": found["NAME"], "kind": found.get("TYPE", "").lower(), "state": found.get("STATUS", "").lower()}
    if found.get("CAPACITY", "").isdigit():
        row["charge_pct"] = int(found["CAPACITY"])
    for word in ("ENERGY", "CHARGE"):
        full, design = found.get(f"{word}_FULL", ""), found.get(f"{word}_FULL_DESIGN", "")
        if full.isdigit() and design.isdigit() and int(design):
            row["health_pct"] = round(100 * int(full) / int(design), 1)
    return [row]


async def printers(look: Look) -> Gathered:
    """Printers with state and waiting jobs; none where there is no print service."""
    if not await look.exists("/usr/bin/lpstat"):
        return Gathered([])
    states = await look.completed("lpstat", "-p")
    jobs = await look.completed("lpstat", "-o")
    return Gathered(parse_lpstat(states.stdout.decode("utf-8", "replace"), jobs.stdout.decode("utf-8", "replace")))


def parse_lpstat(states: str, jobs: str) -> list[Row]:
    """`lpstat -p` and `lpstat -o`."""
    waiting = [line.split()[0].rpartition("-")[0] for line in jobs.splitlines() if line.split()]
    found = re.findall(r"(?m)^printer (\S+) (?:is (idle)|now (printing)|(disabled))", states)
    return [
        {"name": name, "state": idle or printing or disabled, "jobs": waiting.count(name)}
        for name, idle, printing, disabled in found
    ]


async def devices(look: Look) -> Gathered:
    """Devices on PCI and USB, by name; serial numbers are not asked for."""
    rows: list[Row] = []
    said = ""
    for bus, argv in (("pci", ("lspci",)), ("usb", ("lsusb",))):
        try:
            rows += parse_devices(bus, await look.run(*argv))
        except Unavailable as error:
            said = error.message
    if not rows:
        raise Unavailable(said or "no device can be seen")
    return Gathered(rows)


def parse_devices(bus: str, text: str) -> list[Row]:
    """`lspci` and `lsusb`."""
    pattern = r"(?m)^\S+ ([^:]+): (.+)$" if bus == "pci" else r"(?m)^Bus \d+ Device \d+: ID (\S+) ?(.*)$"
    return [
        {"bus": bus, "kind": kind if bus == "pci" else "", "name": name or kind}
        for kind, name in re.findall(pattern, text)
    ]


async def encryption(look: Look) -> Gathered:
    """Whether disks are encrypted and the start is secured. Never a key."""
    text = await look.run("lsblk", "-J", "-o", "NAME,TYPE,MOUNTPOINT")
    facts: Row = {"encrypted_volumes": len(re.findall(r'"type":\s*"crypt"', text)), "secure_boot": "unknown"}
    try:
        said = (await look.run("mokutil", "--sb-state")).lower()
        facts["secure_boot"] = "on" if "enabled" in said else "off"
    except Unavailable:
        if not await look.exists("/sys/firmware/efi"):
            facts["secure_boot"] = "no-uefi"
    return Gathered(facts)

"""The machine itself: name, processors, memory, power, processes, services, people, starts."""

import plistlib
import re
from datetime import UTC, datetime, timedelta

from remote_assist.diagnostics.collectors_linux.activity import most_relevant
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

DAEMONS, AGENTS = "/Library/LaunchDaemons", "/Library/LaunchAgents"
MAX_PLISTS = 200
PAGE = re.compile(r"page size of (\d+) bytes")


async def host(look: Look) -> Gathered:
    """Name, system and kernel."""
    versions = pairs(await look.run("sw_vers"))
    kernel = (await look.run("uname", "-sr")).strip()
    booted = await _boot_time(look)
    return Gathered(
        present(
            hostname=(await look.run("hostname")).strip(),
            os="macos",
            os_name=versions.get("ProductName", "macOS"),
            os_version=versions.get("ProductVersion", ""),
            build=versions.get("BuildVersion", ""),
            kernel=kernel,
            architecture=(await look.run("uname", "-m")).strip(),
            uptime_seconds=round((look.now - booted).total_seconds()) if booted else None,
            booted=booted.strftime("%Y-%m-%dT%H:%M:%SZ") if booted else None,
            init="launchd",
        )
    )


async def _boot_time(look: Look) -> datetime | None:
    found = re.search(r"sec = (\d+)", await look.run("sysctl", "-n", "kern.boottime"))
    return datetime.fromtimestamp(int(found[1]), UTC) if found else None


async def cpu(look: Look) -> Gathered:
    """Processors and load."""
    lines = (await look.run("sysctl", "-n", "hw.logicalcpu", "machdep.cpu.brand_string", "vm.loadavg")).splitlines()
    if len(lines) != 3:
        raise Unavailable("sysctl: an unexpected answer")
    count = int(number(lines[0], 1))
    loads = [float(word) for word in re.findall(r"\d+\.\d+", lines[2])[:3]]
    rounded = round(loads[0] / max(count, 1), 2) if loads else None
    averages = dict(zip(("load_1m", "load_5m", "load_15m"), loads, strict=False))
    return Gathered(present(count=count, model=lines[1].strip(), load_per_cpu=rounded, **averages))


async def memory(look: Look) -> Gathered:
    """Memory and swap. Inactive, purgeable and speculative pages are there to be taken."""
    total = int(number(await look.run("sysctl", "-n", "hw.memsize")))
    swap = await look.run("sysctl", "-n", "vm.swapusage")
    pages = await look.run("vm_stat")
    size = int(match[1]) if (match := PAGE.search(pages)) else 4096
    counts = {key: int(number(value)) for key, value in pairs(pages).items()}
    free = sum(counts.get(f"Pages {kind}", 0) for kind in ("free", "inactive", "speculative", "purgeable")) * size
    sizes = {key: float(value) for key, value in re.findall(r"(total|used) = (\d+\.\d+)M", swap)}
    facts: Row = {"total_bytes": total, "available_bytes": min(free, total)}
    facts["available_pct"] = round(100 * min(free, total) / total, 1) if total else 0.0
    facts["swap_total_bytes"] = int(sizes.get("total", 0.0) * 1024**2)
    facts["swap_used_pct"] = round(100 * sizes.get("used", 0.0) / sizes["total"], 1) if sizes.get("total") else 0.0
    return Gathered(facts)


async def hardware(look: Look) -> Gathered:
    """Maker and model."""
    found = (await profile(look, "SPHardwareDataType"))["SPHardwareDataType"]
    row = found[0] if found else {}
    return Gathered(
        present(
            vendor="Apple",
            model=text_of(row, "machine_model", "machine_name"),
            serial=text_of(row, "serial_number"),
            bios_version=text_of(row, "boot_rom_version"),
        )
    )


async def virtualisation(look: Look) -> Gathered:
    """Whether this Mac is a guest."""
    guest = (await look.run("sysctl", "-n", "kern.hv_vmm_present")).strip() == "1"
    return Gathered({"kind": "vm" if guest else "none", "hypervisor": guest})


async def power(look: Look) -> Gathered:
    """Batteries."""
    found = (await profile(look, "SPPowerDataType"))["SPPowerDataType"]
    rows = []
    for row in found:
        health, charge = part_of(row, "sppower_battery_health_info"), part_of(row, "sppower_battery_charge_info")
        if health or charge:
            rows.append(
                present(
                    name=text_of(row, "_name") or "battery",
                    kind="battery",
                    state="charging" if charge.get("sppower_battery_is_charging") == "TRUE" else "discharging",
                    charge_pct=_whole(charge.get("sppower_battery_state_of_charge")),
                    health_pct=_share(health.get("sppower_battery_health_maximum_capacity")),
                )
            )
    return Gathered(rows)


def _whole(value: object) -> int | None:
    return int(number(str(value))) if value is not None else None


def _share(value: object) -> float | None:
    return number(str(value)) if value is not None else None


async def boots(look: Look) -> Gathered:
    """Starts and stops."""
    lines = re.findall(r"(?m)^(reboot|shutdown) .*?(\w{3} \w{3} +\d+ \d\d:\d\d)", await look.run("last", "-n", "50"))
    return Gathered([{"kind": kind, "time": time} for kind, time in lines])


async def logons(look: Look) -> Gathered:
    """Latest logins."""
    rows: list[Row] = []
    for line in (await look.run("last", "-n", "20")).splitlines():
        found = re.match(r"(\S+)\s+(\S+)\s+(\S*)\s+(\w{3} \w{3} +\d+ \d\d:\d\d)", line)
        if found and found[1] not in {"reboot", "shutdown", "wtmp"}:
            rows.append(present(name=found[1], terminal=found[2], origin=found[3], time=found[4]))
    return Gathered(rows)


async def users(look: Look) -> Gathered:
    """Accounts; system accounts begin with an underscore."""
    listed = await look.run("dscl", ".", "-list", "/Users", "UniqueID")
    here = {line.split()[0] for line in (await look.run("who")).splitlines() if line.split()}
    rows = []
    for name, uid in re.findall(r"(?m)^(\S+)\s+(-?\d+)$", listed):
        rows.append({"name": name, "uid": int(uid), "person": int(uid) >= 500, "logged_in": name in here})
    return Gathered(rows)


async def processes(look: Look) -> Gathered:
    """Processes by names only (-c), never their arguments."""
    text = await look.run("ps", "-Aceo", "pid,ppid,user,state,rss,pcpu,etime,comm", max_bytes=1 << 20)
    rows = [row for line in text.splitlines()[1:] if (row := _process(line))]
    return Gathered(most_relevant(rows))


def _process(line: str) -> Row:
    parts = line.split(None, 7)
    if len(parts) != 8 or not parts[0].isdigit():
        return {}
    return {
        "pid": int(parts[0]),
        "parent": int(parts[1]),
        "user": parts[2],
        "state": parts[3],
        "memory_bytes": int(parts[4]) * 1024,
        "cpu_pct": number(parts[5]),
        "seconds": elapsed(parts[6]),
        "name": parts[7].strip(),
    }


def elapsed(text: str) -> int:
    """`[[days-]hours:]minutes:seconds` as seconds."""
    days, _, rest = text.rpartition("-")
    parts = [int(number(word)) for word in rest.split(":")]
    seconds = sum(part * int(60**power) for power, part in enumerate(reversed(parts)))
    return seconds + int(number(days)) * 86400


async def services(look: Look) -> Gathered:
    """What launchd keeps: runs, ended well, or ended with an error."""
    rows: list[Row] = []
    for line in (await look.run("launchctl", "list")).splitlines()[1:]:
        pid, _, rest = line.partition("\t")
        status, _, label = rest.partition("\t")
        if label:
            state = "active" if pid.isdigit() else "inactive" if status == "0" else "failed"
            rows.append({"name": label, "state": state, "pid": int(pid) if pid.isdigit() else 0, "backend": "launchd"})
    ranked = sorted(rows, key=lambda row: (row["state"] != "failed", str(row["name"]).startswith("com.apple.")))
    return Gathered(ranked)


async def autostart(look: Look) -> Gathered:
    """Programs that launchd starts and that are not Apple's."""
    rows = []
    for folder, kind in ((DAEMONS, "daemon"), (AGENTS, "agent")):
        names = [each.path.rpartition("/")[2] for each in await look.folder(folder, max_entries=MAX_PLISTS)]
        rows += [{"name": name.removesuffix(".plist"), "kind": kind} for name in names if name.endswith(".plist")]
    return Gathered(rows)


async def scheduled_jobs(look: Look) -> Gathered:
    """Jobs of launchd by the clock: their label and rhythm, never their arguments."""
    rows: list[Row] = []
    for folder in (DAEMONS, AGENTS):
        for each in await look.folder(folder, max_entries=MAX_PLISTS):
            if each.kind == "file" and each.path.endswith(".plist"):
                rows += _job(await look.target.read(each.path, max_bytes=64 << 10), each.path)
    return Gathered(rows)


def _job(raw: bytes, path: str) -> list[Row]:
    try:
        found = plistlib.loads(raw)
    except (ValueError, plistlib.InvalidFileException, OverflowError):
        return []
    if not isinstance(found, dict) or not {"StartInterval", "StartCalendarInterval"} & set(found):
        return []
    seconds = found.get("StartInterval")
    schedule = f"every {timedelta(seconds=seconds)}" if isinstance(seconds, int) else "calendar"
    owner = str(found.get("UserName", "root"))
    return [{"schedule": schedule, "owner": owner, "name": str(found.get("Label", "")), "source": path}]


async def crashes(look: Look) -> Gathered:
    """Reports of crashes: program, size and age, never their contents."""
    rows: list[Row] = []
    for each in await look.folder("/Library/Logs/DiagnosticReports", max_entries=500):
        name = each.path.rpartition("/")[2]
        if each.kind == "file" and name.endswith((".ips", ".crash", ".panic", ".diag")):
            age = round((look.now.timestamp() - each.modified) / 86400, 1)
            program = re.split(r"[-_]\d{4}", name)[0]
            rows.append({"program": program, "size_bytes": each.size_bytes, "age_days": age})
    return Gathered(rows)


async def devices(look: Look) -> Gathered:
    """Devices on USB by name; serial numbers are left out."""
    found = await profile(look, "SPUSBDataType")
    rows = [row for row in below(found["SPUSBDataType"]) if text_of(row, "_name")]
    return Gathered(
        [{"bus": "usb", "kind": text_of(r, "manufacturer") or "-", "name": text_of(r, "_name")} for r in rows]
    )

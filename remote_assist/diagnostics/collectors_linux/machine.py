"""Host, processor and memory: /proc, /etc/os-release."""

import re
from datetime import UTC, timedelta

from remote_assist.diagnostics.linux_formats import parse_assignments
from remote_assist.diagnostics.look import Gathered, Look, Unavailable


async def host(look: Look) -> Gathered:
    """Name, system, kernel, how long it runs, what started it."""
    release = parse_assignments(await look.text_or("/usr/lib/os-release") or await look.text_or("/etc/os-release"))
    uptime = float((await look.text("/proc/uptime")).split()[0])
    version = (await look.text_or("/proc/version")).strip()
    facts: dict[str, object] = {
        "hostname": (await look.text_or("/proc/sys/kernel/hostname")).strip(),
        "os": release.get("ID", "linux"),
        "os_name": release.get("PRETTY_NAME", "Linux"),
        "os_version": release.get("VERSION_ID", ""),
        "kernel": (await look.text_or("/proc/sys/kernel/osrelease")).strip(),
        "architecture": await _architecture(look),
        "uptime_seconds": int(uptime),
        "booted": (look.now - timedelta(seconds=uptime)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "init": await init_system(look),
        "container": "container" if await look.exists("/.dockerenv") else "",
        "build": version.partition("#")[2].strip(),
    }
    return Gathered(facts)


async def init_system(look: Look) -> str:
    """systemd where it runs as process 1, else the name of process 1."""
    if await look.exists("/run/systemd/system"):
        return "systemd"
    return (await look.text_or("/proc/1/comm")).strip() or "unknown"


async def _architecture(look: Look) -> str:
    try:
        return (await look.run("uname", "-m")).strip()
    except Unavailable:
        return ""


async def cpu(look: Look) -> Gathered:
    """Processors, load and, where the kernel has it, pressure."""
    info = await look.text("/proc/cpuinfo", max_bytes=1 << 20)
    load = [float(each) for each in (await look.text("/proc/loadavg")).split()[:3]]
    count = len(re.findall(r"(?m)^processor\s*:", info)) or 1
    model = re.search(r"(?m)^(?:model name|Model|Hardware)\s*:\s*(.+)$", info)
    facts: dict[str, object] = {
        "count": count,
        "model": model[1].strip() if model else "",
        "load_1m": load[0],
        "load_5m": load[1],
        "load_15m": load[2],
        "load_per_cpu": round(load[1] / count, 3),
    }
    pressure = re.search(r"some avg10=([\d.]+)", await look.text_or("/proc/pressure/cpu"))
    if pressure:
        facts["pressure_pct"] = float(pressure[1])
    return Gathered(facts)


async def memory(look: Look) -> Gathered:
    """Memory and swap in bytes, and how often the kernel killed for lack of it."""
    values = parse_meminfo(await look.text("/proc/meminfo"))
    total, available = values["MemTotal"], values.get("MemAvailable", values.get("MemFree", 0))
    swap, swap_free = values.get("SwapTotal", 0), values.get("SwapFree", 0)
    facts: dict[str, object] = {
        "total_bytes": total,
        "available_bytes": available,
        "available_pct": round(100 * available / total, 1) if total else 0.0,
        "swap_total_bytes": swap,
        "swap_used_pct": round(100 * (swap - swap_free) / swap, 1) if swap else 0.0,
    }
    kills = re.search(r"(?m)^oom_kill (\d+)$", await look.text_or("/proc/vmstat"))
    if kills:
        facts["oom_kills"] = int(kills[1])
    return Gathered(facts)


def parse_meminfo(text: str) -> dict[str, int]:
    """Bytes by name from /proc/meminfo."""
    found = re.findall(r"(?m)^(\w[\w()]*):\s+(\d+) kB$", text)
    return {name: int(value) * 1024 for name, value in found}

"""What the kernel says of itself: limits nearly reached, waiting, troubles in its log, modules, protection."""

import re
from collections.abc import Iterable

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

LOG_BYTES = 1 << 20
KERNEL_FILES = ("/var/log/kern.log", "/var/log/messages", "/var/log/syslog")
LOGIN_FILES = ("/var/log/auth.log", "/var/log/secure")
KERNEL_EVENTS = {
    "oom": re.compile(r"Out of memory: Kill|Memory cgroup out of memory: Kill"),
    "io_errors": re.compile(r"I/O error|critical medium error|UNC at LBA|failed command: (?:READ|WRITE)"),
    "filesystem_errors": re.compile(r"(?:EXT4|XFS|BTRFS|EXT3)[-\w ]*(?:\([^)]*\))?:? ?(?:error|.*[Cc]orrupt)"),
    "remounts": re.compile(r"[Rr]emounting filesystem read-only"),
    "segfaults": re.compile(r"segfault at |general protection fault"),
    "hung_tasks": re.compile(r"task .{1,64} blocked for more than \d+ seconds"),
}
LOGIN_FAILURE = re.compile(r"Failed (?:password|publickey|keyboard-interactive)|authentication failure;")
PRIVATE_LAST = 300
"""Characters kept of the last line of a kind."""


async def kernel_limits(look: Look) -> Gathered:
    """Tables of fixed size and how full they are. What this kernel does not have is absent."""
    facts: dict[str, object] = {}
    handles = (await look.text_or("/proc/sys/fs/file-nr")).split()
    most = (await look.text_or("/proc/sys/fs/file-max")).strip()
    if len(handles) == 3 and most.isdigit() and int(most):
        facts["files_open"], facts["files_max"] = int(handles[0]), int(most)
        facts["files_pct"] = round(100 * int(handles[0]) / int(most), 1)
    for name, used, limit in (
        ("conntrack", "/proc/sys/net/netfilter/nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_max"),
        ("watches", "", "/proc/sys/fs/inotify/max_user_watches"),
        ("entropy", "/proc/sys/kernel/random/entropy_avail", ""),
    ):
        for key, path in ((f"{name}_used", used), (f"{name}_max", limit)):
            raw = (await look.text_or(path)).strip() if path else ""
            if raw.isdigit():
                facts[key] = int(raw)
    if facts.get("conntrack_max") and "conntrack_used" in facts:
        facts["conntrack_pct"] = round(100 * int(str(facts["conntrack_used"])) / int(str(facts["conntrack_max"])), 1)
    facts.update(await _tasks(look))
    facts.update(parse_hugepages(await look.text_or("/proc/meminfo")))
    return Gathered(facts)


async def _tasks(look: Look) -> dict[str, object]:
    running = re.search(r"\d+/(\d+)", await look.text_or("/proc/loadavg"))
    limits = [
        (await look.text_or(path)).strip() for path in ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")
    ]
    numbers = [int(each) for each in limits if each.isdigit()]
    if running is None or not numbers:
        return {}
    return {
        "tasks": int(running[1]),
        "tasks_max": min(numbers),
        **{name: int(each) for name, each in zip(("pid_max", "threads_max"), limits, strict=True) if each.isdigit()},
        "tasks_pct": round(100 * int(running[1]) / min(numbers), 1),
    }


def parse_hugepages(meminfo: str) -> dict[str, object]:
    """Memory set aside for huge pages, and how much of it nobody uses."""
    found = {name: int(value) for name, value in re.findall(r"(?m)^(\w+):\s+(\d+)", meminfo)}
    pages, size, total = found.get("HugePages_Total"), found.get("Hugepagesize", 0), found.get("MemTotal", 0)
    if pages is None or not total:
        return {}
    return {
        "hugepages_bytes": pages * size * 1024,
        "hugepages_free_bytes": found.get("HugePages_Free", 0) * size * 1024,
        "hugepages_pct": round(100 * pages * size / total, 1),
    }


async def pressure(look: Look) -> Gathered:
    """How much of the last minute work stood still for lack of processor, memory or disk (percent)."""
    facts: dict[str, object] = {}
    for name in ("cpu", "memory", "io"):
        text = await look.text_or(f"/proc/pressure/{name}")
        for word in ("some", "full"):
            found = re.search(rf"(?m)^{word} .*?avg60=([\d.]+)", text)
            if found:
                facts[f"{name}_{word}_pct"] = float(found[1])
    if not facts:
        raise Unavailable("this kernel does not measure pressure (PSI)")
    return Gathered(facts)


async def log_events(look: Look) -> Gathered:
    """How often the logs tell of known troubles. A kind whose log cannot be read is absent, never 0."""
    facts: dict[str, object] = {}
    kernel, source = await _kernel_lines(look)
    if source:
        facts["source"] = source
        for kind, pattern in KERNEL_EVENTS.items():
            facts.update(_counted(kind, pattern, kernel))
    logins = await _login_lines(look)
    if logins is not None:
        facts.update(_counted("failed_logins", LOGIN_FAILURE, logins))
    if not facts:
        raise Unavailable("neither the log of the kernel nor that of logins can be read")
    return Gathered(facts)


def _counted(kind: str, pattern: re.Pattern[str], lines: Iterable[str]) -> dict[str, object]:
    hits = [line for line in lines if pattern.search(line)]
    return {kind: len(hits), f"{kind}_last": hits[-1][-PRIVATE_LAST:] if hits else ""}


async def _kernel_lines(look: Look) -> tuple[list[str], str]:
    for argv in (("journalctl", "-k", "-b", "-o", "cat", "-n", "4000", "--no-pager", "-q"), ("dmesg",)):
        try:
            since = look.since_option() if argv[0] == "journalctl" else ()
            text = await look.run(*argv, *since, max_bytes=LOG_BYTES)
        except Unavailable:
            continue
        if text.strip():
            return text.splitlines(), argv[0]
    for path in KERNEL_FILES:
        try:
            return await look.log_lines(path, max_bytes=LOG_BYTES), path
        except Unavailable:
            continue
    return [], ""


async def _login_lines(look: Look) -> list[str] | None:
    for path in LOGIN_FILES:
        try:
            return await look.log_lines(path, max_bytes=LOG_BYTES)
        except Unavailable:
            continue
    argv = (
        "journalctl",
        "-b",
        "-t",
        "sshd",
        "-t",
        "sudo",
        "-t",
        "login",
        "-o",
        "cat",
        "-n",
        "2000",
        "--no-pager",
        "-q",
    )
    try:
        text = await look.run(*argv, max_bytes=LOG_BYTES)
    except Unavailable:
        return None
    return text.splitlines() or None


async def drivers(look: Look) -> Gathered:
    """Modules outside the kernel's own tree, and why the kernel calls itself tainted."""
    taint = int((await look.text_or("/proc/sys/kernel/tainted", "0")).strip() or 0)
    names = {
        0: "proprietary",
        1: "forced",
        4: "machine-check",
        7: "died",
        9: "warned",
        12: "out-of-tree",
        13: "unsigned",
    }
    modules = (await look.text_or("/proc/modules")).splitlines()
    foreign = [line.split()[0] for line in modules if re.search(r"\(\w*[OPE]\w*\)\s*$", line)]
    return Gathered(
        {
            "tainted": taint,
            "reasons": [word for bit, word in names.items() if taint >> bit & 1],
            "modules": len(modules),
            "foreign": foreign[:50],
        }
    )


async def virtualisation(look: Look) -> Gathered:
    """Whether this is a virtual machine or a container, and whose."""
    vendor = (await look.text_or("/sys/class/dmi/id/sys_vendor")).strip()
    product = (await look.text_or("/sys/class/dmi/id/product_name")).strip()
    try:
        done = await look.completed("systemd-detect-virt")
        kind = done.stdout.decode("utf-8", "replace").strip()
    except Unavailable:
        kind = ""
    hypervisor = bool(re.search(r"(?m)^flags\s*:.*\bhypervisor\b", await look.text_or("/proc/cpuinfo")))
    if not kind:
        kind = "container" if await look.exists("/.dockerenv") else "unknown" if hypervisor else "none"
    return Gathered({"kind": kind, "hypervisor": hypervisor, "vendor": vendor, "product": product})


async def protection(look: Look) -> Gathered:
    """SELinux, AppArmor and known malware scanners."""
    modules = (await look.text_or("/sys/kernel/security/lsm")).strip()
    selinux = (await look.text_or("/sys/fs/selinux/enforce")).strip()
    profiles = await look.text_or("/sys/kernel/security/apparmor/profiles")
    scanners = ("/usr/sbin/clamd", "/opt/CrowdStrike", "/opt/microsoft/mdatp", "/opt/sophos-spl", "/opt/eset")
    return Gathered(
        {
            "modules": [each for each in modules.split(",") if each],
            "selinux": {"1": "enforcing", "0": "permissive"}.get(selinux, "off"),
            "apparmor_profiles": len(profiles.splitlines()),
            "apparmor_enforced": len(re.findall(r"\(enforce\)$", profiles, re.MULTILINE)),
            "scanners": [path.rpartition("/")[2] for path in scanners if await look.exists(path)],
        }
    )

"""What starts by itself: at boot, at login, by the clock; and whether the usual background programs run.

Of a job only its time, its owner and its program's name are told: arguments may hold secrets.
"""

import re

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

CRON_FILES = ("/etc/crontab",)
CRON_FOLDERS = ("/etc/cron.d",)
DAEMONS = {
    "cron": ("cron", "crond", "systemd-timer"),
    "logger": ("rsyslogd", "syslog-ng", "syslogd", "systemd-journal"),
    "time": ("chronyd", "ntpd", "systemd-timesyn", "openntpd", "ntpsec"),
}
INSTALLED = {
    "cron": ("/usr/sbin/cron", "/usr/sbin/crond"),
    "logger": ("/usr/sbin/rsyslogd", "/usr/sbin/syslog-ng", "/lib/systemd/systemd-journald"),
    "time": ("/usr/sbin/chronyd", "/usr/sbin/ntpd", "/lib/systemd/systemd-timesyncd"),
}
LOGGER_UNITS = dict(zip(INSTALLED["logger"], ("rsyslog", "syslog-ng", "systemd-journald"), strict=True))
"""Program → how this system calls the service that runs it."""

Row = dict[str, object]


async def autostart(look: Look) -> Gathered:
    """Units, init scripts and desktop entries that are started without being asked for."""
    rows: list[Row] = []
    try:
        text = await look.run("systemctl", "list-unit-files", "--state=enabled", "--output=json", "--no-pager")
        rows = [
            {"name": str(each.get("unit_file")), "kind": "unit"}
            for each in msgspec.json.decode(text.encode(), type=list[dict[str, object]])
        ]
    except (Unavailable, msgspec.DecodeError):
        for entry in await look.folder("/etc/rc2.d", max_entries=400):
            name = entry.path.rpartition("/")[2]
            if re.match(r"S\d\d", name):
                rows.append({"name": name[3:], "kind": "init"})
    for entry in await look.folder("/etc/xdg/autostart", max_entries=200):
        rows.append({"name": entry.path.rpartition("/")[2].removesuffix(".desktop"), "kind": "desktop"})
    return Gathered(rows)


async def scheduled_jobs(look: Look) -> Gathered:
    """Cron tables of the system and systemd timers."""
    rows: list[Row] = []
    files = list(CRON_FILES)
    for folder in CRON_FOLDERS:
        files += [each.path for each in await look.folder(folder, max_entries=200) if each.kind == "file"]
    for path in files:
        rows += [{**row, "source": path} for row in parse_crontab(await look.text_or(path))]
    try:
        text = await look.run("systemctl", "list-timers", "--all", "--output=json", "--no-pager")
        for each in msgspec.json.decode(text.encode(), type=list[dict[str, object]]):
            rows.append(
                {"name": str(each.get("activates")), "schedule": "", "owner": "", "source": str(each.get("unit"))}
            )
    except (Unavailable, msgspec.DecodeError):
        pass
    return Gathered(rows)


def parse_crontab(text: str) -> list[Row]:
    """crontab(5) of the system, with its owner column."""
    rows: list[Row] = []
    for line in text.splitlines():
        match = re.match(r"\s*(@\w+|(?:[\d*/,\-A-Za-z]+\s+){4}[\d*/,\-A-Za-z]+)\s+(\S+)\s+(.+)$", line)
        if match and not line.lstrip().startswith("#"):
            rows.append({"schedule": re.sub(r"\s+", " ", match[1]), "owner": match[2], "name": program_of(match[3])})
    return rows


def program_of(command: str) -> str:
    """The name of the program of a shell line, without folder and arguments."""
    skipped = {"command", "test", "[", "cd", "if", "then", "nice", "ionice", "exec", "sleep", "true", "else", "fi"}
    for part in re.split(r"[;&|()]+", command):
        words = [word for word in part.split() if not re.match(r"\w+=|-|!", word)]
        name = words[0].rpartition("/")[2] if words else ""
        if name and name not in skipped:
            return name[:64]
    return "?"


async def daemons(look: Look) -> Gathered:
    """Of the usual background programs: whether they are installed, and whether they run."""
    names = {name.strip() for name in (await look.run("ps", "-eo", "comm=")).splitlines()}
    facts: dict[str, object] = {}
    for kind, programs in DAEMONS.items():
        facts[f"{kind}_running"] = bool(names & set(programs))
        facts[f"{kind}_installed"] = any([await look.exists(path) for path in INSTALLED[kind]])
    units = [unit for path, unit in LOGGER_UNITS.items() if await look.exists(path)]
    facts |= {"logger_unit": units[0]} if units else {}
    facts["cron_jobs"] = len(await look.folder("/etc/cron.d", max_entries=200)) + int(await look.exists("/etc/crontab"))
    return Gathered(facts)


async def process_counts(look: Look) -> Gathered:
    """How many processes there are, how many are dead or stuck, and who leaves the dead ones behind."""
    text = await look.run("ps", "-eo", "pid=,ppid=,state=,comm=")
    return Gathered(parse_process_counts(text))


def parse_process_counts(text: str) -> Row:
    """Counts of the `ps` call above."""
    rows = [parts for line in text.splitlines() if len(parts := line.split(None, 3)) == 4]
    names = {parts[0]: parts[3].strip() for parts in rows}
    dead: dict[str, int] = {}
    for parts in rows:
        if parts[2].startswith("Z"):
            dead[parts[1]] = dead.get(parts[1], 0) + 1
    parent = max(dead, key=lambda each: dead[each]) if dead else ""
    stuck = [parts[3].strip() for parts in rows if parts[2].startswith("D")]
    return {
        "total": len(rows),
        "zombies": sum(dead.values()),
        "zombie_parent": names.get(parent, ""),
        "zombie_parent_pid": int(parent or 0),
        "stuck": len(stuck),
        "stuck_names": sorted(set(stuck))[:20],
    }

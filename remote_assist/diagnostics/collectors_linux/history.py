"""What happened: starts, updates, logins, crashes. Lists and counts; what a crash left is never opened."""

import re

import msgspec

from remote_assist.diagnostics.look import Gathered, Look, Unavailable

CRASH_FOLDERS = ("/var/crash", "/var/lib/systemd/coredump")
Row = dict[str, object]


async def boots(look: Look) -> Gathered:
    """Starts and stops that `last` remembers; `clean` is false where a start follows a start."""
    rows = parse_boots(await look.run("last", "-x", "-F", "-n", "60", "reboot", "shutdown"))
    return Gathered(rows[:30])


def parse_boots(text: str) -> list[Row]:
    """`last -x -F`, newest first."""
    events = re.findall(r"(?m)^(reboot|shutdown)\s+.*?(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})", text)
    return [
        {
            "kind": "start" if word == "reboot" else "stop",
            "time": stamp,
            "clean": word != "reboot" or number + 1 >= len(events) or events[number + 1][0] == "shutdown",
        }
        for number, (word, stamp) in enumerate(events)
    ]


async def pending_updates(look: Look) -> Gathered:
    """Updates that could be installed, from the lists as they are; nothing is downloaded. Slow."""
    try:
        text = await look.run("apt-get", "-s", "-q", "-o", "Debug::NoLocking=true", "upgrade", timeout_seconds=20)
        return Gathered(parse_apt_simulation(text))
    except Unavailable:
        done = await look.completed("dnf", "-C", "-q", "check-update", timeout_seconds=20)
    if done.status not in {0, 100}:
        raise Unavailable("neither apt-get nor dnf could say")
    names = re.findall(r"(?m)^([\w.+-]+)\.\w+\s+\S+\s+\S+", done.stdout.decode("utf-8", "replace"))
    return Gathered({"count": len(names), "security": 0, "held": 0, "names": names[:60]})


def parse_apt_simulation(text: str) -> Row:
    """`apt-get -s upgrade`: what would be installed, and what is kept back."""
    planned = re.findall(r"(?m)^Inst (\S+) .*?\((\S+) ([^)]*)\)", text)
    held = re.search(r"and (\d+) not upgraded", text)
    return {
        "count": len(planned),
        "security": sum(1 for _, _, origin in planned if "ecurity" in origin),
        "held": int(held[1]) if held else 0,
        "names": [name for name, _, _ in planned][:60],
    }


async def update_history(look: Look) -> Gathered:
    """What was installed, upgraded and removed lately, by day."""
    text = await look.text_or("/var/log/dpkg.log", max_bytes=1 << 20)
    if text:
        return Gathered(parse_dpkg_log(text))
    done = await look.run("rpm", "-qa", "--qf", "%{INSTALLTIME:day}\n", max_bytes=1 << 20)
    return Gathered([{"day": "", "action": "install", "count": len(done.splitlines())}])


def parse_dpkg_log(text: str) -> list[Row]:
    """Counts by day and action, newest first."""
    counts: dict[tuple[str, str], int] = {}
    for day, action in re.findall(r"(?m)^(\d{4}-\d\d-\d\d) [\d:]{8} (install|upgrade|remove|purge) ", text):
        counts[day, action] = counts.get((day, action), 0) + 1
    return [
        {"day": day, "action": action, "count": counts[day, action]} for day, action in sorted(counts, reverse=True)
    ][:60]


async def logons(look: Look) -> Gathered:
    """Who logged in lately, from where."""
    return Gathered(parse_last(await look.run("last", "-n", "20", "-F", "-w")))


def parse_last(text: str) -> list[Row]:
    """`last -F -w`: user, terminal, origin, begin."""
    rows: list[Row] = []
    for line in text.splitlines():
        match = re.match(r"(\S+)\s+(\S+)\s+(\S*)\s+(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})", line)
        if match and match[1] not in {"reboot", "shutdown", "runlevel", "wtmp"}:
            rows.append({"name": match[1], "terminal": match[2], "origin": match[3], "time": match[4]})
    return rows


async def crashes(look: Look) -> Gathered:
    """Crashes the system kept: program, signal and size. The dumps themselves are memory and are never read."""
    rows: list[Row] = []
    try:
        rows = parse_coredumps(await look.run("coredumpctl", "--json=short", "--no-pager", "-n", "40"))
    except (Unavailable, msgspec.DecodeError):
        for folder in CRASH_FOLDERS:
            for entry in await look.folder(folder, max_entries=200):
                if entry.kind == "file":
                    name = entry.path.rpartition("/")[2]
                    age = round(max(0.0, look.now.timestamp() - entry.modified) / 86400, 1)
                    rows.append({"program": crashed_program(name), "size_bytes": entry.size_bytes, "age_days": age})
    return Gathered(rows)


def parse_coredumps(text: str) -> list[Row]:
    """`coredumpctl --json=short`."""
    found = msgspec.json.decode(text.encode(), type=list[dict[str, object]])
    return [
        {
            "program": str(each.get("exe") or "?").rpartition("/")[2],
            "signal": int(str(each.get("sig") or 0)),
            "size_bytes": int(str(each.get("size") or 0)),
        }
        for each in found
    ]


def crashed_program(file: str) -> str:
    """The program a crash file is named after: `_usr_bin_nginx.0.crash`, `core.nginx.0.….zst`."""
    if file.startswith("core."):
        return file.split(".")[1]
    return file.partition(".")[0].rpartition("_")[2]

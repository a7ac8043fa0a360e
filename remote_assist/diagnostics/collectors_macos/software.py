"""What is installed, updated, protected, logged."""

import re
from collections import Counter

import msgspec

from remote_assist.diagnostics.collectors_linux.logs import digest
from remote_assist.diagnostics.collectors_macos.reading import Row, moment, present, profile, text_of
from remote_assist.diagnostics.look import Gathered, Look

ERRORS = 'messageType == "error" OR messageType == "fault"'
LAST_UPDATE = ("/Library/Preferences/com.apple.SoftwareUpdate", "LastFullSuccessfulDate")
LOGS = ("/var/log/install.log", "/var/log/system.log", "/var/log/wifi.log")
_TROUBLE = re.compile(r"(?i)\b(?:error|fail(?:ed|ure)?|fatal|denied|panic)\b")
BROWSERS = {
    "Chrome": "Library/Application Support/Google/Chrome/Default/Extensions",
    "Edge": "Library/Application Support/Microsoft Edge/Default/Extensions",
    "Brave": "Library/Application Support/BraveSoftware/Brave-Browser/Default/Extensions",
    "Firefox": "Library/Application Support/Firefox",
    "Safari": "Library/Safari",
}


async def packages(look: Look) -> Gathered:
    """Installed programs (slow)."""
    found = await profile(look, "SPApplicationsDataType")
    rows = found["SPApplicationsDataType"]
    return Gathered(
        [{"name": text_of(row, "_name"), "version": text_of(row, "version"), "state": "installed"} for row in rows]
    )


async def pending_updates(look: Look) -> Gathered:
    """Updates the system knows of (slow: it asks Apple)."""
    text = await look.run("softwareupdate", "--list", timeout_seconds=110.0)
    names = re.findall(r"\* Label: (.+)", text)
    security = sum("Security" in name or name.startswith("macOS") for name in names)
    return Gathered({"count": len(names), "security": security, "names": names[:100]})


async def updates(look: Look) -> Gathered:
    """When the system last looked for updates."""
    said = (await look.run("defaults", "read", *LAST_UPDATE)).strip()
    when = moment(said, "%Y-%m-%d %H:%M:%S %z")
    return Gathered(present(lists_age_days=round((look.now - when).total_seconds() / 86400, 1) if when else None))


async def update_history(look: Look) -> Gathered:
    """Installations by day."""
    found = await profile(look, "SPInstallHistoryDataType")
    days = Counter(text_of(row, "install_date")[:10] for row in found["SPInstallHistoryDataType"])
    return Gathered(
        [{"day": day, "action": "install", "count": count} for day, count in sorted(days.items()) if day][-60:]
    )


async def protection(look: Look) -> Gathered:
    """Gatekeeper and System Integrity Protection."""
    gatekeeper = (await look.completed("spctl", "--status")).stdout
    integrity = (await look.completed("csrutil", "status")).stdout
    modules = (["gatekeeper"] if b"assessments enabled" in gatekeeper else []) + (
        ["sip"] if b"status: enabled" in integrity else []
    )
    return Gathered({"modules": modules, "scanners": ["xprotect"]})


async def drivers(look: Look) -> Gathered:
    """Kernel extensions that are not Apple's."""
    text = await look.run("kmutil", "showloaded", "--list-only")
    names = re.findall(r"(?m)\s((?:[\w-]+\.){2,}[\w.-]+) \(", text)
    foreign = sorted({name for name in names if not name.startswith("com.apple.")})
    return Gathered({"modules": len(names), "foreign": foreign[:50]})


async def log_digest(look: Look) -> Gathered:
    """Errors of the last hour (slow), as templates."""
    return Gathered(digest(await _logged(look, f'({ERRORS}) AND process != "kernel"'), "unified log"))


async def kernel_log(look: Look) -> Gathered:
    """Errors of the kernel in the last hour, as templates."""
    return Gathered(digest(await _logged(look, f'({ERRORS}) AND process == "kernel"'), "kernel"))


async def _logged(look: Look, predicate: str) -> list[str]:
    argv = ("log", "show", "--last", "1h", "--style", "ndjson", "--predicate", predicate)
    text = await look.run(*argv, timeout_seconds=55.0, max_bytes=4 << 20)
    lines = []
    for raw in text.splitlines()[-2000:]:
        try:
            entry = msgspec.json.decode(raw, type=dict[str, object])
        except msgspec.DecodeError:
            continue
        program = str(entry.get("processImagePath", "?")).rpartition("/")[2]
        if isinstance(entry.get("eventMessage"), str):
            lines.append(f"{program}: {str(entry['eventMessage']).splitlines()[0] if entry['eventMessage'] else ''}")
    return lines


async def app_logs(look: Look) -> Gathered:
    """Errors in the classic log files."""
    rows: list[Row] = []
    for path in LOGS:
        text = await look.text_or(path, max_bytes=256 << 10)
        rows += digest((line for line in text.splitlines() if _TROUBLE.search(line)), path, top=10)
    return Gathered(rows)


async def browsers(look: Look) -> Gathered:
    """Browsers and the ids of their extensions; nothing else of a profile is looked at."""
    rows: list[Row] = []
    for home in await look.folder("/Users", max_entries=50):
        user = home.path.rpartition("/")[2]
        for name, place in BROWSERS.items():
            if await look.exists(f"{home.path}/{place}"):
                chromium = place.endswith("/Extensions")
                inside = await look.folder(f"{home.path}/{place}", max_entries=200) if chromium else []
                ids = [each.path.rpartition("/")[2] for each in inside if each.kind == "folder"]
                rows.append({"user": user, "name": name, "extensions": ids})
    return Gathered(rows)

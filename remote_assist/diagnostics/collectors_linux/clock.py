"""Whether something keeps the clock right."""

import re

from remote_assist.diagnostics.linux_formats import parse_assignments
from remote_assist.diagnostics.look import Gathered, Look, Unavailable

DAEMONS = ("chronyd", "ntpd", "systemd-timesyn", "openntpd", "ntpsec")
"""As the kernel shortens them in /proc/PID/comm."""


async def time_sync(look: Look) -> Gathered:
    """`known` is false where nothing on this machine can tell; `synchronised` then means nothing."""
    facts: dict[str, object] = {
        "utc": look.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "timezone": (await look.text_or("/etc/timezone")).strip(),
        "daemon": await _daemon(look),
        "known": False,
        "synchronised": False,
    }
    for source in (_timedatectl, _chrony):
        try:
            facts.update(await source(look))
            return Gathered(facts)
        except Unavailable:
            continue
    return Gathered(facts)


async def _timedatectl(look: Look) -> dict[str, object]:
    shown = parse_assignments(await look.run("timedatectl", "show"))
    if "NTPSynchronized" not in shown:
        raise Unavailable("timedatectl does not say")
    found: dict[str, object] = {"known": True, "synchronised": shown["NTPSynchronized"] == "yes"}
    if shown.get("Timezone"):
        found["timezone"] = shown["Timezone"]
    return found


async def _chrony(look: Look) -> dict[str, object]:
    text = await look.run("chronyc", "-n", "tracking")
    offset = re.search(r"System time\s*:\s*([\d.]+) seconds (slow|fast)", text)
    found: dict[str, object] = {"known": True, "synchronised": bool(re.search(r"Leap status\s*: Normal", text))}
    if offset:
        found["offset_seconds"] = float(offset[1]) * (-1 if offset[2] == "slow" else 1)
    return found


async def _daemon(look: Look) -> str:
    try:
        names = {name.strip() for name in (await look.run("ps", "-eo", "comm=")).splitlines()}
    except Unavailable:
        return ""
    return next((name for name in DAEMONS if name in names), "")

"""Installed packages, and whether updates wait for a restart."""

from remote_assist.diagnostics.look import Gathered, Look, Unavailable


async def packages(look: Look) -> Gathered:
    """Name, version and state of every package, from dpkg or rpm."""
    output = 8 << 20
    try:
        text = await look.run(
            "dpkg-query", "-W", "-f", "${Package}\t${Version}\t${db:Status-Status}\n", max_bytes=output
        )
    except Unavailable:
        text = await look.run("rpm", "-qa", "--qf", "%{NAME}\t%{VERSION}-%{RELEASE}\tinstalled\n", max_bytes=output)
    return Gathered(parse_packages(text))


def parse_packages(text: str) -> list[dict[str, object]]:
    """Tab-separated name, version, state."""
    rows: list[dict[str, object]] = []
    for line in text.splitlines():
        parts = line.split("\t")
        if len(parts) == 3 and parts[2] != "not-installed":
            rows.append({"name": parts[0], "version": parts[1], "state": parts[2]})
    return rows


async def updates(look: Look) -> Gathered:
    """Whether a restart is pending and how old the package lists are."""
    facts: dict[str, object] = {"reboot_required": await look.exists("/run/reboot-required")}
    for path in ("/var/lib/apt/lists", "/var/cache/dnf", "/var/cache/yum"):
        entries = await look.folder(path, max_entries=500)
        if entries:
            newest = max(entry.modified for entry in entries)
            facts["lists_age_days"] = round(max(0.0, look.now.timestamp() - newest) / 86400, 1)
            break
    return Gathered(facts)

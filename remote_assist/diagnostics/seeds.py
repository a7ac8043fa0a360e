"""Which facts become exact-match replacements everywhere: host name, people's account names, hardware addresses."""

from collections.abc import Iterable

KINDS = {"hostname": "host", "fqdn": "host", "domain": "host", "name": "user", "mac": "mac", "serial": "serial"}
"""Last word of a seed path → class of its token."""

TOO_COMMON = frozenset({
    "localhost", "localdomain", "debian", "ubuntu", "fedora", "server", "root", "user", "users", "admin",
    "administrator", "nobody", "guest", "test", "home", "data", "backup", "daemon", "mail", "news", "proxy",
    "system", "service", "default", "host", "node", "linux", "local",
})  # fmt: skip
"""Words that occur everywhere; replacing them would wreck the facts and hide nobody."""


def seeds_of(paths: Iterable[str], collector: str, facts: object) -> dict[str, str]:
    """Value → class for the seed paths (`users.name`) that belong to this collector."""
    found: dict[str, str] = {}
    rows = facts if isinstance(facts, list) else [facts]
    for path in paths:
        owner, _, key = path.partition(".")
        if owner != collector:
            continue
        for row in rows:
            if not isinstance(row, dict):
                continue
            value = row.get(key)
            if isinstance(value, str) and _worth_hiding(value, row):
                found[value] = KINDS.get(key, "pii")
    return found


def _worth_hiding(value: str, row: dict[str, object]) -> bool:
    if value.lower() in TOO_COMMON or value.isdigit() or not any(each.isalnum() and each != "0" for each in value):
        return False
    return row.get("person", True) is not False

"""What changed between two bundles of a machine: packages, services, ports, configuration files, disks, and findings.

Rule 1: rows are compared by what names them, never by position. Rule 2: what one of the bundles did not look at is
said to be unknown; it is neither new nor gone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from remote_assist.core.catalog.templates import as_text
from remote_assist.core.findings import Finding
from remote_assist.core.watching.alarms import key_of

MAX_CHANGES = 2000
MAX_CHARS = 200


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `change`: added, removed, changed or unknown; `before`, `after`: empty where nothing was."""

    kind: str
    name: str
    change: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """How rows of a collector are told apart and what of them counts."""

    kind: str
    collector: str
    names: tuple[str, ...]
    counts: tuple[str, ...]


TABLES = (
    Compared("package", "packages", ("name",), ("version", "state")),
    Compared("service", "services", ("name",), ("state", "port")),
    Compared("port", "listening_ports", ("protocol", "address", "port"), ("process",)),
    Compared("configuration", "config_files", ("path",), ("sha256",)),
    Compared("mount", "mounts", ("mount",), ("type", "read_only", "mounted")),
    Compared("disk", "disks", ("name",), ("size_bytes", "model", "degraded")),
    Compared("interface", "interfaces", ("name",), ("state", "addresses")),
    Compared("route", "routes", ("destination", "interface"), ("gateway",)),
    Compared("user", "users", ("name",), ("uid", "shell")),
    Compared("job", "scheduled_jobs", ("source", "name"), ("schedule",)),
    Compared("container", "containers", ("name",), ("image", "state")),
)

Rows = dict[str, str]


def changes_between(before: Mapping[str, object], after: Mapping[str, object]) -> list[Change]:
    """What differs, table by table; at most MAX_CHANGES."""
    found: list[Change] = []
    for table in TABLES:
        if table.collector not in before and table.collector not in after:
            continue
        if table.collector not in before or table.collector not in after:
            which = "first" if table.collector not in before else "second"
            found.append(Change(kind=table.kind, name="", change="unknown", before=f"not in the {which} bundle"))
            continue
        found += _differences(table.kind, _rows(table, before[table.collector]), _rows(table, after[table.collector]))
    return found[:MAX_CHANGES]


def findings_between(before: Sequence[Finding], after: Sequence[Finding]) -> list[Change]:
    """Findings that appeared, went, or are judged otherwise; passed is what anything can become."""
    return list(_differences("finding", _outcomes(before), _outcomes(after)))[:MAX_CHANGES]


def _outcomes(findings: Iterable[Finding]) -> Rows:
    return {
        key_of(each): f"{each.outcome}: {each.message}"[:MAX_CHARS]
        for each in findings
        if each.outcome in {"fail", "warn"}
    }


def _rows(table: Compared, facts: object) -> Rows:
    """Name → what counts, as words. Of several rows with one name all count, in order of their words."""
    found: dict[str, list[str]] = {}
    for row in facts if isinstance(facts, list) else []:
        if isinstance(row, dict):
            name = " ".join(filter(None, (_word(row.get(key)) for key in table.names)))
            found.setdefault(name, []).append(" ".join(filter(None, (_word(row.get(key)) for key in table.counts))))
    return {name: ", ".join(sorted(words))[:MAX_CHARS] for name, words in found.items()}


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(sorted(_word(each) for each in value))
    if value is None or isinstance(value, dict):
        return ""
    return as_text(value)[:MAX_CHARS]


def _differences(kind: str, before: Rows, after: Rows) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        change = "added" if old is None else "removed" if new is None else "changed"
        yield Change(kind=kind, name=name[:MAX_CHARS], change=change, before=old or "", after=new or "")

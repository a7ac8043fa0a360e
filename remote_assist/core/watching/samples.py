"""What `watch` keeps of one look at a machine: numbers for a series, and the newest state beside it.

Rule 1: a sample holds numbers and what is new since the one before; what a machine is like now is in `Latest`.
Rule 2: everything is bounded, whatever the facts say.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

MAX_DISKS, MAX_NAMES, MAX_NEW, MAX_FILES, MAX_DATES = 64, 40, 20, 200, 200
MAX_TEMPLATES = 4000
MAX_CHARS = 300
NETWORK_OR_IMAGE = frozenset({"iso9660", "squashfs", "nfs", "nfs4", "cifs", "fuse.sshfs", "tmpfs", "devtmpfs"})
"""Filesystems that are full by nature, or not this machine's."""


class DiskLevel(msgspec.Struct, frozen=True, array_like=True):
    """How full a filesystem is, in percent."""

    mount: str
    used_pct: float
    inodes_used_pct: float


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One look. `at` is seconds since the epoch; None where a collector could not look."""

    at: float
    disks: tuple[DiskLevel, ...] = ()
    failed: tuple[str, ...] = ()
    errors: int | None = None
    clock_offset_seconds: float | None = None
    bad_sectors: dict[str, int] = {}
    reboot_required: bool | None = None
    new_templates: tuple[str, ...] = ()
    changed_files: tuple[str, ...] = ()


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Something with a last day: a certificate or a licence. `at` is seconds since the epoch."""

    kind: str
    name: str
    at: float


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The machine as last seen. `began`: the first look ever; templates: digest → last seen; files: path → digest."""

    began: float
    at: float
    templates: dict[str, float] = {}
    files: dict[str, str] = {}
    endings: tuple[Ending, ...] = ()
    worn_pct: dict[str, int] = {}
    unhealthy: tuple[str, ...] = ()


def take(
    facts: Mapping[str, object], before: Latest | None, at: float, dates: tuple[Ending, ...] = ()
) -> tuple[Sample, Latest]:
    """The sample of these facts and the state after it. `dates`: last days the customer wrote down."""
    known = before or Latest(began=at, at=at)
    rows = list(_rows(facts, "log_digest"))
    templates = {_digest(text): text for row in rows if (text := _text(row, "template"))}
    files = {path: _text(row, "sha256")[:16] for row in _rows(facts, "config_files") if (path := _text(row, "path"))}
    smart = {_text(row, "name"): row for row in list(_rows(facts, "smart"))[:MAX_DISKS]}
    sample = Sample(
        at=at,
        disks=tuple(_levels(facts)),
        failed=tuple(sorted(_text(row, "name") for row in _rows(facts, "services") if row.get("state") == "failed"))[
            :MAX_NAMES
        ],
        errors=sum(_whole(row, "count") for row in rows) if "log_digest" in facts else None,
        clock_offset_seconds=_offset(facts),
        bad_sectors={name: _whole(row, "bad_sectors") for name, row in smart.items() if "bad_sectors" in row},
        reboot_required=_reboot(facts),
        new_templates=tuple(text for key, text in templates.items() if key not in known.templates)[:MAX_NEW],
        changed_files=tuple(path for path, digest in files.items() if known.files.get(path, digest) != digest)[
            :MAX_NAMES
        ],
    )
    latest = Latest(
        began=known.began,
        at=at,
        templates=_newest({**known.templates, **dict.fromkeys(templates, at)}),
        files=dict(list({**known.files, **files}.items())[:MAX_FILES]),
        endings=(*_certificates(facts), *dates)[:MAX_DATES],
        worn_pct={name: _whole(row, "worn_pct") for name, row in smart.items() if "worn_pct" in row},
        unhealthy=tuple(sorted(name for name, row in smart.items() if row.get("healthy") is False)),
    )
    return sample, latest


def _levels(facts: Mapping[str, object]) -> Iterator[DiskLevel]:
    for row in list(_rows(facts, "filesystems"))[:MAX_DISKS]:
        used, inodes = row.get("used_pct"), row.get("inodes_used_pct", 0.0)
        if _text(row, "type") in NETWORK_OR_IMAGE or row.get("read_only") is True:
            continue
        if isinstance(used, int | float) and isinstance(inodes, int | float):
            yield DiskLevel(_text(row, "mount"), round(float(used), 3), round(float(inodes), 3))


def _certificates(facts: Mapping[str, object]) -> Iterator[Ending]:
    for row in _rows(facts, "certificates"):
        try:
            ends = datetime.fromisoformat(_text(row, "not_after"))
        except ValueError:
            continue
        name = _text(row, "path") or _text(row, "subject")
        yield Ending(kind="certificate", name=name, at=(ends if ends.tzinfo else ends.replace(tzinfo=UTC)).timestamp())


def _offset(facts: Mapping[str, object]) -> float | None:
    clock = facts.get("time_sync")
    value = clock.get("offset_seconds") if isinstance(clock, dict) and clock.get("known") is True else None
    return float(value) if isinstance(value, int | float) else None


def _reboot(facts: Mapping[str, object]) -> bool | None:
    updates = facts.get("updates")
    value = updates.get("reboot_required") if isinstance(updates, dict) else None
    return value if isinstance(value, bool) else None


def _rows(facts: Mapping[str, object], collector: str) -> Iterator[dict[str, object]]:
    rows = facts.get(collector)
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            yield row


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    return value[:MAX_CHARS] if isinstance(value, str) else ""


def _whole(row: Mapping[str, object], key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _newest(templates: dict[str, float]) -> dict[str, float]:
    if len(templates) <= MAX_TEMPLATES:
        return templates
    return dict(sorted(templates.items(), key=lambda item: item[1])[-MAX_TEMPLATES:])

"""The settings file of `serve`: TOML whose keys are the fields of RelaySettings, each with its unit in its name.

Rule 1: what is not known is refused with file, key and the nearest known key; nothing is ignored.
Rule 2: what the command line says wins over the file, the file over the defaults.
Rule 3: a relative path in the file starts at the file's folder.
"""

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from relay.log.retention_periods import fault_in
from relay.storage.data_folder import require_private
from relay.storage.postgres import server_url
from relay.trust import read_bounded
from remote_assist.core.codes import relay_origin
from remote_assist.core.ticket_ids import BUILT_IN, is_system_name
from remote_assist.errors import ContentError, UsageError
from remote_assist.settings import (
    MIB,
    AlarmSourceSettings,
    AnchorSettings,
    PushSettings,
    RelaySettings,
    TicketRules,
    TicketSystemSettings,
)
from remote_assist.tickets.kinds import check_kind
from remote_assist.tickets.system import VISIBILITIES

MAX_FILE_BYTES = 64 << 10

Outgoing = TypeVar("Outgoing", AnchorSettings, PushSettings)
AnySettings = AnchorSettings | PushSettings | RelaySettings | TicketSystemSettings | TicketRules | AlarmSourceSettings

RULE_WORDS = {"unreachable": ("allow", "refuse"), "assignee": ("any", "self", "self-or-nobody")}
"""Rules that are one of some words."""

NO_LIMIT_AT_ZERO = frozenset({"session_bytes_per_second"})
"""Settings whose 0 means "no limit"."""

LEAST: dict[str, float] = {
    "port": 0,
    "nameplate_early_leaves": 0,
    "asks": 0,
    "min_free_bytes": 0,
    "drain_seconds": 0,
    "session_bytes_per_second": 0,
    "message_max_bytes": MIB,
    "body_max_bytes": 128 << 10,
    "pipe_buffer_bytes": MIB,
    "pairing_message_max_bytes": 64 << 10,
}
"""Settings with a floor of their own: agents and technicians may send messages this large (docs/protocol.md)."""

MOST: dict[str, float] = {"port": 65535, "nameplates": 100_000, "asks": 100_000}
MOST_SECONDS = 366 * 86400.0
MOST_OTHER = float(1 << 40)


def read_settings(file: Path | None, said: Mapping[str, Any]) -> RelaySettings:
    """Settings from a file (or none) and what the command line said. Raises ContentError, UsageError."""
    values = {} if file is None else _read(file)
    values.update({name: value for name, value in said.items() if value is not None})
    if "data" not in values:
        raise UsageError("no data folder is named", advice="Give --data DIR, or `data` in the settings file.")
    where = "the command line" if file is None else str(file)
    try:
        settings = msgspec.convert(values, RelaySettings, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ContentError(f"{where}: {_sentence(str(error))}") from error
    _check_bounds(settings, where)
    settings = _from_folder(settings, file, said)
    _check_ticket_systems(settings, where)
    _check_nodes(settings, where, file)
    _check_targets(settings, where)
    if fault := fault_in(settings.retention):
        raise ContentError(f"{where}: [retention]: {fault}")
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(read_bounded(file, MAX_FILE_BYTES).decode())
    except FileNotFoundError as error:
        raise UsageError(f"there is no settings file {file}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{file} is no TOML: {error}") from error
    _check_keys(values, RelaySettings, f"{file}")
    for table, kind in (
        ("ticket_systems", TicketSystemSettings),
        ("alarm_sources", AlarmSourceSettings),
        ("push", PushSettings),
        ("anchors", AnchorSettings),
    ):
        held = values.get(table)
        for name, one in held.items() if isinstance(held, dict) else ():
            if isinstance(one, dict):
                _check_keys(one, kind, f"{file}: [{table}.{name}]")
    if isinstance(values.get("ticket_rules"), dict):
        _check_keys(values["ticket_rules"], TicketRules, f"{file}: [ticket_rules]")
    return values


def _check_keys(values: Mapping[str, Any], kind: type, where: str) -> None:
    known = [field.name for field in fields(kind)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ContentError(
                f"{where}: there is no setting '{key}'; the nearest is '{near}'",
                advice="docs/operations/relay.md lists them all.",
            )


def _check_nodes(settings: RelaySettings, where: str, file: Path | None) -> None:
    """A node of several needs all three; secrets are not in a file that others may read."""
    if bool(settings.bus) != bool(settings.node) or (settings.bus and not settings.database):
        raise ContentError(
            f"{where}: `bus`, `node` and `database` belong together",
            advice="Give all three for one of several nodes, only `database` (or nothing) for a relay that is alone.",
        )
    if settings.node:
        relay_origin(settings.node)
    if settings.database:
        server_url(settings.database)
    if file is not None and any(urlsplit(one).password for one in (settings.database, settings.bus)):
        require_private(file)


def _check_ticket_systems(settings: RelaySettings, where: str) -> None:
    for name, one in settings.ticket_systems.items():
        place = f"{where}: [ticket_systems.{name}]"
        if not is_system_name(name):
            raise ContentError(f"{place}: a name has 1 to 16 small letters, digits and hyphens, a letter first")
        check_kind(name, one.kind)
        _check_bounds(one, place)
        for field_name in ("events_to", "words_to"):
            if getattr(one, field_name) not in VISIBILITIES:
                raise ContentError(f"{place}: {field_name} is one of {' and '.join(VISIBILITIES)}")
    for name, source in settings.alarm_sources.items():
        if not is_system_name(name):
            raise ContentError(f"{where}: [alarm_sources.{name}]: a name has 1 to 16 small letters, digits, hyphens")
        _check_bounds(source, f"{where}: [alarm_sources.{name}]")
    rules = settings.ticket_rules
    _check_bounds(rules, f"{where}: [ticket_rules]")
    if rules.default not in {BUILT_IN, *settings.ticket_systems}:
        raise ContentError(f"{where}: [ticket_rules]: default names no ticket system: {rules.default}")
    for name, words in RULE_WORDS.items():
        if getattr(rules, name) not in words:
            raise ContentError(f"{where}: [ticket_rules]: {name} is one of {', '.join(words)}")


def _check_targets(settings: RelaySettings, where: str) -> None:
    """What speaks HTTP is loaded only where something is set: every verb reads its settings, few go out."""
    if settings.push:
        from relay.push.sinks import fault_in as fault_in_push

        _check_outgoing("push", settings.push, fault_in_push, where)
    if settings.anchors:
        from relay.witness.witnesses import fault_in_anchor

        _check_outgoing("anchors", settings.anchors, fault_in_anchor, where)


def _check_outgoing(
    table: str, held: Mapping[str, Outgoing], fault_in_one: Callable[[Outgoing], str], where: str
) -> None:
    """Tables that name systems the log, or its checkpoints, go to."""
    for name, one in held.items():
        place = f"{where}: [{table}.{name}]"
        if not is_system_name(name):
            raise ContentError(f"{place}: a name has 1 to 16 small letters, digits and hyphens, a letter first")
        _check_bounds(one, place)
        if fault := fault_in_one(one):
            raise ContentError(f"{place}: {fault}")


def _check_bounds(settings: AnySettings, where: str) -> None:
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        most = MOST.get(field.name, MOST_SECONDS if field.name.endswith("_seconds") else MOST_OTHER)
        least = LEAST.get(field.name)
        # Written so that NaN, which is in no order, is refused too.
        if not (value >= least if least is not None else value > 0) or not value <= most:
            from_ = "more than 0" if least is None else f"at least {least:.0f}"
            raise ContentError(f"{where}: {field.name} is {value}; it must be {from_} and at most {most:.0f}")


def _from_folder(settings: RelaySettings, file: Path | None, said: Mapping[str, Any]) -> RelaySettings:
    if file is None:
        return settings
    folder = file.resolve().parent
    systems = {name: replace(one, **_paths(one, folder)) for name, one in settings.ticket_systems.items()}
    sources = {name: replace(one, **_paths(one, folder)) for name, one in settings.alarm_sources.items()}
    found = {name: path for name, path in _paths(settings, folder).items() if said.get(name) is None}
    pushes = {name: replace(one, **_paths(one, folder)) for name, one in settings.push.items()}
    anchors = {name: replace(one, **_paths(one, folder)) for name, one in settings.anchors.items()}
    return replace(settings, ticket_systems=systems, alarm_sources=sources, push=pushes, anchors=anchors, **found)


def _paths(settings: AnySettings, folder: Path) -> dict[str, Any]:
    return {
        field.name: folder / value
        for field in fields(settings)
        if isinstance(value := getattr(settings, field.name), Path)
    }


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    if kind is Path and isinstance(value, Path):
        return value
    raise ValueError("Expected a path")


def _sentence(fault: str) -> str:
    """Msgspec's words in ours: the key first."""
    said, _, place = fault.partition(" - at `$.")
    return f"{place.rstrip('`')}: {said[:1].lower()}{said[1:].replace('`', '')}" if place else said

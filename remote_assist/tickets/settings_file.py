"""Tables of ticket systems as settings files hold them: known keys, whole values, paths that start at the file.

Rule: what is not known is refused with file, key and the nearest known key.
"""

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from remote_assist.core.ticket_ids import is_system_name
from remote_assist.errors import ContentError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.kinds import check_kind


def systems_in(values: Mapping[str, Any], where: Path) -> dict[str, TicketSystemSettings]:
    """The tables `[NAME]` of a file, read already. Raises ContentError."""
    return {name: _system(name, table, where) for name, table in values.items()}


def _system(name: str, table: Any, where: Path) -> TicketSystemSettings:
    place = f"{where}: [{name}]"
    if not isinstance(table, dict) or not is_system_name(name):
        raise ContentError(f"{place}: a table is named as the relay names the system, for example [rt]")
    known = [field.name for field in fields(TicketSystemSettings)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ContentError(f"{place}: there is no setting '{key}'; the nearest is '{near}'")
    try:
        settings = msgspec.convert(table, TicketSystemSettings, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ContentError(f"{place}: {error}") from error
    check_kind(name, settings.kind)
    folder = where.resolve().parent
    held = {name: getattr(settings, name) for name in ("credential", "tls_ca", "hook_secret")}
    return replace(settings, **{name: folder / path for name, path in held.items() if path is not None})


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError("Expected a path")

"""What a technician chose for the screens (HOME/tui.toml), and what the screens remember between two starts.

    theme = "dark"                        dark, light, contrast
    notify = "bell"                       bell, osc9, none
    translate = ["trans", "-brief"]       argv of the command that translates the customer's lines

    [keys]
    session.look = "l"                    binding → key, comma between several

Rule 1: an unknown or wrong entry is an error that names file, entry and the nearest one there is. Rule 2: the state
file holds session ids and a view, nothing a peer said; a damaged one is as good as none.
"""

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from remote_assist.core.codes import is_session_id
from remote_assist.errors import UsageError
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

SETTINGS_FILE, STATE_FILE = "tui.toml", "tui-state.json"
THEMES = ("dark", "light", "contrast")
NOTIFICATIONS = ("bell", "osc9", "none")
MAX_OPEN = 32


@dataclass(frozen=True, slots=True)
class TuiSettings:
    """The technician's choices, checked."""

    theme: str = "dark"
    notify: str = "bell"
    translate: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)


class TuiState(msgspec.Struct, frozen=True, kw_only=True):
    """What was open when the program was last left or died: sessions in their order, the queue's view."""

    sessions: tuple[str, ...] = ()
    view: str = "all"


def read_settings(home: Path, bindings: Callable[[], Collection[str]]) -> TuiSettings:
    """The settings file, or the defaults when there is none. `bindings`: ids that may have keys, asked when some do.

    Raises UsageError.
    """
    path = home / SETTINGS_FILE
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return TuiSettings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for name in raw:
        _check(path, name, ("theme", "notify", "translate", "keys"), "setting")
    theme, notify = raw.get("theme", "dark"), raw.get("notify", "bell")
    _check(path, theme, THEMES, "theme")
    _check(path, notify, NOTIFICATIONS, "notification")
    keys = _keys(path, raw["keys"], bindings()) if "keys" in raw else {}
    return TuiSettings(theme, notify, _argv(path, raw.get("translate", [])), keys)


def read_state(home: Path) -> TuiState:
    """What was open last, as far as it can be read."""
    try:
        state = msgspec.json.decode(read_private(home / STATE_FILE), type=TuiState)
    except (OSError, msgspec.DecodeError):
        return TuiState()
    return TuiState(sessions=tuple(filter(is_session_id, state.sessions[:MAX_OPEN])), view=state.view)


def write_state(home: Path, state: TuiState) -> None:
    """Remember what is open. A folder that cannot be written costs the memory, not the work."""
    try:
        write_private(make_private_folder(home) / STATE_FILE, msgspec.json.encode(state))
    except OSError:
        return


def _argv(path: Path, value: Any) -> tuple[str, ...]:
    if not (isinstance(value, list) and all(isinstance(word, str) and word for word in value)):
        raise UsageError(f"{path}: translate is a list of words", advice='For example ["trans", "-brief"].')
    return tuple(value)


def _keys(path: Path, table: Any, bindings: Collection[str]) -> dict[str, str]:
    keys: dict[str, str] = {}
    for screen, chosen in table.items() if isinstance(table, dict) else ():
        for action, key in chosen.items() if isinstance(chosen, dict) else ():
            _check(path, f"{screen}.{action}", bindings, "key")
            if not isinstance(key, str) or not key:
                raise UsageError(f"{path}: the key of {screen}.{action} is not a text")
            keys[f"{screen}.{action}"] = key
        if not isinstance(chosen, dict):
            _check(path, screen, bindings, "key")
    return keys


def _check(path: Path, name: object, known: Collection[str], what: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise UsageError(f"{path}: there is no {what} '{str(name)[:60]}'{hint}", advice=f"There are: {', '.join(known)}.")

"""Names a peer supplies, and the files they may become: in the chosen folder, and nowhere else.

Rule: what is left of a name is one plain component. Anything that could mean another place is refused, not mended.
"""

import os
import unicodedata
from pathlib import Path

from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.errors import RefusedError

MAX_NAME_BYTES = 240
"""Longest name accepted: 255 less what a part file adds."""

_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_WINDOWS_SIGNS = frozenset('<>:"|?*')
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))]
)


def local_name(remote: bytes | str, *, windows: bool = os.name == "nt") -> str:
    """The last component of a peer's path, as a file name for this machine. Raises RefusedError."""
    text = os.fsdecode(remote)
    name = text.rpartition("/")[2]
    if fault := _fault(name) or (_windows_fault(name) if windows else ""):
        raise RefusedError(
            f"the name '{safe_text(HostileStr(text[:120]))}' is not one to write here: {fault}",
            reason="bad-name",
            advice="Fetch it under another name, for example with `run … -- cp`.",
        )
    return name


def place_in(folder: Path, remote: bytes | str) -> Path:
    """Where a peer's file goes: directly in `folder`. Raises RefusedError."""
    path = folder / local_name(remote)
    if path.parent != folder or path.name in {"", ".", ".."}:
        raise RefusedError("the name leads out of the chosen folder", reason="bad-name")
    return path


def _fault(name: str) -> str:
    if name in {"", ".", ".."}:
        return "it names no file"
    if "\\" in name:
        return "it has a backslash"
    if any(unicodedata.category(sign) == "Cc" or sign in "\u2028\u2029" for sign in name):
        return "it has control characters"
    if any(sign in _BIDIRECTIONAL for sign in name):
        return "it changes the direction of writing"
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        return "it is not text of this machine"
    return f"it is longer than {MAX_NAME_BYTES} bytes" if size > MAX_NAME_BYTES else ""


def _windows_fault(name: str) -> str:
    if any(sign in _WINDOWS_SIGNS for sign in name) or name[-1] in ". ":
        return "Windows would read it as something else"
    return "it is a device of Windows" if name.partition(".")[0].strip().lower() in _WINDOWS_DEVICES else ""

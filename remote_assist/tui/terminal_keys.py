"""Keys of a technician's terminal as the bytes a program on the other side expects. Pure."""

from collections.abc import Mapping

_CURSOR: Mapping[str, str] = {"up": "A", "down": "B", "right": "C", "left": "D", "home": "H", "end": "F"}
_NAMED: Mapping[str, bytes] = {
    "enter": b"\r",
    "tab": b"\t",
    "shift+tab": b"\x1b[Z",
    "backspace": b"\x7f",
    "escape": b"\x1b",
    "space": b" ",
    "ctrl+space": b"\x00",
    "ctrl+@": b"\x00",
    "insert": b"\x1b[2~",
    "delete": b"\x1b[3~",
    "pageup": b"\x1b[5~",
    "pagedown": b"\x1b[6~",
    "f1": b"\x1bOP",
    "f2": b"\x1bOQ",
    "f3": b"\x1bOR",
    "f4": b"\x1bOS",
    **{
        f"f{number}": b"\x1b[%d~" % code
        for number, code in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24), strict=True)
    },
    "ctrl+backslash": b"\x1c",
    "ctrl+circumflex_accent": b"\x1e",
    "ctrl+underscore": b"\x1f",
}
_MODIFIERS: Mapping[str, int] = {"shift": 2, "alt": 3, "ctrl": 5}


def key_bytes(key: str, character: str | None, *, application: bool) -> bytes:
    """What a key types; empty for keys that type nothing. `application`: cursor keys as full-screen programs ask."""
    if key in _NAMED:
        return _NAMED[key]
    if key in _CURSOR:
        return f"\x1b{'O' if application else '['}{_CURSOR[key]}".encode()
    modifier, _, name = key.rpartition("+")
    if modifier in _MODIFIERS and name in _CURSOR:
        return f"\x1b[1;{_MODIFIERS[modifier]}{_CURSOR[name]}".encode()
    if modifier == "ctrl" and len(name) == 1 and "a" <= name <= "z":
        return bytes([ord(name) - 96])
    if modifier == "alt" and len(name) == 1:
        return b"\x1b" + name.encode()
    if character and character.isprintable():
        return character.encode("utf-8", "replace")
    return b""


def pasted_bytes(text: str, *, bracketed: bool) -> bytes:
    """A pasted text as typed: line ends become Enter; the end mark of a bracketed paste cannot be pasted."""
    plain = text.replace("\r\n", "\r").replace("\n", "\r").replace("\x1b", "")
    raw = plain.encode("utf-8", "replace")
    return b"\x1b[200~" + raw + b"\x1b[201~" if bracketed else raw

"""Canonical bytes: one value, one text. JSON as RFC 8785 (JCS) writes it, in the narrow profile records need.

Rule 1: objects sorted by key, no spaces, shortest escapes exactly as JSON.stringify writes them, UTF-8.
Rule 2: what could be written in two ways is refused instead: floats, integers of 2^53 and more, lone
surrogates, keys that are not ASCII (there RFC 8785's UTF-16 order and everybody's sort agree).
Bytes become base64 (RFC 4648 section 4, with padding). Everything written here is valid RFC 8785.
"""

import msgspec

from remote_assist.errors import LocalProtocolError

MAX_INTEGER = (1 << 53) - 1
"""Largest integer every JSON reader keeps exactly."""

MAX_DEPTH = 16
"""Deepest nesting; records need four."""

_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_bytes(value: object) -> bytes:
    """The one text of `value`: dict, list, tuple, str, int, bool, None, bytes, or a Struct of these.

    Raises LocalProtocolError for anything this profile cannot write in exactly one way.
    """
    plain = msgspec.to_builtins(value)
    _check(plain, MAX_DEPTH)
    try:
        return _ENCODER.encode(plain)
    except UnicodeEncodeError as error:
        raise LocalProtocolError("a text with a lone surrogate has no canonical form") from error


def _check(value: object, depth: int) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if depth == 0:
        raise LocalProtocolError(f"a value nested deeper than {MAX_DEPTH} levels has no canonical form")
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise LocalProtocolError(f"the integer {value} is too large for every JSON reader")
    elif isinstance(value, dict):
        for key, part in value.items():
            if not (isinstance(key, str) and key.isascii()):
                raise LocalProtocolError(f"the key {key!r} is not ASCII text")
            _check(part, depth - 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check(part, depth - 1)
    else:
        raise LocalProtocolError(f"a {type(value).__name__} has no canonical form")

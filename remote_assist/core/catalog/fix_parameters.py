"""Values of a fix's parameters: each fits its declared type exactly, or the fix is refused.

Rule: a value becomes (part of) one argv item, verbatim. There is no quoting here because there is no shell anywhere;
what this file keeps out is values that mean something else to a program: options, paths elsewhere, control characters.
"""

import re
from collections.abc import Mapping

from remote_assist.core.catalog.model import Fix, Parameter
from remote_assist.errors import RefusedError

MAX_VALUE_CHARS = 256
UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}")
SIZE = re.compile(r"\d{1,9}(?:[KMGT](?:iB|B)?)?")
_INTEGER = re.compile(r"-?\d{1,15}")
_PATH = re.compile(r"/[^\0-\x1f\x7f]{0,254}")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def check_parameters(fix: Fix, given: Mapping[str, str]) -> dict[str, object]:
    """Every parameter of the fix, typed: int as a number, the rest as text.

    Raises RefusedError (reason `parameter`) for a value that does not fit, is missing or is not declared.
    """
    for name in given:
        if name not in fix.parameters:
            known = ", ".join(sorted(fix.parameters)) or "none"
            raise _refused(f"the fix {fix.id} has no parameter '{name[:60]}'; it has: {known}")
    return {name: _value(parameter, given.get(name, parameter.default)) for name, parameter in fix.parameters.items()}


def _value(parameter: Parameter, text: str) -> object:
    if not isinstance(text, str) or not text:
        raise _refused(f"the parameter '{parameter.name}' is missing")
    if len(text) > MAX_VALUE_CHARS or not text.isprintable():
        raise _refused(f"the parameter '{parameter.name}' is too long or holds control characters")
    if not _fits(parameter, text):
        raise _refused(f"the parameter '{parameter.name}' does not fit its type {parameter.type}: {text!r}")
    _in_range(parameter, text)
    return int(text) if parameter.type == "int" else text


def _fits(parameter: Parameter, text: str) -> bool:
    if not text.isascii() and parameter.type != "path":
        return False
    match parameter.type:
        case "unit":
            return UNIT.fullmatch(text) is not None and ".." not in text
        case "int":
            return _INTEGER.fullmatch(text) is not None
        case "size":
            return SIZE.fullmatch(text) is not None
        case "enum":
            return text in parameter.values
        case "path":
            return _PATH.fullmatch(text) is not None and ".." not in text.split("/")
        case _:
            return not text.startswith("-") and re.fullmatch(parameter.pattern, text) is not None


def _in_range(parameter: Parameter, text: str) -> None:
    if parameter.type not in {"int", "size"}:
        return
    low, high = parameter.minimum, parameter.maximum
    if (low and _amount(text) < _amount(low)) or (high and _amount(text) > _amount(high)):
        raise _refused(f"the parameter '{parameter.name}' is outside {low or '…'} to {high or '…'}: {text}")


def _amount(text: str) -> int:
    match = re.fullmatch(r"(-?\d+)([KMGT]?)(?:iB|B)?", text)
    return int(match[1]) * 1024 ** _POWERS[match[2]] if match else 0


def _refused(sentence: str) -> RefusedError:
    return RefusedError(sentence, reason="parameter", advice="`remote-assist kb list` shows what the fix takes.")

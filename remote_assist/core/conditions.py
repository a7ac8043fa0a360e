"""CEL, the expression language of the catalog, behind one small door: names in, one verdict out.

Rule 1: the only importer of cel_expr_python, and only inside functions: a program without the extra `[rules]` loads.
Rule 2: an error while evaluating (missing fact, wrong type, budget exceeded) is `Unknown`, never true and never false.
Rule 3: undeclared names and syntax errors are found when compiling, and are a ContentError.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from remote_assist.errors import ContentError, RefusedError

MAX_EXPRESSION_CHARS = 4000
_IDENTIFIER = re.compile(r"(?<![.\w])([A-Za-z_]\w*)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')


@dataclass(frozen=True, slots=True)
class Unknown:
    """Could not be evaluated; `reason` says why."""

    reason: str


class Conditions:
    """Expressions over a fixed set of names. Compiled expressions are kept."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(sorted(set(names)))
        _environment(self._names)

    def compile(self, expression: str) -> None:
        """Check an expression. Raises ContentError for a syntax error or a name that is not declared."""
        self._compiled(expression)

    def value(self, expression: str, facts: Mapping[str, object]) -> object:
        """The value as plain JSON, or `Unknown`. Facts that are absent make what needs them unknown."""
        compiled = self._compiled(expression)
        data = {name: facts[name] for name in self._names if name in facts}
        try:
            result = compiled.eval(data=data)
            if result.type() == _library().Type.ERROR:
                return Unknown(_short(result.value()))
            return _plain(result.plain_value())
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            return Unknown(_short(error))

    def holds(self, expression: str, facts: Mapping[str, object]) -> bool | Unknown:
        """True, false or `Unknown`; a value that is no truth value is `Unknown`."""
        value = self.value(expression, facts)
        if isinstance(value, bool | Unknown):
            return value
        return Unknown("the condition is neither true nor false")

    def _compiled(self, expression: str) -> Any:
        return _compile(self._names, expression)


def names_in(expression: str) -> set[str]:
    """Identifiers an expression may refer to (a superset: also its own loop variables and functions)."""
    return set(_IDENTIFIER.findall(_TEXT.sub('""', expression)))


@lru_cache(maxsize=64)
def _environment(names: tuple[str, ...]) -> Any:
    cel = _library()
    from cel_expr_python.ext import ext_strings

    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN), extensions=[ext_strings.ExtStrings()])


@lru_cache(maxsize=1024)
def _compile(names: tuple[str, ...], expression: str) -> Any:
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ContentError(f"an expression is longer than {MAX_EXPRESSION_CHARS} characters")
    try:
        return _environment(names).compile(expression)
    except (RuntimeError, ValueError) as error:
        raise ContentError(f"the expression `{expression}` does not hold: {_fault(error)}") from error


def _library() -> Any:
    try:
        from cel_expr_python import cel
    except ImportError as error:
        raise RefusedError(
            "conditions cannot be evaluated here: the package of the extra [rules] is not installed",
            reason="no-rules",
            advice="Install it with `pip install 'remote-assist[rules]'`.",
        ) from error
    return cel


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _fault(error: Exception) -> str:
    found = re.search(r"ERROR: <input>:\d+:(\d+): ([^\n]+)", str(error))
    text = found[2] if found else str(error)
    place = f"column {found[1]}: " if found else ""
    return place + re.sub(r" \(in container ''\)|\[INVALID_ARGUMENT\]", "", text).strip()[:300]


_PLAIN_WORDS: tuple[tuple[str, str], ...] = (
    (r'Key not found in map : "([^"]*)"', "the fact '{0}' is missing"),
    (r'No value with name "([^"]*)" found', "the facts of '{0}' are missing"),
    (r"Index error: index=(-?\d+) size=(\d+)", "there is no item {0} in a list of {1}"),
    (r"divide by zero|modulus by zero", "a number is divided by zero"),
    (r"[Ii]teration budget|Cycle detected|budget exceeded", "there is too much to look through"),
    (r"SELECT to non-message type", "a value has no parts, and one of them is asked for"),
    (r"invalid regular expression: ([^\n]*)", "the pattern does not hold ({0})"),
    (r"integer overflow|OUT_OF_RANGE", "a number is too large"),
    (r"cannot convert \w+ to (\w+)|String to (\w+) conversion", "a text is no {0}"),
    (r"No matching overloads found", "a value is of another kind than expected"),
)
"""What the library says → what people read."""


def _short(error: object) -> str:
    """The reason in plain words; what is not in the table is told as it is, on one line."""
    said = re.sub(r"\s+", " ", str(error))
    for pattern, words in _PLAIN_WORDS:
        if match := re.search(pattern, said):
            return words.format(*(group for group in match.groups() if group is not None))[:200]
    return re.sub(r"^[A-Z_]+: ", "", said)[:200]

"""`{u.name}` in messages, argv items and file contents: value paths only, no expressions, no code.

Rule: a path that leads nowhere is an error of the caller's choosing, never an empty text that changes a meaning.
"""

import re
from collections.abc import Mapping

from remote_assist.errors import ContentError

PATH = re.compile(r"\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d{1,4}\])*(?:\.size\(\))?)\}")
_PART = re.compile(r"\.size\(\)|\.?([A-Za-z_]\w*)|\[(\d+)\]")
MAX_TEXT = 2000


class MissingValue(LookupError):
    """The facts have no value at this path."""


def paths_in(template: str) -> tuple[str, ...]:
    """Every path a template names. Raises ContentError for braces that are no path."""
    rest = PATH.sub("", template)
    if "{" in rest or "}" in rest:
        raise ContentError(f"`{template}`: braces hold a value path such as {{fs.mount}} and nothing else")
    return tuple(PATH.findall(template))


def fill(template: str, values: Mapping[str, object]) -> str:
    """The template with every path replaced by its value. Raises MissingValue."""
    return PATH.sub(lambda match: as_text(value_at(match[1], values)), template)


def value_at(path: str, values: Mapping[str, object]) -> object:
    """The value a path leads to. Raises MissingValue."""
    value: object = values
    for part in _PART.finditer(path):
        try:
            value = _below(value, part)
        except (KeyError, IndexError) as error:
            raise MissingValue(path) from error
    return value


def _below(value: object, part: re.Match[str]) -> object:
    if part[0] == ".size()" and isinstance(value, str | list | dict):
        return len(value)
    if part[2] and isinstance(value, list):
        return value[int(part[2])]
    if part[1] and isinstance(value, Mapping):
        return value[part[1]]
    raise KeyError(part[0])


def as_text(value: object) -> str:
    """A value as people read it: whole doubles without a point, others with one decimal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.1f}"
    if isinstance(value, list | tuple):
        return ", ".join(as_text(each) for each in value)[:MAX_TEXT]
    return str(value)[:MAX_TEXT]

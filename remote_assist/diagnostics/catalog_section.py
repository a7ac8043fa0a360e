"""Reads one mapping of a catalog document, key by key, and keeps every problem instead of stopping at the first.

Rule: `finish` reports every key nobody asked for, with the nearest key that exists.
"""

import difflib
import re
from collections.abc import Sequence

from remote_assist.diagnostics.yaml_source import Document, Path, Problem

DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h|d)")
SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s?(?:([KMGTP])(?:iB|B|i)?|B)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def size_in_bytes(text: str) -> int | None:
    """`500M`, `25MiB`, `9000` → bytes (powers of 1024); None when it is no size."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        return None
    power = " KMGTP".index(match[2]) if match[2] else 0
    return int(float(match[1]) * 1024**power)


class Section:
    """A mapping at `path` of a document. Getters return the value, or a default after noting the problem."""

    def __init__(self, document: Document, value: object, path: Path, problems: list[Problem]) -> None:
        self.document = document
        self.path = path
        self.problems = problems
        self._asked: set[str] = set()
        if not isinstance(value, dict):
            self.problem(f"{self._place()} must be a mapping")
            value = {}
        self.value: dict[str, object] = value

    def problem(self, sentence: str, *keys: str | int) -> None:
        """Note one problem at this place or at a key of it."""
        self.problems.append(Problem(self.document.file, self.document.line((*self.path, *keys)), sentence))

    def has(self, key: str) -> bool:
        """Whether the key is given."""
        self._asked.add(key)
        return key in self.value

    def get(self, key: str) -> object:
        """The raw value, or None."""
        self._asked.add(key)
        return self.value.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; required when there is no default. Numbers count as text."""
        value = self.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return str(self._missing(key, value, default, "a text") or "")

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(key, default)
        if value in choices or value == default or (default is None and key not in self.value):
            return value
        self.problem(f"'{key}' is '{value}'; it must be one of {', '.join(choices)}{near(value, choices)}", key)
        return choices[0]

    def integer(self, key: str, default: int | None = None, *, least: int = 0) -> int:
        """A whole number of at least `least`."""
        value = self.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            if value >= least:
                return value
            self.problem(f"'{key}' must be at least {least}", key)
            return least
        result = self._missing(key, value, default, "a whole number")
        return result if isinstance(result, int) else least

    def flag(self, key: str) -> bool:
        """true or false; absent is false."""
        value = self.get(key)
        if value is not None and not isinstance(value, bool):
            self.problem(f"'{key}' must be true or false", key)
        return value is True

    def seconds(self, key: str, default: float) -> float:
        """A duration such as 10s, 5m, 14d, in seconds."""
        value = self.get(key)
        if value is None:
            return default
        match = DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.problem(f"'{key}' must be a duration such as 10s or 5m", key)
            return default
        return float(match[1]) * _SECONDS[match[2]]

    def size(self, key: str, default: int) -> int:
        """A size such as 256KiB or 500M, in bytes."""
        value = self.get(key)
        if value is None:
            return default
        result = size_in_bytes(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if result is None:
            self.problem(f"'{key}' must be a size such as 256KiB", key)
            return default
        return result

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; absent is empty."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.problem(f"'{key}' must be a list", key)
            return ()
        for number, item in enumerate(value):
            if not isinstance(item, str):
                self.problem(f"'{key}' holds something that is not text", key, number)
        return tuple(item for item in value if isinstance(item, str))

    def section(self, key: str) -> "Section":
        """A mapping below; absent is an empty one."""
        value = self.get(key)
        return Section(self.document, {} if value is None else value, (*self.path, key), self.problems)

    def sections(self, key: str) -> list["Section"]:
        """A list of mappings below; absent is empty."""
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.problem(f"'{key}' must be a list", key)
            return []
        return [Section(self.document, item, (*self.path, key, n), self.problems) for n, item in enumerate(value)]

    def mapping(self, key: str) -> dict[str, object]:
        """A free mapping below (facts, let); absent is empty."""
        below = self.section(key)
        below._asked.update(below.value)
        return below.value

    def named_sections(self) -> list[tuple[str, "Section"]]:
        """Every key of this mapping with the mapping below it."""
        self._asked.update(self.value)
        return [
            (key, Section(self.document, value, (*self.path, key), self.problems)) for key, value in self.value.items()
        ]

    def finish(self) -> None:
        """Report keys nobody asked for."""
        for key in self.value:
            if key not in self._asked:
                self.problem(f"unknown key '{key}' in {self._place()}{near(key, sorted(self._asked))}", key)

    def _missing(self, key: str, value: object, default: object, kind: str) -> object:
        if value is not None:
            self.problem(f"'{key}' must be {kind}", key)
        elif default is None:
            self.problem(f"'{key}' is missing in {self._place()}")
        return default

    def _place(self) -> str:
        names = [str(part) for part in self.path]
        return "'" + ".".join(names) + "'" if names else "the document"


def near(word: str, words: Sequence[str]) -> str:
    """`; did you mean 'x'?` or nothing."""
    found = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean '{found[0]}'?" if found else ""

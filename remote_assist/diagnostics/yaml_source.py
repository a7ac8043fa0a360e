"""YAML text → plain values that remember their lines.

Rule 1: only plain values come out: no tags, no anchors or aliases, no dates, no `yes`/`on` booleans.
Rule 2: a key given twice is a problem, never a silent last-one-wins.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_FILE_BYTES = 1 << 20
MAX_DEPTH = 24

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a catalog file."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}"


@dataclass(slots=True)
class Document:
    """One YAML document: its value and the line of every place in it."""

    file: str
    value: object
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of a place, or of the nearest place around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: ten times faster."""


class _PlainLoader(_FAST):  # type: ignore[misc]  # one of two classes with the same face
    """Safe loader with YAML 1.2 booleans and without dates."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":bool", ":timestamp", ":merge", ":value"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tf":
    _PlainLoader.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"))
    )


def read_documents(file: str, raw: bytes) -> tuple[list[Document], list[Problem]]:
    """Every document of a file, and what is wrong with the file as YAML."""
    if len(raw) > MAX_FILE_BYTES:
        return [], [Problem(file, 1, f"the file is longer than {MAX_FILE_BYTES} bytes")]
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        text = raw.decode("utf-8")
        if (line := _too_deep(text)) is not None:
            return [], [Problem(file, line, f"more than {MAX_DEPTH} levels deep")]
        loader = _PlainLoader(text)
        while loader.check_node():
            document = Document(file, None)
            document.value = _plain(loader, loader.get_node(), (), document, problems, set())
            if document.value is not None:
                documents.append(document)
    except UnicodeDecodeError:
        problems.append(Problem(file, 1, "the file is not UTF-8 text"))
    except RecursionError:
        problems.append(Problem(file, 1, "the file is nested too deeply"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "not YAML"
        problems.append(Problem(file, mark.line + 1 if mark else 1, f"this is not YAML: {reason}"))
    return documents, problems


def _too_deep(text: str) -> int | None:
    """The line where nesting goes beyond the limit. Events come one by one; building them would recurse as deep."""
    depth = 0
    for event in yaml.parse(text, Loader=_PlainLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _plain(
    loader: _PlainLoader,
    node: yaml.Node | None,
    path: Path,
    document: Document,
    problems: list[Problem],
    seen: set[int],
) -> object:
    if node is None:
        return None
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if id(node) in seen:
        problems.append(Problem(document.file, line, "anchors and aliases are not allowed"))
        return None
    seen.add(id(node))
    if len(path) > MAX_DEPTH:
        problems.append(Problem(document.file, line, f"more than {MAX_DEPTH} levels deep"))
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, item, (*path, n), document, problems, seen) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, document, problems, seen)
    return _scalar(loader, node, document, problems)


def _mapping(
    loader: _PlainLoader,
    node: yaml.MappingNode,
    path: Path,
    document: Document,
    problems: list[Problem],
    seen: set[int],
) -> dict[str, object]:
    result: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key: Hashable = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            problems.append(Problem(document.file, line, "a key must be plain text"))
            continue
        if key in result:
            problems.append(Problem(document.file, line, f"the key '{key}' is given twice"))
            continue
        document.lines[(*path, key)] = line
        result[key] = _plain(loader, value_node, (*path, key), document, problems, seen)
    return result


def _scalar(loader: _PlainLoader, node: yaml.Node, document: Document, problems: list[Problem]) -> object:
    try:
        value: object = loader.construct_object(node)
    except (yaml.YAMLError, ValueError):
        problems.append(Problem(document.file, node.start_mark.line + 1, f"the tag '{node.tag}' is not allowed"))
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    problems.append(Problem(document.file, node.start_mark.line + 1, "only text, numbers, true and false are allowed"))
    return None

"""Catalog files → `Catalog`. Every problem names file, line, key and, where there is one, the nearest known key."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from remote_assist.core.catalog.model import API_VERSION, Bundle, Catalog, Collector, Fix, KnownIssue
from remote_assist.diagnostics.catalog_fixes import read_fix
from remote_assist.diagnostics.catalog_kinds import read_bundle_spec, read_collector, read_issue
from remote_assist.diagnostics.catalog_section import Section, near
from remote_assist.diagnostics.yaml_source import Document, Problem, read_documents
from remote_assist.errors import ContentError

MAX_FILES = 500
Item = Collector | Bundle | KnownIssue | Fix

_READERS: dict[str, Callable[[Section], Item]] = {
    "Collector": read_collector,
    "Bundle": read_bundle_spec,
    "KnownIssue": read_issue,
    "Fix": read_fix,
}


@dataclass(slots=True)
class Reading:
    """A catalog as read: its items, the document each came from, and everything wrong with the files."""

    catalog: Catalog = field(default_factory=lambda: Catalog({}, {}, {}, {}))
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def load_catalog(extra: Sequence[Path] = ()) -> Catalog:
    """The shipped catalog plus files and folders of one's own.

    Raises ContentError naming the first problem (file, line, key) and how many more there are.
    """
    reading = read_catalog([shipped_folder(), *extra])
    if reading.problems:
        more = f" ({len(reading.problems) - 1} more)" if len(reading.problems) > 1 else ""
        raise ContentError(f"{reading.problems[0]}{more}", advice="`remote-assist kb lint PATH` lists every problem.")
    return reading.catalog


def read_catalog(paths: Sequence[Path]) -> Reading:
    """What the paths hold, and everything wrong with it. A later file may not redefine an item of an earlier one."""
    reading = Reading()
    for file in _files(paths, reading.problems):
        _read_file(file, reading)
    return reading


def read_texts(files: Mapping[str, bytes]) -> Reading:
    """Catalog files that are no files here: those of a pack."""
    reading = Reading()
    for name, raw in files.items():
        _read_raw(name, raw, reading)
    return reading


def shipped_folder() -> Path:
    """Where the shipped catalog lies."""
    return Path(str(resources.files("remote_assist.diagnostics") / "catalog"))


def _files(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.suffix in {".yaml", ".yml"} and each.is_file())
        elif path.is_file():
            found.append(path)
        else:
            problems.append(Problem(str(path), 1, "there is no such file or folder"))
    if len(found) > MAX_FILES:
        problems.append(Problem(str(paths[-1]), 1, f"more than {MAX_FILES} catalog files"))
    return list({file.resolve(): file for file in found}.values())[:MAX_FILES]


def _read_file(file: Path, reading: Reading) -> None:
    try:
        raw = file.read_bytes()
    except OSError as error:
        reading.problems.append(Problem(str(file), 1, f"cannot be read: {error.strerror}"))
        return
    _read_raw(str(file), raw, reading)


def _read_raw(name: str, raw: bytes, reading: Reading) -> None:
    documents, found = read_documents(name, raw)
    reading.problems += found
    for document in documents:
        section = Section(document, document.value, (), reading.problems)
        item = _read_item(section)
        if item is not None:
            _keep(item, reading, section)


def _read_item(section: Section) -> Item | None:
    version = section.text("apiVersion", API_VERSION)
    if version != API_VERSION:
        section.problem(f"apiVersion is '{version}'; this program reads {API_VERSION}", "apiVersion")
    kind = section.text("kind", "")
    if kind not in _READERS:
        section.problem(f"kind '{kind}' is unknown{near(kind, list(_READERS))}", "kind")
        return None
    item = _READERS[kind](section)
    section.finish()
    return item


def _keep(item: Item, reading: Reading, section: Section) -> None:
    key = (type(item).__name__, item.id)
    if key in reading.documents:
        first = reading.documents[key].file
        section.problem(f"the id '{item.id}' is used twice, first in {first}", "metadata", "id")
        return
    reading.documents[key] = section.document
    match item:
        case Collector():
            reading.catalog.collectors[item.id] = item
        case Bundle():
            reading.catalog.bundles[item.id] = item
        case KnownIssue():
            reading.catalog.issues[item.id] = item
        case Fix():
            reading.catalog.fixes[item.id] = item

"""Catalog files → `Catalog`. Every problem names file, line, key and, where there is one, the nearest known key."""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from remote_assist.core.catalog_model import API_VERSION, Bundle, Catalog, Collector, Fix, KnownIssue
from remote_assist.diagnostics.catalog_fixes import read_fix
from remote_assist.diagnostics.catalog_kinds import read_bundle_spec, read_collector, read_issue
from remote_assist.diagnostics.catalog_section import Section, near
from remote_assist.diagnostics.yaml_source import Problem, read_documents
from remote_assist.errors import ContentError

MAX_FILES = 500
Item = Collector | Bundle | KnownIssue | Fix

_READERS: dict[str, Callable[[Section], Item]] = {
    "Collector": read_collector,
    "Bundle": read_bundle_spec,
    "KnownIssue": read_issue,
    "Fix": read_fix,
}


def load_catalog(extra: Sequence[Path] = ()) -> Catalog:
    """The shipped catalog plus files and folders of one's own.

    Raises ContentError naming the first problem (file, line, key) and how many more there are.
    """
    catalog, problems = read_catalog([_shipped(), *extra])
    if problems:
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ContentError(f"{problems[0]}{more}", advice="`remote-assist kb lint PATH` lists every problem.")
    return catalog


def read_catalog(paths: Sequence[Path]) -> tuple[Catalog, list[Problem]]:
    """What the paths hold, and everything wrong with it. A later file may not redefine an item of an earlier one."""
    catalog = Catalog({}, {}, {}, {})
    problems: list[Problem] = []
    for file in _files(paths, problems):
        _read_file(file, catalog, problems)
    return catalog, problems


def shipped_paths() -> list[Path]:
    """The folder of the shipped catalog, for lint and test."""
    return [_shipped()]


def _shipped() -> Path:
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
    return found[:MAX_FILES]


def _read_file(file: Path, catalog: Catalog, problems: list[Problem]) -> None:
    try:
        raw = file.read_bytes()
    except OSError as error:
        problems.append(Problem(str(file), 1, f"cannot be read: {error.strerror}"))
        return
    documents, found = read_documents(str(file), raw)
    problems += found
    for document in documents:
        section = Section(document, document.value, (), problems)
        item = _read_item(section)
        if item is not None:
            _keep(item, catalog, section)


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


def _keep(item: Item, catalog: Catalog, section: Section) -> None:
    shelf: dict[str, Item] = {
        Collector: catalog.collectors,
        Bundle: catalog.bundles,
        KnownIssue: catalog.issues,
        Fix: catalog.fixes,
    }[type(item)]  # type: ignore[assignment]  # one shelf a type; the table keeps them apart
    if item.id in shelf:
        section.problem(f"the id '{item.id}' is used twice", "metadata", "id")
    elif item.id:
        shelf[item.id] = item

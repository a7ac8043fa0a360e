"""`kb`: for people who write known issues and fixes."""

import argparse
from pathlib import Path

from remote_assist.commands.author.packs import add_pack_commands
from remote_assist.commands.author.writing import add_writing_commands
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.catalog.model import Bundle, Catalog, Collector, Fix, KnownIssue
from remote_assist.diagnostics.catalog_lint import lint, run_tests
from remote_assist.diagnostics.catalog_loader import load_catalog, shipped_folder
from remote_assist.diagnostics.yaml_source import Problem
from remote_assist.errors import Exit

Item = Collector | Bundle | KnownIssue | Fix


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `kb`."""
    catalog = verbs.add_parser("kb", help="list, lint and test known issues and fixes")
    acts = catalog.add_subparsers(metavar="list|lint|test|new|explain|schema|pack", required=True)
    add_writing_commands(acts)
    add_pack_commands(acts)
    listing = acts.add_parser("list", help="every collector, bundle, known issue and fix")
    listing.set_defaults(run=_list)
    checking = acts.add_parser("lint", help="every problem of catalog files, with file and line")
    checking.set_defaults(run=_lint)
    testing = acts.add_parser("test", help="run the tests that known issues carry")
    testing.set_defaults(run=_test)
    for parser in (checking, testing):
        parser.add_argument(
            "path", type=Path, nargs="?", metavar="PATH", help="file or folder; else the shipped catalog"
        )
    for parser in (listing, checking, testing):
        add_output_options(parser)


def _list(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    for kind, item in _items(load_catalog()):
        printer.object(
            {"kind": kind, "id": item.id, "version": item.version, "title": item.title, "digest": item.digest}
        )
        if not printer.json:
            printer.value("id", item.id, f"{kind:<11} {item.id:<36} {item.version:>3}  {item.title}")
    return Exit.DONE


def _items(catalog: Catalog) -> list[tuple[str, Item]]:
    shelves: list[tuple[str, dict[str, Item]]] = [
        ("collector", {**catalog.collectors}),
        ("bundle", {**catalog.bundles}),
        ("issue", {**catalog.issues}),
        ("fix", {**catalog.fixes}),
    ]
    return [(kind, shelf[name]) for kind, shelf in shelves for name in sorted(shelf)]


def _lint(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    _, problems = lint(arguments.path or shipped_folder())
    _print_problems(printer, problems)
    if not problems:
        printer.line("no problem found")
    return Exit.USAGE if problems else Exit.DONE


def _test(arguments: argparse.Namespace) -> int:
    """Exit 1 when a test fails, 2 when the files do not even hold together."""
    printer = Printer(arguments)
    path = arguments.path or shipped_folder()
    reading, problems = lint(path)
    if problems:
        _print_problems(printer, problems)
        return Exit.USAGE
    passed = failed = 0
    for (kind, name), document in reading.documents.items():
        if kind != "KnownIssue" or not _within(Path(document.file), path):
            continue
        for test, expected, got in run_tests(reading.catalog.issues[name], reading.catalog):
            good = expected == got
            passed, failed = passed + good, failed + (not good)
            _print_test(printer, name, test, expected, got)
    printer.line(f"{passed} passed, {failed} failed")
    return Exit.FAILED if failed else Exit.DONE


def _print_problems(printer: Printer, problems: list[Problem]) -> None:
    for problem in problems:
        printer.object({"file": problem.file, "line": problem.line, "problem": problem.sentence})
        if not printer.json:
            printer.value("problem", str(problem))


def _print_test(printer: Printer, issue: str, test: str, expected: tuple[str, ...], got: tuple[str, ...]) -> None:
    good = expected == got
    printer.object({"issue": issue, "test": test, "expected": expected, "got": got, "passed": good})
    if not printer.json:
        detail = "" if good else f": expected {', '.join(expected) or 'nothing'}, got {', '.join(got) or 'nothing'}"
        printer.value("test", f"{'ok' if good else 'FAILED'}  {issue}: {test}{detail}")


def _within(file: Path, path: Path) -> bool:
    return file.resolve() == path.resolve() or path.resolve() in file.resolve().parents

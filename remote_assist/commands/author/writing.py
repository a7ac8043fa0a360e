"""`kb new`, `kb explain`, `kb schema`: for whoever writes known issues and fixes."""

import argparse
import json
from pathlib import Path

from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.catalog.model import Catalog
from remote_assist.diagnostics.catalog_explain import Item, explain
from remote_assist.diagnostics.catalog_schema import catalog_schema
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.catalog_templates import TEMPLATES, new_document
from remote_assist.errors import Exit, UsageError
from remote_assist.technician.evidence import catalog


def add_writing_commands(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `new`, `explain` and `schema`."""
    making = acts.add_parser("new", help="a file to start from, which lints and tests at once")
    making.add_argument("kind", choices=sorted(TEMPLATES))
    making.add_argument("id", metavar="ID", help="for example acme.raid-degraded")
    making.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write it; else standard output")
    making.set_defaults(run=_new)
    explaining = acts.add_parser("explain", help="one item in plain words")
    explaining.add_argument("id", metavar="ID")
    explaining.set_defaults(run=_explain)
    schema = acts.add_parser("schema", help="JSON Schema of catalog files, for editors")
    schema.set_defaults(run=_schema)
    for parser in (making, explaining, schema):
        add_output_options(parser)


def _new(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    text = new_document(arguments.kind, arguments.id)
    if arguments.output is None:
        for line in text.splitlines():
            printer.value("text", line)
        return Exit.DONE
    try:
        with arguments.output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{arguments.output}: {error.strerror}") from error
    printer.value("file", str(arguments.output), f"{arguments.output}: now `remote-assist kb lint` and `kb test` it.")
    return Exit.DONE


def _explain(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    known = catalog()
    lines = explain(_find(arguments.id, known), known)
    printer.object({"id": arguments.id, "lines": lines})
    if not printer.json:
        for line in lines:
            printer.value("line", line)
    return Exit.DONE


def _find(name: str, known: Catalog) -> Item:
    shelves: list[dict[str, Item]] = [{**known.issues}, {**known.fixes}, {**known.collectors}, {**known.bundles}]
    for shelf in shelves:
        if name in shelf:
            return shelf[name]
    names = [each for shelf in shelves for each in shelf]
    raise UsageError(f"there is nothing called '{name[:60]}' in the catalog{near(name, names)}")


def _schema(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    schema = catalog_schema()
    printer.object(schema)
    if not printer.json:
        for line in json.dumps(schema, indent=1).splitlines():
            printer.value("schema", line)
    return Exit.DONE

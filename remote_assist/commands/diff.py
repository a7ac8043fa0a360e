"""`diff`: what changed on a machine between two bundles, offline."""

import argparse
import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.errors import Exit
from remote_assist.transport.bundle_keys import private_key

if TYPE_CHECKING:  # only a name for types: it loads the rule engine
    from remote_assist.core.watching.bundle_difference import Change

MARKS = {"added": "+", "removed": "-", "changed": "~", "unknown": "?"}


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `diff`."""
    parser = verbs.add_parser(
        "diff",
        help="what changed between two bundles of a machine",
        description="Packages, services, ports, configuration files (by digest), disks, mounts, interfaces, routes, "
        "users, jobs, containers, and findings that appeared or went. Reads files only; a difference is not a failure.",
    )
    parser.add_argument("before", type=Path, metavar="A", help="the older bundle file")
    parser.add_argument("after", type=Path, metavar="B", help="the newer bundle file")
    parser.add_argument("--key", metavar="KEY", type=Path, help="the private key sealed bundles open with")
    add_output_options(parser)
    parser.set_defaults(run=_diff)


async def _diff(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.evidence import compare_bundles

    printer = Printer(arguments)
    key = private_key(arguments.key)
    compared = await asyncio.to_thread(compare_bundles, arguments.before, arguments.after, key)
    for note in compared.notes:
        printer.note(note)
    for change in compared.changes:
        printer.object(change)
        if not printer.json:
            printer.value("change", f"{change.kind} {change.name}", _line(change))
    counted = Counter(change.change for change in compared.changes)
    words = ", ".join(f"{count} {change}" for change, count in sorted(counted.items()))
    printer.line(words or "nothing changed")
    return Exit.DONE


def _line(change: "Change") -> str:
    was = f"{change.before} → {change.after}" if change.change == "changed" else change.before or change.after
    return f"{MARKS[change.change]} {change.kind:<13} {change.name}   {was}".rstrip()

"""`preview`: every command and file a bundle reads on this machine, and how long it takes, before anything is read."""

import argparse
import os
import sys

from remote_assist.commands.plan_lines import estimate_line
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.catalog.estimates import estimate
from remote_assist.errors import Exit

PLATFORMS = {"darwin": "macos", "win32": "windows"}


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `preview`."""
    parser = verbs.add_parser(
        "preview",
        help="every command and file a bundle reads here, before anything is read",
        description="Reads nothing of this machine. What you do not want read, leave out with `join --strike ITEM`. "
        "`*` stands for one name or word, `**` for anything.",
    )
    parser.add_argument("bundle", nargs="?", default="full", metavar="BUNDLE", help="which bundle (full)")
    add_output_options(parser)
    parser.set_defaults(run=_preview)


def _preview(arguments: argparse.Namespace) -> int:
    from remote_assist.agent.look_history import LookHistory
    from remote_assist.commands.customer.join import home_folder
    from remote_assist.diagnostics.catalog_loader import load_catalog
    from remote_assist.diagnostics.preview import preview

    printer = Printer(arguments)
    catalog = load_catalog()
    items = preview(catalog, arguments.bundle, PLATFORMS.get(sys.platform, "linux"))
    for item in items:
        printer.object(item)
        if not printer.json:
            printer.value("item", item.collector, f"{item.collector:<18} {item.sensitivity:<8}  {item.title}")
        for read in item.reads:
            printer.line(f"    {read}")
    earlier = LookHistory(home_folder(os.environ)).earlier()
    expected = estimate(catalog.bundles[arguments.bundle], catalog.collectors, earlier)
    printer.object({"estimate": expected})
    printer.line(estimate_line(expected))
    return Exit.DONE

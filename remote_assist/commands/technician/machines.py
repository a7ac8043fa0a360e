"""The verb machines: the same command or bundle on many machines behind one customer's."""

import argparse
import asyncio
import base64
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.commands.technician.run import keep_words_after_dashes
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.requests import KIND_DATA
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import Exit, UsageError

if TYPE_CHECKING:  # only names for types
    from collections.abc import Callable

    from remote_assist.core.findings import Finding
    from remote_assist.technician.machines import Result
    from remote_assist.technician.session import Session

MAX_OUTPUT_BYTES = 1 << 20
"""Output of one machine's program that is kept."""


def add_commands(verbs: Any) -> None:
    """Add machines."""
    parser = verbs.add_parser(
        "machines",
        help="run a program or collect a bundle on many machines behind the customer's",
        description="Do the same on every machine of --on and --inventory, a few at a time. The customer must have "
        "allowed hop=PLACE for each. One that fails costs the others nothing; exit 1 says that some failed.",
        usage="remote-assist machines [options] SESSION [-- PROGRAM ARGUMENT…]",
    )
    add_technician_options(parser)
    add_session_argument(parser)
    parser.add_argument("--on", metavar="PLACE", action="append", default=[], help="ssh://USER@HOST[:PORT]; repeated")
    parser.add_argument("--inventory", metavar="FILE", type=Path, help="places, one a line; # begins a comment")
    parser.add_argument("--at-once", metavar="N", type=int, default=10, help="machines at the same time (10)")
    parser.add_argument("--bundle", metavar="NAME", default="first-look", help="which bundle (first-look)")
    parser.add_argument("-o", "--output", metavar="FILE.tar", type=Path, help="one file of all bundles")
    parser.epilog = "Everything after -- is a program and its arguments, which is run on each machine instead."
    keep_words_after_dashes(parser)
    parser.set_defaults(run=_machines)


async def _machines(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.machines import checked, read_inventory

    session = checked_session(arguments.session)
    named = [str(parse_hop(place)) for place in arguments.on]
    listed = read_inventory(arguments.inventory) if arguments.inventory else ()
    places = checked([*named, *listed])
    if not 1 <= arguments.at_once <= len(places) + 64:
        raise UsageError("--at-once is from 1 to the number of machines")
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk, await desk.connect(session) as connected:
        if arguments.argv:
            return await _run(arguments, printer, connected, places)
        return await _diagnose(arguments, printer, connected, places)


async def _run(arguments: argparse.Namespace, printer: Printer, session: "Session", places: tuple[str, ...]) -> int:
    from remote_assist.technician.machines import on_each

    async def run(there: "Session") -> tuple[int, bytes, bytes]:
        kept: dict[bool, bytearray] = {True: bytearray(), False: bytearray()}

        def keep(kind: int, raw: bytes) -> None:
            into = kept[kind == KIND_DATA]
            into += raw[: max(0, MAX_OUTPUT_BYTES - len(into))]

        done = await there.run(arguments.argv, on_output=keep)
        return done.exit, bytes(kept[True]), bytes(kept[False])

    def tell(result: "Result[tuple[int, bytes, bytes]]") -> None:
        status, out, err = result.value or (Exit.REMOTE_STATUS_UNKNOWN, b"", b"")
        printer.object(
            {
                "on": result.place,
                "status": status,
                "stdout": base64.b64encode(out).decode(),
                "stderr": base64.b64encode(err).decode(),
                "error": result.error,
            }
        )
        printer.line(f"— {result.place}: {result.error or f'exit {status}'}")
        for raw in (out, err):
            for line in raw.splitlines():
                printer.line(safe_text(line))

    results = await on_each(session, places, run, at_once=arguments.at_once, done=tell)
    return Exit.FAILED if any(result.value is None or result.value[0] for result in results) else Exit.DONE


async def _diagnose(
    arguments: argparse.Namespace, printer: Printer, session: "Session", places: tuple[str, ...]
) -> int:
    from remote_assist.technician.machines import on_each
    from remote_assist.technician.many_bundles import write_many

    out = arguments.output or Path(f"{session.id}-{arguments.bundle}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar")
    if out.suffix != ".tar":
        raise UsageError("the file of many bundles ends in .tar", advice=f"Write -o {out.with_suffix('.tar').name}.")

    async def collect(there: "Session") -> Path:
        return (await there.collect(arguments.bundle)).path

    def tell(result: "Result[Path]") -> None:
        printer.line(f"{result.place}: {safe_text(HostileStr(result.error or f'{result.seconds:.1f} s'))}")

    results = await on_each(session, places, collect, at_once=arguments.at_once, done=tell)
    parts = await asyncio.to_thread(write_many, out, session.id, arguments.bundle, results)
    for part in parts:
        printer.object(part)
    printer.value("file", str(out), f"{out}: {sum(not part.error for part in parts)} of {len(parts)} machines")
    return Exit.FAILED if any(part.error for part in parts) else Exit.DONE


async def findings_of_many(printer: Printer, path: Path, show: "Callable[[list[Finding]], None]") -> None:
    """What known issues say about each bundle of a file of many; `show` prints one machine's findings."""
    from remote_assist.technician.evidence import evaluate_bundle
    from remote_assist.technician.many_bundles import read_many

    with tempfile.TemporaryDirectory(prefix="remote-assist-") as folder:
        for part, bundle in await asyncio.to_thread(read_many, path, Path(folder)):
            printer.object({"on": part.place, "error": part.error})
            printer.line(f"— {safe_text(HostileStr(part.place))}")
            if bundle is None:
                printer.line(f"  no bundle: {safe_text(HostileStr(part.error))}")
                continue
            show(await asyncio.to_thread(evaluate_bundle, bundle))

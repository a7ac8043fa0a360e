"""Verbs that look at the customer's machine: diagnose, findings."""

import argparse
import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.technician.options import (
    add_machine_options,
    add_session_argument,
    add_technician_options,
    checked_session,
    connect,
    machine_place,
    open_desk,
)
from remote_assist.core.catalog.roles import preset_for
from remote_assist.core.codes import is_session_id
from remote_assist.core.durations import parse_duration
from remote_assist.errors import Exit, UnreachableError, UsageError
from remote_assist.transport.bundle_keys import private_key, public_key

if TYPE_CHECKING:  # only names for types: they load SSH and the rule engine
    from remote_assist.core.findings import Finding
    from remote_assist.technician.session import Session

MARKS = {"fail": "✖", "warn": "▲", "unknown": "?", "pass": "✔", "skipped": "–"}
"""Outcome of a finding → the sign before it."""

AUTOMATIC = "auto"
"""Chooses the bundle by the machine's role."""

ONLY_COUNTED = ("pass", "skipped")
"""Outcomes that are only counted unless --all is given."""


def add_commands(verbs: Any) -> None:
    """Add diagnose and findings."""
    diagnose = verbs.add_parser("diagnose", help="collect a bundle of facts")
    add_technician_options(diagnose)
    add_session_argument(diagnose)
    add_machine_options(diagnose)
    diagnose.add_argument(
        "--bundle",
        metavar="NAME",
        default="first-look",
        help="which bundle (first-look); auto: by what the machine is for",
    )
    diagnose.add_argument("--estimate", action="store_true", help="only say how long it will take and how large it is")
    diagnose.add_argument("--since", metavar="2h", default="", help="of logs, only what is so new")
    diagnose.add_argument(
        "--seal-to", metavar="KEY", type=Path, help="seal it on the customer's machine to this public key (PEM, X25519)"
    )
    diagnose.add_argument("-o", "--output", metavar="FILE", type=Path, help="where to keep it (a name with the time)")
    diagnose.set_defaults(run=_diagnose)
    findings = verbs.add_parser(
        "findings",
        help="what known issues say about a bundle",
        description="Of the session's last bundle (first-look is collected when there is none), or of a file, offline.",
    )
    add_technician_options(findings)
    add_machine_options(findings)
    findings.add_argument("what", metavar="SESSION|FILE", help="a session, or a bundle file")
    findings.add_argument("--key", metavar="KEY", type=Path, help="the private key a sealed bundle opens with")
    findings.add_argument("--all", action="store_true", help="also what passed or was skipped")
    findings.set_defaults(run=_findings)


async def _diagnose(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.evidence import default_bundle_name

    session = checked_session(arguments.session)
    if arguments.estimate:
        return await _estimate(arguments, session)
    since = int(parse_duration(arguments.since).total_seconds()) if arguments.since else 0
    progress = ProgressLine()
    async with await open_desk(arguments) as desk, connect(desk, session, arguments) as connected:
        bundle = arguments.bundle
        if bundle == AUTOMATIC:
            bundle = await _preset(connected, desk.session_folder(session).bundle_of(machine_place(arguments)))
        out = arguments.output or Path(default_bundle_name(session, bundle, datetime.now(UTC)))
        try:
            summary = await connected.collect(
                bundle, out, progress, since_seconds=since, seal_to=public_key(arguments.seal_to)
            )
        finally:
            progress.clear()
    printer = Printer(arguments)
    if printer.plain:
        printer.value("file", str(summary.path))
        return Exit.DONE
    printer.object(
        {"file": str(summary.path), **_bundle_facts(summary.size, summary.sha256, summary.seconds)}
        | {"collectors": dict(summary.collectors)}
    )
    counted = ", ".join(f"{count} {status}" for status, count in Counter(summary.collectors.values()).items())
    printer.line(f"{summary.path}  {size_words(summary.size)} in {summary.seconds:.1f} s  {counted}")
    return Exit.DONE


async def _preset(connected: "Session", last: Path) -> str:
    """The bundle for what the machine is for, by the last bundle's facts; a first look is taken when there is none."""
    if not await asyncio.to_thread(last.is_file):
        await connected.findings()
    return await asyncio.to_thread(_preset_by, last)


def _preset_by(last: Path) -> str:
    """The bundle for what the machine is for by its last bundle; a first look where there is none."""
    from remote_assist.technician.evidence import facts_of

    return (preset_for(facts_of(last)) if last.is_file() else "") or "first-look"


def _bundle_facts(size: int, sha256: str, seconds: float) -> dict[str, object]:
    return {"size": size, "sha256": sha256, "seconds": round(seconds, 3)}


async def _estimate(arguments: argparse.Namespace, session: str) -> int:
    """By the agent's reckoning; where it cannot be reached, from the session's last bundle."""
    from remote_assist.commands.plan_lines import estimate_line
    from remote_assist.technician.evidence import expected_bundle

    async with await open_desk(arguments) as desk:
        last = desk.session_folder(session).bundle_of(machine_place(arguments))
        bundle = await asyncio.to_thread(_preset_by, last) if arguments.bundle == AUTOMATIC else arguments.bundle
        try:
            async with connect(desk, session, arguments) as connected:
                expected = await connected.expected(bundle)
        except UnreachableError:
            expected = await asyncio.to_thread(expected_bundle, bundle, last)
    printer = Printer(arguments)
    printer.object(expected)
    if not printer.json:
        printer.value("seconds", expected.seconds, estimate_line(expected))
    return Exit.DONE


async def _findings(arguments: argparse.Namespace) -> int:
    if not arguments.what:
        raise UsageError("the SESSION or FILE is empty", advice="Did `invite` print a session?")
    if is_session_id(arguments.what):
        found = await _findings_of_session(arguments)
    elif arguments.what.endswith(".tar"):
        return await _findings_of_many(arguments)
    else:
        from remote_assist.technician.evidence import evaluate_bundle

        found = await asyncio.to_thread(evaluate_bundle, Path(arguments.what), private_key(arguments.key))
    _print_findings(Printer(arguments), found, everything=arguments.all)
    return Exit.DONE


async def _findings_of_many(arguments: argparse.Namespace) -> int:
    from remote_assist.commands.technician.machines import findings_of_many

    printer = Printer(arguments)
    await findings_of_many(
        printer, Path(arguments.what), lambda found: _print_findings(printer, found, everything=arguments.all)
    )
    return Exit.DONE


async def _findings_of_session(arguments: argparse.Namespace) -> "list[Finding]":
    """From the last bundle without a connection; only without one is the agent asked."""
    from remote_assist.technician.evidence import evaluate_bundle

    async with await open_desk(arguments) as desk:
        bundle = desk.session_folder(arguments.what).bundle_of(machine_place(arguments))
        if bundle.is_file():
            return await asyncio.to_thread(evaluate_bundle, bundle, private_key(arguments.key))
        async with connect(desk, arguments.what, arguments) as connected:
            return await connected.findings()


def _print_findings(printer: Printer, found: "list[Finding]", *, everything: bool) -> None:
    for finding in found:
        if everything or finding.outcome not in ONLY_COUNTED:
            printer.object(finding)
            _print_finding(printer, finding)
    passed = sum(finding.outcome == "pass" for finding in found)
    if passed and not everything:
        printer.line(f"✔ {passed} passed")
    if not found:
        printer.line("no known issue has anything to say about this bundle")


def _print_finding(printer: Printer, finding: "Finding") -> None:
    if printer.plain:
        printer.value("issue", finding.issue)
        return
    mark = MARKS.get(finding.outcome, "?")
    about = f"  [{finding.subject}]" if finding.subject else ""
    told = f"{finding.title}: {finding.message}" if finding.outcome in {"unknown", "skipped"} else finding.message
    printer.line(f"{mark} {finding.severity:<8}  {told or finding.title}{about}")
    if finding.fix:
        parameters = "".join(f" {key}={value}" for key, value in finding.parameters.items())
        printer.line(f"             fix {finding.fix}{parameters}")

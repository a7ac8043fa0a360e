"""Verbs that look at the customer's machine and mend it: diagnose, findings, fix."""

import argparse
import asyncio
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.technician_options import (
    add_machine_options,
    add_session_argument,
    add_technician_options,
    checked_session,
    connect,
    machine_place,
    open_desk,
)
from remote_assist.core.codes import is_session_id
from remote_assist.core.requests import Done, Plan
from remote_assist.errors import AssistError, Exit, RefusedError, UsageError

if TYPE_CHECKING:  # only names for types: they load SSH and the rule engine
    from remote_assist.core.findings import Finding
    from remote_assist.technician.session import Session

MARKS = {"fail": "✖", "warn": "▲", "unknown": "?", "pass": "✔", "skipped": "–"}
"""Outcome of a finding → the sign before it."""

ONLY_COUNTED = ("pass", "skipped")
"""Outcomes that are only counted unless --all is given."""


def add_commands(verbs: Any) -> None:
    """Add diagnose, findings and fix."""
    diagnose = verbs.add_parser("diagnose", help="collect a bundle of facts")
    add_technician_options(diagnose)
    add_session_argument(diagnose)
    add_machine_options(diagnose)
    diagnose.add_argument("--bundle", metavar="NAME", default="first-look", help="which bundle (first-look)")
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
    findings.add_argument("--all", action="store_true", help="also what passed or was skipped")
    findings.set_defaults(run=_findings)
    fix = verbs.add_parser(
        "fix",
        help="plan or apply a known fix",
        description="Show the plan of a fix; ask; run it. Parameters come from the session's last findings.",
    )
    add_technician_options(fix)
    add_session_argument(fix)
    add_machine_options(fix)
    fix.add_argument("fix", metavar="FIX", help="the fix, as findings name it")
    fix.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a parameter; may be repeated")
    fix.add_argument("--plan", action="store_true", help="only show the plan; change nothing")
    fix.add_argument("--yes", action="store_true", help="do not ask here; the customer's consent still decides")
    fix.set_defaults(run=_fix)


async def _diagnose(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.evidence import default_bundle_name

    session = checked_session(arguments.session)
    out = arguments.output or Path(default_bundle_name(session, arguments.bundle, datetime.now(UTC)))
    progress = ProgressLine()
    async with await open_desk(arguments) as desk, await connect(desk, session, arguments) as connected:
        try:
            summary = await connected.collect(arguments.bundle, out, progress)
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


def _bundle_facts(size: int, sha256: str, seconds: float) -> dict[str, object]:
    return {"size": size, "sha256": sha256, "seconds": round(seconds, 3)}


async def _findings(arguments: argparse.Namespace) -> int:
    if not arguments.what:
        raise UsageError("the SESSION or FILE is empty", advice="Did `invite` print a session?")
    if is_session_id(arguments.what):
        found = await _findings_of_session(arguments)
    else:
        from remote_assist.technician.evidence import evaluate_bundle

        found = await asyncio.to_thread(evaluate_bundle, Path(arguments.what))
    _print_findings(Printer(arguments), found, everything=arguments.all)
    return Exit.DONE


async def _findings_of_session(arguments: argparse.Namespace) -> "list[Finding]":
    """From the last bundle without a connection; only without one is the agent asked."""
    from remote_assist.technician.evidence import evaluate_bundle

    async with await open_desk(arguments) as desk:
        bundle = desk.session_folder(arguments.what).bundle_of(machine_place(arguments))
        if bundle.is_file():
            return await asyncio.to_thread(evaluate_bundle, bundle)
        async with await connect(desk, arguments.what, arguments) as connected:
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


async def _fix(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    chosen = parse_settings(arguments.set)
    async with await open_desk(arguments) as desk, await connect(desk, session, arguments) as connected:
        bundle = desk.session_folder(session).bundle_of(machine_place(arguments))
        request = await asyncio.to_thread(_request, arguments.fix, chosen, bundle)
        plan = await connected.plan(request.fix, request.version, request.digest, request.parameters)
        printer = Printer(arguments)
        _print_plan(printer, plan)
        if arguments.plan:
            return Exit.DONE
        if not plan.runnable:
            raise RefusedError(f"this plan cannot run: {plan.why_not}", reason="not-runnable")
        await _confirm(arguments)
        return await _apply(printer, connected, plan)


def _request(fix: str, chosen: dict[str, str], bundle: Path) -> Any:
    from remote_assist.technician.evidence import evaluate_bundle, parameters_for, plan_request

    defaults: dict[str, str] = {}
    if bundle.is_file():
        defaults = parameters_for(fix, evaluate_bundle(bundle), chosen)
    return plan_request(fix, {**defaults, **chosen})


def parse_settings(words: list[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping. Raises UsageError."""
    found: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not key or not sign:
            raise UsageError(f"'{word[:60]}' is not KEY=VALUE", advice="Write --set unit=nginx.service.")
        if key in found:
            raise UsageError(f"'{key}' is set twice")
        found[key] = value
    return found


async def _confirm(arguments: argparse.Namespace) -> None:
    """Ask here, on the terminal. Raises UsageError without one, RefusedError for a no."""
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to run this plan", advice="Add --yes, or --plan to only look.")
    sys.stderr.write("run this plan? [y/N] ")
    sys.stderr.flush()
    answer = await asyncio.to_thread(sys.stdin.readline)
    if answer.strip().lower() not in {"y", "yes"}:
        raise RefusedError("the plan was not run", reason="declined")


async def _apply(printer: Printer, connected: "Session", plan: Plan) -> int:
    progress = ProgressLine()
    try:
        done = await connected.apply(plan.digest, progress)
    finally:
        progress.clear()
    _print_outcome(printer, done)
    if done.status not in {"resolved", "done"}:
        raise AssistError(done.sentence or f"the fix ended {done.status}")
    return Exit.DONE


def _print_outcome(printer: Printer, done: Done) -> None:
    if printer.plain:
        printer.value("status", done.status)
        return
    printer.object({"status": done.status, "sentence": done.sentence})
    printer.line(f"{done.status}{': ' if done.sentence else ''}{done.sentence}")


def _print_plan(printer: Printer, plan: Plan) -> None:
    if printer.plain:
        printer.value("plan", plan.digest)
        return
    printer.object(plan)
    for line in plan_lines(plan):
        printer.line(line)


def plan_lines(plan: Plan) -> list[str]:
    """A plan as people read it before they say yes."""
    lines = [f"{plan.title}  (risk: {plan.risk})", f"consent    {plan.consent}"]
    lines += [f"precheck   {check}" for check in plan.prechecks]
    for number, step in enumerate(plan.steps, 1):
        change = f"   {step.before} → {step.after}" if step.before or step.after else ""
        lines.append(f"{number:<3}        {step.name}{change}   undo: {step.undo or 'none'}")
        if step.blocked:
            lines.append(f"           blocked: {step.blocked}")
    lines += [f"verify     {check}" for check in plan.verify]
    lines.append(f"plan       {plan.digest}")
    if not plan.runnable:
        lines.append(f"cannot run: {plan.why_not}")
    return lines

"""Verbs that mend the customer's machine: fix, and approve for a colleague's plan of high risk."""

import argparse
import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.plan_lines import plan_lines
from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine
from remote_assist.commands.technician.options import (
    add_machine_options,
    add_technician_options,
    ask_passphrase,
    checked_session,
    connect,
    machine_place,
    open_desk,
    technician_settings,
)
from remote_assist.core.requests import Done, Plan
from remote_assist.errors import AssistError, Exit, RefusedError, UsageError

if TYPE_CHECKING:  # only names for types: they load SSH and the rule engine
    from remote_assist.core.identity.approval import Approval
    from remote_assist.technician.desk import Desk
    from remote_assist.technician.session import Session

MAX_SESSIONS = 50
DIGEST_CHARS = 64


def add_commands(verbs: Any) -> None:
    """Add fix and approve."""
    fix = verbs.add_parser(
        "fix",
        help="plan or apply a known fix",
        description="Show the plan of a fix; ask; run it. Parameters come from the session's last findings. With "
        "several sessions every plan is shown, and their number must be typed.",
    )
    add_technician_options(fix)
    fix.add_argument("sessions", metavar="SESSION", nargs="+", help="one session, or several")
    add_machine_options(fix)
    fix.add_argument("fix", metavar="FIX", help="the fix, as findings name it")
    fix.add_argument("--patience", metavar="15m", default="", help="how long a cut connection may take to come back")
    fix.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a parameter; may be repeated")
    fix.add_argument("--plan", action="store_true", help="only show the plan; change nothing")
    fix.add_argument("--apply", metavar="DIGEST", default="", help="run a plan that --plan showed")
    fix.add_argument("--approval", metavar="FILE", type=Path, help="a colleague's `approve`, for a plan of high risk")
    fix.add_argument("--yes", action="store_true", help="do not ask here; the customer's consent still decides")
    fix.add_argument("--count", metavar="N", type=int, default=0, help="with --yes: the number of sessions, typed")
    fix.set_defaults(run=_fix)
    approving = verbs.add_parser(
        "approve",
        help="approve a colleague's plan of high risk",
        description="Sign one plan of one session with your key. Let your colleague show you the plan first.",
    )
    add_technician_options(approving)
    approving.add_argument("session", metavar="SESSION")
    approving.add_argument("digest", metavar="PLAN-DIGEST", help="as `fix --plan` shows it")
    approving.add_argument("-o", "--output", metavar="FILE", type=Path, help="where to write it; else standard output")
    approving.set_defaults(run=_approve)


@dataclass(frozen=True, slots=True)
class _Planned:
    """One session with the plan that is to be run there."""

    session: str
    connected: "Session"
    digest: str


async def _fix(arguments: argparse.Namespace) -> int:
    sessions = [checked_session(each) for each in arguments.sessions]
    _check_fix(arguments, sessions)
    parse_settings(arguments.set)
    approval = _approval(arguments.approval)
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk, contextlib.AsyncExitStack() as stack:
        planned = [await _plan(arguments, printer, desk, session, stack) for session in sessions]
        if arguments.plan:
            return Exit.DONE
        await _confirm(arguments, len(planned))
        if len(planned) == 1:
            return await _apply(printer, planned[0], approval)
        return await _apply_all(printer, planned, approval)


def _check_fix(arguments: argparse.Namespace, sessions: list[str]) -> None:
    if len(set(sessions)) != len(sessions):
        raise UsageError("a session is named twice")
    if len(sessions) > MAX_SESSIONS:
        raise UsageError(f"at most {MAX_SESSIONS} sessions at once")
    if len(sessions) > 1 and (arguments.apply or arguments.approval):
        raise UsageError("--apply and --approval are for one session: every machine has a plan of its own")


def _approval(file: Path | None) -> "Approval | None":
    if file is None:
        return None
    from remote_assist.core.identity.approval import MAX_APPROVAL_BYTES, read_approval

    try:
        with file.open("rb") as stream:
            return read_approval(stream.read(MAX_APPROVAL_BYTES + 1))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


async def _plan(
    arguments: argparse.Namespace, printer: Printer, desk: "Desk", session: str, stack: contextlib.AsyncExitStack
) -> _Planned:
    """Show a session's plan. Raises RefusedError for one that cannot run, unless it is only to be shown."""
    connected = await stack.enter_async_context(connect(desk, session, arguments))
    if arguments.apply:
        return _Planned(session, connected, arguments.apply)
    bundle = desk.session_folder(session).bundle_of(machine_place(arguments))
    request = await asyncio.to_thread(_request, arguments.fix, parse_settings(arguments.set), bundle)
    plan = await connected.plan(request.fix, request.version, request.digest, request.parameters)
    if len(arguments.sessions) > 1:
        printer.line(f"── {session}")
    _print_plan(printer, plan)
    if not plan.runnable and not arguments.plan:
        raise RefusedError(f"the plan for {session} cannot run: {plan.why_not}", reason="not-runnable")
    return _Planned(session, connected, plan.digest)


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


async def _confirm(arguments: argparse.Namespace, count: int) -> None:
    """Ask here; for several machines, for their number. UsageError without a terminal, RefusedError for a no."""
    if arguments.yes:
        if count > 1 and arguments.count != count:
            raise UsageError(f"this runs on {count} machines", advice=f"Add --count {count} to --yes, or leave --yes.")
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked whether to run this plan", advice="Add --yes, or --plan to only look.")
    question = "run this plan? [y/N] " if count == 1 else f"run these plans on {count} machines? type the number: "
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = (await asyncio.to_thread(sys.stdin.readline)).strip().lower()
    if answer not in ({"y", "yes"} if count == 1 else {str(count)}):
        raise RefusedError("the plan was not run", reason="declined")


async def _apply(printer: Printer, planned: _Planned, approval: "Approval | None") -> int:
    done = await _applied(planned, approval)
    _print_outcome(printer, done)
    if done.status not in {"resolved", "done", "restarting"}:
        raise AssistError(done.sentence or f"the fix ended {done.status}")
    return Exit.DONE


async def _applied(planned: _Planned, approval: "Approval | None") -> Done:
    progress = ProgressLine()
    try:
        return await planned.connected.apply(planned.digest, progress, approval=approval)
    finally:
        progress.clear()


async def _apply_all(printer: Printer, planned: list[_Planned], approval: "Approval | None") -> int:
    """One machine after the other; what goes wrong on one does not stop the next. Exit 1 unless all were resolved."""
    wrong = 0
    for each in planned:
        try:
            done = await _applied(each, approval)
            status, sentence = done.status, done.sentence
        except AssistError as error:
            status, sentence = "failed", error.message
        wrong += status not in {"resolved", "done", "restarting"}
        printer.object({"session": each.session, "status": status, "sentence": sentence})
        if not printer.json:
            printer.value("status", status, f"{each.session}  {status}{': ' if sentence else ''}{sentence}")
    printer.line(f"{len(planned) - wrong} of {len(planned)} machines resolved")
    return Exit.FAILED if wrong else Exit.DONE


async def _approve(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    digest = str(arguments.digest).lower()
    if len(digest) != DIGEST_CHARS or not all(each in "0123456789abcdef" for each in digest):
        raise UsageError("a plan is named by its whole digest, 64 hexadecimal digits", advice="`fix --plan` shows it.")
    from remote_assist.core.identity.approval import approval_text
    from remote_assist.technician.approving import approve_plan

    settings = technician_settings(arguments, os.environ)
    raw = approval_text(await asyncio.to_thread(approve_plan, settings.home, session, digest, ask_passphrase))
    printer = Printer(arguments)
    if arguments.output is None:
        printer.value("approval", raw.decode().strip())
        return Exit.DONE
    try:
        arguments.output.write_bytes(raw)
    except OSError as error:
        raise UsageError(f"{arguments.output}: {error.strerror}") from error
    told = f"{arguments.output}: hand it to your colleague; it serves this plan only."
    printer.value("file", str(arguments.output), told)
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

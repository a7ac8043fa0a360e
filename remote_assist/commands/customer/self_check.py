"""`self-check`: diagnose this machine here, offline; mend what is safe; save a bundle for whoever helps."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import ProgressLine, size_words
from remote_assist.commands.relay_options import add_relay_options, relay_origins
from remote_assist.core.chat import MAX_CHARS
from remote_assist.errors import AssistError, Exit, RefusedError, UsageError
from remote_assist.transport.bundle_keys import public_key

if TYPE_CHECKING:  # only names for types: they load the rule engine
    from remote_assist.agent.alone.self_check import Checked, SelfCheck
    from remote_assist.agent.fixes.undo_journal import UndoFile
    from remote_assist.core.findings import Finding
    from remote_assist.diagnostics.fixes import FixResult, PreparedPlan

YES = frozenset({"y", "yes"})
MOST_IN_WORDS = 10
"""Findings told to whoever is asked in; they can look for themselves."""


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `self-check`."""
    parser = verbs.add_parser(
        "self-check",
        help="diagnose this machine here, offline, and show what was found",
        description="Looks at this computer's state as a technician's first look would; nothing leaves this machine. "
        "In a terminal it offers safe fixes, to save a redacted bundle to send to your support and, where a relay is "
        "named, to let a technician look (`ask`).",
    )
    parser.add_argument("--fix", metavar="FIX", help="mend what was found by this fix, as the findings name it")
    parser.add_argument("--yes", action="store_true", help="run the plan of --fix without asking")
    parser.add_argument("--save", metavar="FILE", type=Path, help="save a redacted bundle (a new file)")
    parser.add_argument("--seal-to", metavar="KEY", type=Path, help="seal it to this public key (PEM, X25519)")
    parser.add_argument("--settle", choices=("undo", "leave"), help="what to do with a fix that was stopped midway")
    parser.add_argument("--services", metavar="FOLDER", type=Path, help="services of the `process` kind live here")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    add_relay_options(parser, otherwise="; only for asking a technician in")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="the organisation's ca.pub, for asking a technician in")
    parser.set_defaults(run=_self_check)


async def _self_check(arguments: argparse.Namespace) -> int:
    from remote_assist.agent.alone.self_check import SelfCheck
    from remote_assist.agent.keeper import system_moment
    from remote_assist.commands.customer.join import home_folder, services_folder

    if arguments.seal_to is not None and arguments.save is None:
        raise UsageError("--seal-to says how to save a bundle", advice="Add --save FILE.")
    printer = Printer(arguments)
    home = home_folder(os.environ)
    check = SelfCheck(home, services_folder(arguments), system_moment, secrets.token_bytes, lambda line: None)
    await _settle(printer, check, arguments.settle)
    checked = await check.look()
    await _print_findings(printer, check, checked)
    if arguments.fix:
        await _mend(printer, check, _offered(checked.findings, arguments.fix), sure=arguments.yes)
    if arguments.save:
        await _save(printer, check, arguments.save, public_key(arguments.seal_to))
    elif not arguments.fix and not printer.json and sys.stdin.isatty() and sys.stdout.isatty():
        return await _offer(printer, check, checked, arguments)
    return Exit.DONE


async def _print_findings(printer: Printer, check: "SelfCheck", checked: "Checked") -> None:
    for number, finding in enumerate(checked.findings, 1):
        printer.object(finding)
        subject = f" ({finding.subject})" if finding.subject else ""
        printer.line(f"{number:>2}  {finding.severity:<8} {finding.title}{subject}")
        printer.line(f"             {finding.message}")
        for line in finding.explanation.splitlines() if finding.outcome != "unknown" else ():
            printer.line(f"             {line}")
        if finding.fix:
            here = await check.is_safe(finding)
            printer.line(
                f"             {'fix' if here else 'a technician can offer'} {finding.fix}: {finding.fix_title}"
            )
    if checked.blind:
        printer.note(f"could not be looked at: {', '.join(checked.blind)}")
    printer.line(f"{len(checked.findings)} found, {checked.passed} checks passed; nothing left this computer")


async def _offer(printer: Printer, check: "SelfCheck", checked: "Checked", arguments: argparse.Namespace) -> int:
    """At a terminal: mend, save, ask for help, until the customer has had enough; the exit code."""
    mendable = {n: each for n, each in enumerate(checked.findings, 1) if each.fix and await check.is_safe(each)}
    can_ask = bool(relay_origins(arguments, os.environ))
    help_keys = "a let a technician look   h write to your support" if can_ask else "h ask for help"
    while True:
        numbers = f"{', '.join(map(str, mendable))} mend that   " if mendable else ""
        answer = await _asked(f"{numbers}s save a bundle   {help_keys}   Enter end: ")
        try:
            if not answer or answer == "q":
                return Exit.DONE
            if answer == "s":
                await _save(printer, check, _fresh_name(check), b"")
            elif answer == "h":
                await _ask_for_help(printer, check, checked)
            elif answer == "a" and can_ask:
                return await _ask_in(arguments, checked)
            elif answer.isdecimal() and int(answer) in mendable:
                await _mend(printer, check, mendable[int(answer)], sure=False)
                mendable.pop(int(answer))
            else:
                printer.line(f"'{answer[:20]}' is none of these")
        except AssistError as error:
            printer.line(f"{error.message}{f' {error.advice}' if error.advice else ''}")


async def _ask_in(arguments: argparse.Namespace, checked: "Checked") -> int:
    """`ask`, with what was found as the first words: the technician reads them once the customer let them in."""
    from remote_assist.commands.customer.ask import ask_for_help, ask_options

    named = {name: getattr(arguments, name) for name in ("relay", "proxy", "ca_file", "ca", "services")}
    return await ask_for_help(ask_options(message=_in_words(checked), **named))


def _in_words(checked: "Checked") -> str:
    """What was found, short enough for one line of chat."""
    found = [f"{each.title}{f' ({each.subject})' if each.subject else ''}" for each in checked.findings]
    shown = "; ".join(found[:MOST_IN_WORDS]) or "nothing"
    more = f"; and {len(found) - MOST_IN_WORDS} more" if len(found) > MOST_IN_WORDS else ""
    return f"My self-check found: {shown}"[: MAX_CHARS - len(more)] + more


def _offered(findings: "Sequence[Finding]", fix: str) -> "Finding":
    for finding in findings:
        if finding.fix == fix:
            return finding
    known = sorted({finding.fix for finding in findings if finding.fix})
    advice = f"They offer: {', '.join(known)}." if known else "They offer none."
    raise UsageError(f"nothing that was found here offers the fix '{fix[:80]}'", advice=advice)


async def _mend(printer: Printer, check: "SelfCheck", finding: "Finding", *, sure: bool) -> None:
    from remote_assist.commands.plan_lines import plan_lines

    prepared = await check.plan(finding)
    printer.object(prepared.plan)
    for line in plan_lines(prepared.plan):
        printer.line(line)
    if not prepared.plan.runnable:
        raise RefusedError(f"this plan cannot run: {prepared.plan.why_not}", reason="not-runnable")
    if not sure:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked whether to run this plan", advice="Add --yes.")
        if (await _asked("run exactly this? [y/N] ")) not in YES:
            raise RefusedError("the plan was not run", reason="declined")
    await _apply(printer, check, prepared)


async def _apply(printer: Printer, check: "SelfCheck", prepared: "PreparedPlan") -> None:
    progress = ProgressLine()
    try:
        result = await check.apply(prepared, progress)
    finally:
        progress.clear()
    _print_result(printer, result)
    if result.status not in {"resolved", "restarting"}:
        raise AssistError(result.sentence or f"the fix ended {result.status}")


def _print_result(printer: Printer, result: "FixResult") -> None:
    printer.object({"status": result.status, "sentence": result.sentence})
    printer.line(f"{result.status}{': ' if result.sentence else ''}{result.sentence}")


async def _settle(printer: Printer, check: "SelfCheck", chosen: str | None) -> None:
    """First of all: a fix an earlier self-check was stopped in."""
    for undo in check.half_applied():
        decision = chosen or await _decision(printer, undo)
        if decision:
            _print_result(printer, await check.settle(undo, undo_it=decision == "undo"))


async def _decision(printer: Printer, undo: "UndoFile") -> str:
    steps = ", ".join(step for step, _ in undo.records)
    if not sys.stdin.isatty():
        printer.note(f"a fix was stopped midway ({steps}); decide with --settle undo or --settle leave")
        return ""
    answer = await _asked(f"A fix was stopped midway: {steps}. Undo what it did? [y = undo, n = leave, Enter = later] ")
    return "undo" if answer in YES else "leave" if answer in {"n", "no"} else ""


async def _save(printer: Printer, check: "SelfCheck", path: Path, seal_to: bytes) -> None:
    path = _new_place(path)
    progress = ProgressLine()
    try:
        summary = await check.save(path, seal_to=seal_to, progress=progress)
    finally:
        progress.clear()
    taken: dict[str, int] = {}
    for item in summary.items:
        for kind, count in item.redacted.items():
            taken[kind] = taken.get(kind, 0) + count
    printer.object({"file": str(path), "size": summary.size, "sealed": bool(seal_to), "taken_out": taken})
    words = ", ".join(f"{count} × {kind}" for kind, count in sorted(taken.items())) or "nothing"
    printer.line(f"{path}  {size_words(summary.size)}, taken out: {words}")


def _new_place(path: Path) -> Path:
    whole = path.absolute()
    if whole.exists():
        raise UsageError(f"{whole} is already there", advice="Choose a new name.")
    if not whole.parent.is_dir():
        raise UsageError(f"there is no folder {whole.parent}")
    return whole


async def _ask_for_help(printer: Printer, check: "SelfCheck", checked: "Checked") -> None:
    """A file to send, and the words to send with it."""
    path = _fresh_name(check)
    await _save(printer, check, path, b"")
    printer.line("")
    printer.line("Send this file to your support by the way you always use, and write:")
    printer.line(f"    I ran remote-assist self-check on {check.now:%Y-%m-%d %H:%M} UTC. It found:")
    for finding in checked.findings[:10] or ():
        printer.line(f"    - {finding.title}{f' ({finding.subject})' if finding.subject else ''}")
    if not checked.findings:
        printer.line("    - nothing")
    printer.line("    What I was doing, and what happens: …")
    printer.line("They open it with: remote-assist findings FILE. To let them look themselves: remote-assist ask")


def _fresh_name(check: "SelfCheck") -> Path:
    return Path.cwd() / f"self-check-{check.now:%Y%m%dT%H%M%SZ}.tar.zst"


async def _asked(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer: str = await asyncio.to_thread(sys.stdin.readline)
    return answer.strip().lower()

"""The verbs that run something: `command` (an argv list) and `powershell` (constant text, Windows only).

Rule: argv items are filled verbatim from checked parameters; no shell is ever involved.
"""

import os
from collections.abc import Sequence

from remote_assist.core.catalog.model import Step
from remote_assist.core.catalog.powershell import powershell_argv, powershell_command
from remote_assist.core.target import Command, Completed
from remote_assist.diagnostics.look import ENVIRONMENT, Look
from remote_assist.diagnostics.planned import Doing, Json, PlannedStep, Surroundings, words_of
from remote_assist.diagnostics.services.unit import is_remote_access
from remote_assist.errors import RefusedError

DRY_RUN_SECONDS = 30.0

_CONTROL_PROGRAMS = frozenset(
    ("systemctl", "service", "kill", "pkill", "killall", "rc-service", "rc-update", "initctl", "launchctl", "sc.exe")
)
_ENDING_PROGRAMS = frozenset(("reboot", "shutdown", "poweroff", "halt", "init", "telinit", "kexec"))
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "cmd.exe", "powershell.exe", "pwsh"))
_RUNNERS = frozenset(("sudo", "env", "nohup", "setsid", "nice", "ionice", "timeout", "doas", "chroot", "unshare"))


# --- command --------------------------------------------------------------------------------------


async def plan_command(step: Step, around: Surroundings) -> PlannedStep:
    """`command: {argv, env, timeout}` with `check` (what a dry run executes) and `undo`."""
    argv = [around.filled(item) for item in words_of(step.arguments["argv"])]
    undo = [around.filled(item) for item in step.undo]
    before = "reads only" if step.readonly else ""
    if step.check:
        dry = [around.filled(item) for item in step.check]
        before = _last_line(await around.look.completed(*dry, timeout_seconds=DRY_RUN_SECONDS))
    record: Json = {"verb": "command", "argv": undo, "env": step.arguments["env"], "timeout": step.arguments["timeout"]}
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"argv": argv, "env": step.arguments["env"], "timeout": step.arguments["timeout"]},
        before=before,
        after="runs " + " ".join(argv),
        undo_text="runs " + " ".join(undo) if undo else _undo_text(step),
        blocked=await _block(argv, around) or await _block(undo, around) or around.root_block,
        undo=(record,) if undo else (),
        irreversible=step.irreversible,
    )


async def do_command(step: PlannedStep, doing: Doing) -> None:
    """Run it; any status but 0 is a failure."""
    argv = tuple(words_of(step.arguments["argv"]))
    extra = step.arguments["env"]
    environment = {**ENVIRONMENT, **(extra if isinstance(extra, dict) else {})}
    seconds = float(str(step.arguments["timeout"]))
    succeeded(argv[0], await doing.target.run(Command(argv, environment=environment, timeout_seconds=seconds)))


def succeeded(program: str, done: Completed) -> None:
    """Raise RefusedError unless a program ended well."""
    if done.timed_out:
        raise RefusedError(f"{program} did not end in time", reason="step")
    if done.status != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
        raise RefusedError(f"{program} ended with status {done.status}{': ' + reason if reason else ''}", reason="step")


def _undo_text(step: Step) -> str:
    if step.irreversible:
        return f"cannot be undone: {step.irreversible}"
    return "the snapshot is restored" if step.undone_by == "snapshot" else "nothing to undo"


async def _block(argv: Sequence[str], around: Surroundings) -> str:
    """Why this program may not run: it would end remote access, end the machine, or hide what it does."""
    if not argv:
        return ""
    names = [word.rpartition("/")[2] for word in argv]
    if names[0] in _RUNNERS | _SHELLS:
        return f"'{names[0]}' would run another program, which nobody could check"
    if names[0] in _ENDING_PROGRAMS:
        return "a restart is a step of its own: 'reboot'"
    if names[0] not in _CONTROL_PROGRAMS:
        return ""
    if is_remote_access(*names[1:]) or (names[0] == "kill" and await _kills_access(argv[1:], around.look)):
        return "refuses to touch a service that gives remote access"
    return ""


async def _kills_access(words: Sequence[str], look: Look) -> bool:
    for word in words:
        if not word.lstrip("-").isdigit():
            continue
        name = (await look.text_or(f"/proc/{word.lstrip('-')}/comm")).strip()
        if word.startswith("-") and len(words) > 1 and word == words[0]:
            continue  # a signal number
        if is_remote_access(name) or int(word) in {0, 1, -1, os.getpid(), os.getppid()}:
            return True
    return False


def _last_line(done: Completed) -> str:
    return done.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]


# --- powershell -----------------------------------------------------------------------------------


async def plan_powershell(step: Step, around: Surroundings) -> PlannedStep:
    """`powershell: text` or `{text, check, undo}`; the fix's parameters are `$p`."""
    if around.look.target.platform != "windows":
        raise RefusedError("PowerShell steps are for Windows")
    values, texts = dict(around.values), step.arguments
    before = "reads only" if step.readonly else ""
    if texts.get("check"):
        dry = await around.look.completed(
            *powershell_argv(str(texts["check"]), values), timeout_seconds=DRY_RUN_SECONDS
        )
        succeeded("powershell.exe", dry)
        before = _last_line(dry)
    undo = str(texts.get("undo") or "")
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"text": texts["text"], "parameters": values, "timeout": texts["timeout"]},
        before=before,
        after=f"runs PowerShell: {texts['text']}",
        undo_text=f"runs PowerShell: {undo}" if undo else _undo_text(step),
        blocked=around.root_block,
        undo=({"verb": "command", "argv": list(powershell_argv(undo, values)), "timeout": 60.0},) if undo else (),
        irreversible=step.irreversible,
    )


async def do_powershell(step: PlannedStep, doing: Doing) -> None:
    """Run the text."""
    given = step.arguments["parameters"]
    command = powershell_command(
        str(step.arguments["text"]),
        given if isinstance(given, dict) else {},
        timeout_seconds=float(str(step.arguments["timeout"])),
    )
    succeeded("powershell.exe", await doing.target.run(command))

"""The verbs a fix may use: each is planned (before → after, undo), then done.

Rule 1: planning changes nothing; it observes, and says what would change and why it may not run (`blocked`).
Rule 2: every change has an undo record made from what was observed before it; diagnostics/undo.py carries it out.
Rule 3: argv items are filled verbatim from checked parameters; no shell is ever involved.
"""

import asyncio
import base64
import difflib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from remote_assist.core.catalog_model import RUNNABLE_VERBS, Step
from remote_assist.core.redaction import Redactor
from remote_assist.core.target import Command, MutableTarget
from remote_assist.core.templates import fill
from remote_assist.diagnostics.look import ENVIRONMENT, Look, Unavailable
from remote_assist.diagnostics.services import Unit, is_remote_access, service_backend
from remote_assist.errors import AssistError, RefusedError

MAX_FILE_BYTES = 1 << 20
DIFF_LINES = 60
ACTIONS = {"started": "start", "stopped": "stop", "restarted": "restart", "reloaded": "reload"}
_CONTROL_PROGRAMS = frozenset(
    ("systemctl", "service", "kill", "pkill", "killall", "rc-service", "initctl", "launchctl"),
)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as it will be done. `observed` is what must still be so; `undo` the records that reverse it."""

    name: str
    verb: str
    arguments: Json
    before: str
    after: str
    undo_text: str
    blocked: str = ""
    observed: Json = field(default_factory=dict)
    undo: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What planning a step needs: the machine, the checked parameters, and whether root is at hand."""

    look: Look
    values: Mapping[str, object]
    elevated: bool
    needs_root: bool

    def filled(self, template: str) -> str:
        """A template of the catalog with the parameters in it."""
        return fill(template, {"params": self.values})


async def plan_step(step: Step, around: Surroundings) -> PlannedStep:
    """Observe and describe; change nothing. A step that may not run says so in `blocked`."""
    if step.verb not in RUNNABLE_VERBS:
        text = f"this version does not carry out '{step.verb}' steps"
        return PlannedStep(step.name, step.verb, {}, "", "", "", blocked=text)
    try:
        return await _PLANNERS[step.verb](step, around)
    except (Unavailable, RefusedError) as error:
        return PlannedStep(step.name, step.verb, {}, "", "", "", blocked=error.message)


async def perform_step(step: PlannedStep, look: Look, target: MutableTarget) -> None:
    """Do a planned step. Raises AssistError when it did not work."""
    await _PERFORMERS[step.verb](step, look, target)


# --- service --------------------------------------------------------------------------------------


async def _plan_service(step: Step, around: Surroundings) -> PlannedStep:
    backend = await service_backend(around.look)
    if backend is None:
        raise RefusedError("nothing keeps services here")
    wanted = str(step.arguments["state"])
    names = [around.filled(str(name)) for name in _list(step.arguments["names"])]
    units = [await backend.unit(name) for name in names]
    blocked = next((reason for unit in units if (reason := _service_block(unit, wanted))), "")
    if not blocked and backend.needs_root and not around.elevated:
        blocked = "needs root"
    undo = [_service_undo(unit, wanted) for unit in units]
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"names": names, "state": wanted, "timeout": step.arguments["timeout"]},
        before=", ".join(f"{unit.name} is {unit.state}" for unit in units),
        after=", ".join(f"{unit.name} {_becomes(unit, wanted)}" for unit in units),
        undo_text=", ".join(f"{ACTIONS[str(each['to'])]} {each['name']}" for each in undo if each) or "nothing to undo",
        blocked=blocked,
        observed={unit.name: unit.state for unit in units},
        undo=tuple(each for each in undo if each),
    )


def _service_block(unit: Unit, wanted: str) -> str:
    if unit.state == "unknown":
        return f"there is no service '{unit.name}' here"
    if wanted in {"stopped", "restarted"} and is_remote_access(unit.name, *unit.names):
        return f"refuses to stop {unit.name}: it gives remote access"
    return ""


def _becomes(unit: Unit, wanted: str) -> str:
    if _already(unit.state, wanted):
        return f"stays {unit.state}"
    return {"started": "is active", "stopped": "is inactive"}.get(wanted, f"is {wanted}")


def _already(state: str, wanted: str) -> bool:
    return (wanted == "started" and state == "active") or (wanted == "stopped" and state in {"inactive", "failed"})


def _service_undo(unit: Unit, wanted: str) -> Json:
    if wanted in {"restarted", "reloaded"} or _already(unit.state, wanted):
        return {}
    return {"verb": "service", "name": unit.name, "to": "started" if wanted == "stopped" else "stopped"}


async def _do_service(step: PlannedStep, look: Look, target: MutableTarget) -> None:
    backend = await service_backend(look)
    if backend is None:
        raise RefusedError("nothing keeps services here")
    wanted = str(step.arguments["state"])
    for name in _list(step.arguments["names"]):
        if not _already(str(step.observed[str(name)]), wanted):
            await backend.act(target, str(name), ACTIONS[wanted], float(str(step.arguments["timeout"])))


# --- command --------------------------------------------------------------------------------------


async def _plan_command(step: Step, around: Surroundings) -> PlannedStep:
    argv = [around.filled(str(item)) for item in _list(step.arguments["argv"])]
    undo = [around.filled(item) for item in step.undo]
    before = "reads only" if step.readonly else ""
    if step.check:
        before = _last_line(await around.look.completed(*(around.filled(item) for item in step.check)))
    undo_text = "nothing to undo" if step.readonly else "cannot be undone"
    if step.irreversible:
        undo_text = f"cannot be undone: {step.irreversible}"
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"argv": argv, "env": step.arguments["env"], "timeout": step.arguments["timeout"]},
        before=before,
        after="runs " + " ".join(argv),
        undo_text="runs " + " ".join(undo) if undo else undo_text,
        blocked=_command_block(argv, around) or _command_block(undo, around),
        undo=({"verb": "command", "argv": undo},) if undo else (),
    )


def _command_block(argv: list[str], around: Surroundings) -> str:
    program = argv[0].rpartition("/")[2] if argv else ""
    if program in _CONTROL_PROGRAMS and is_remote_access(*argv[1:]):
        return "refuses to touch a service that gives remote access"
    return "needs root" if around.needs_root and not around.elevated else ""


async def _do_command(step: PlannedStep, _look: Look, target: MutableTarget) -> None:
    argv = tuple(str(item) for item in _list(step.arguments["argv"]))
    extra = step.arguments["env"]
    environment = {**ENVIRONMENT, **(extra if isinstance(extra, dict) else {})}
    done = await target.run(
        Command(argv, environment=environment, timeout_seconds=float(str(step.arguments["timeout"])))
    )
    if done.timed_out:
        raise RefusedError(f"{argv[0]} did not end in time", reason="step")
    if done.status != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:200]
        raise RefusedError(f"{argv[0]} ended with status {done.status}{': ' + reason if reason else ''}", reason="step")


# --- files ----------------------------------------------------------------------------------------


async def _plan_write(step: Step, around: Surroundings) -> PlannedStep:
    path = around.filled(str(step.arguments["path"]))
    content = around.filled(str(step.arguments["content"])).encode()
    return await _plan_content(step, path, content, int(str(step.arguments["mode"]), 8), around)


async def _plan_replace(step: Step, around: Surroundings) -> PlannedStep:
    path = around.filled(str(step.arguments["path"]))
    found, mode = await _content(path, around.look)
    if found is None:
        raise RefusedError(f"{path} does not exist")
    old = around.filled(str(step.arguments["find"])).encode()
    if found.count(old) != 1:
        raise RefusedError(f"{path} holds the text to replace {found.count(old)} times, not once")
    new = around.filled(str(step.arguments["with"])).encode()
    return await _plan_content(step, path, found.replace(old, new), mode, around)


async def _plan_content(step: Step, path: str, content: bytes, mode: int, around: Surroundings) -> PlannedStep:
    if not path.startswith("/") or ".." in path.split("/"):
        raise RefusedError(f"{path!r} is no absolute path")
    found, found_mode = await _content(path, around.look)
    undo: Json = {"verb": "file", "path": path, "existed": found is not None}
    if found is not None:
        undo |= {"content": base64.b64encode(found).decode(), "mode": found_mode}
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"path": path, "content": base64.b64encode(content).decode(), "mode": mode},
        before=f"{path} does not exist" if found is None else f"{path}: {len(found)} bytes",
        after=_difference(path, found or b"", content),
        undo_text=f"removes {path}" if found is None else f"restores {path}",
        blocked="needs root" if around.needs_root and not around.elevated else "",
        observed={"path": path, "sha256": "" if found is None else hashlib.sha256(found).hexdigest()},
        undo=(undo,),
    )


async def _content(path: str, look: Look) -> tuple[bytes | None, int]:
    try:
        status = await look.target.status(path)
    except AssistError:
        return None, 0o644
    if status.kind != "file" or status.size_bytes > MAX_FILE_BYTES:
        raise RefusedError(f"{path} is no plain file of at most {MAX_FILE_BYTES} bytes")
    return await look.target.read(path, max_bytes=MAX_FILE_BYTES), status.mode & 0o7777


def _difference(path: str, old: bytes, new: bytes) -> str:
    """A unified diff without secrets: the technician sees it, and it may quote lines the fix does not touch."""
    before, after = (raw.decode("utf-8", "replace").splitlines() for raw in (old, new))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm="", n=1))[:DIFF_LINES]
    return Redactor(secrets.token_bytes(32), profile="secrets").text("\n".join(lines)) or "no change"


async def _do_write(step: PlannedStep, _look: Look, target: MutableTarget) -> None:
    content = base64.b64decode(str(step.arguments["content"]))
    await target.replace_file(str(step.arguments["path"]), content, mode=int(str(step.arguments["mode"])))


# --- wait -----------------------------------------------------------------------------------------


async def _plan_wait(step: Step, _around: Surroundings) -> PlannedStep:
    seconds = min(float(str(step.arguments["seconds"])), 600.0)
    return PlannedStep(step.name, step.verb, {"seconds": seconds}, "", f"waits {seconds:g} s", "nothing to undo")


async def _do_wait(step: PlannedStep, _look: Look, _target: MutableTarget) -> None:
    await asyncio.sleep(float(str(step.arguments["seconds"])))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _last_line(done: object) -> str:
    text = getattr(done, "stdout", b"").decode("utf-8", "replace").strip()
    return text.rpartition("\n")[2][:300]


_PLANNERS: dict[str, Callable[[Step, Surroundings], Awaitable[PlannedStep]]] = {
    "service": _plan_service,
    "command": _plan_command,
    "file.write": _plan_write,
    "file.replace": _plan_replace,
    "wait": _plan_wait,
}
_PERFORMERS: dict[str, Callable[[PlannedStep, Look, MutableTarget], Awaitable[None]]] = {
    "service": _do_service,
    "command": _do_command,
    "file.write": _do_write,
    "file.replace": _do_write,
    "wait": _do_wait,
}

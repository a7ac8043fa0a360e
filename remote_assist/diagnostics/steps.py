"""The closed set of verbs a fix may use, each with how it is planned and how it is done."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from remote_assist.core.catalog.model import Step
from remote_assist.diagnostics.planned import Doing, PlannedStep, Surroundings
from remote_assist.diagnostics.verbs import files as files
from remote_assist.diagnostics.verbs import programs as programs
from remote_assist.diagnostics.verbs import services as services
from remote_assist.diagnostics.verbs import system as system
from remote_assist.errors import AssistError

Plan = Callable[[Step, Surroundings], Awaitable[PlannedStep]]
Do = Callable[[PlannedStep, Doing], Awaitable[None]]

VERBS: dict[str, tuple[Plan, Do]] = {
    "file.write": (files.plan_write, files.do_write),
    "file.replace": (files.plan_replace, files.do_write),
    "file.move": (files.plan_move, files.do_move),
    "file.delete": (files.plan_delete, files.do_delete),
    "file.snapshot": (files.plan_snapshot, files.do_snapshot),
    "service": (services.plan_service, services.do_service),
    "package": (system.plan_package, system.do_package),
    "registry": (system.plan_registry, system.do_registry),
    "command": (programs.plan_command, programs.do_command),
    "powershell": (programs.plan_powershell, programs.do_powershell),
    "wait": (system.plan_wait, system.do_wait),
    "ask": (system.plan_ask, system.do_ask),
    "reboot": (system.plan_reboot, system.do_reboot),
}


async def plan_steps(steps: Sequence[Step], around: Surroundings) -> tuple[PlannedStep, ...]:
    """Every step, planned against the machine as it is. Two steps may not change the same file."""
    planned = [await plan_step(step, around) for step in steps]
    places = Counter(str(place) for step in planned for place in _changed(step))
    twice = {place for place, count in places.items() if count > 1}
    return tuple(
        replace(step, blocked=step.blocked or f"two steps change {' and '.join(sorted(found))}")
        if (found := twice.intersection(_changed(step)))
        else step
        for step in planned
    )


async def plan_step(step: Step, around: Surroundings) -> PlannedStep:
    """Observe and describe; change nothing. A step that may not run says so in `blocked`."""
    try:
        return await VERBS[step.verb][0](step, around)
    except AssistError as error:
        return PlannedStep(step.name, step.verb, {}, "", "", "", blocked=error.message)


async def perform_step(step: PlannedStep, doing: Doing) -> None:
    """Do a planned step. Raises AssistError when it did not work."""
    await VERBS[step.verb][1](step, doing)


def _changed(step: PlannedStep) -> tuple[str, ...]:
    """The paths a step of the file verbs changes."""
    if step.verb == "file.snapshot" or not step.verb.startswith("file."):
        return ()
    return tuple(str(step.arguments[key]) for key in ("path", "to") if key in step.arguments)

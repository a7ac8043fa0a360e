"""The verb `service`: started, stopped, restarted, reloaded, by whatever keeps services here."""

from remote_assist.core.catalog.model import Step
from remote_assist.diagnostics.planned import NEEDS_ROOT, Doing, Json, PlannedStep, Surroundings, items_of, words_of
from remote_assist.diagnostics.services.chosen import service_backend
from remote_assist.diagnostics.services.unit import Unit, is_remote_access
from remote_assist.errors import RefusedError

ACTIONS = {"started": "start", "stopped": "stop", "restarted": "restart", "reloaded": "reload"}


async def plan_service(step: Step, around: Surroundings) -> PlannedStep:
    """`service: {name | names, state}`."""
    backend = await service_backend(around.look)
    if backend is None:
        raise RefusedError("nothing keeps services here")
    wanted = str(step.arguments["state"])
    names = [around.filled(name) for name in words_of(step.arguments["names"])]
    units = [await backend.unit(name) for name in names]
    blocked = next((reason for unit in units if (reason := _block(unit, wanted))), "")
    if not blocked and backend.needs_root and not around.elevated:
        blocked = NEEDS_ROOT
    undo = [each for unit in units if (each := _undo(unit, wanted))]
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"names": names, "state": wanted, "timeout": step.arguments["timeout"]},
        before=", ".join(f"{unit.name} is {unit.state}" for unit in units),
        after=", ".join(f"{unit.name} {_becomes(unit, wanted)}" for unit in units),
        undo_text=", ".join(f"{ACTIONS[str(each['to'])]} {each['name']}" for each in undo) or "nothing to undo",
        blocked=blocked,
        observed={unit.name: unit.state for unit in units},
        undo=tuple(undo),
    )


async def do_service(step: PlannedStep, doing: Doing) -> None:
    """Bring each into the wanted state; one that is in it by now, perhaps by an earlier step, is left alone."""
    backend = await service_backend(doing.look)
    if backend is None:
        raise RefusedError("nothing keeps services here")
    wanted = str(step.arguments["state"])
    for name in items_of(step.arguments["names"]):
        if not _already((await backend.unit(str(name))).state, wanted):
            await backend.act(doing.target, str(name), ACTIONS[wanted], float(str(step.arguments["timeout"])))


def _block(unit: Unit, wanted: str) -> str:
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


def _undo(unit: Unit, wanted: str) -> Json:
    if wanted in {"restarted", "reloaded"} or _already(unit.state, wanted):
        return {}
    return {"verb": "service", "name": unit.name, "to": "started" if wanted == "stopped" else "stopped"}

"""Undo records: what reverses a change, written down before the change is made.

    {"verb": "service", "name": "web-a", "to": "started"}
    {"verb": "file", "path": "/…", "existed": true, "content": base64, "mode": 420}
    {"verb": "command", "argv": […]}

Rule: a record is enough by itself. The agent can carry it out after a crash, without the catalog or the plan.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from remote_assist.core.requests import Progress
from remote_assist.core.target import Command, MutableTarget
from remote_assist.diagnostics.look import ENVIRONMENT, Look
from remote_assist.diagnostics.services import is_remote_access, service_backend
from remote_assist.errors import AssistError, RefusedError

UNDO_TIMEOUT_SECONDS = 60.0
SERVICE_TIMEOUT_SECONDS = 15.0


class UndoJournal(Protocol):
    """Where undo records are kept; the agent provides it."""

    async def note(self, step: str, undo: dict[str, object]) -> None:
        """Keep one record. Returns when it is durable (fsynced); raises when it is not, and then nothing is changed."""


async def roll_back(
    records: Sequence[tuple[str, Mapping[str, object]]],
    look: Look,
    target: MutableTarget,
    progress: Callable[[Progress], None],
) -> list[str]:
    """Carry out records, last first. Every one is tried; answers a sentence for each that failed."""
    failures = []
    for number, (step, record) in enumerate(reversed(records), start=1):
        try:
            await _reverse(record, look, target)
            status = "ok"
        except AssistError as error:
            failures.append(f"{step}: {error.message}")
            status = "failed"
        progress(Progress(item=f"undo: {step}", status=status, done=number, total=len(records)))
    return failures


async def _reverse(record: Mapping[str, object], look: Look, target: MutableTarget) -> None:
    match record.get("verb"):
        case "service":
            await _reverse_service(record, look, target)
        case "file":
            await _reverse_file(record, target)
        case "command":
            await _reverse_command(record, target)
        case other:
            raise RefusedError(f"there is no undo of kind '{other}'", reason="undo")


async def _reverse_service(record: Mapping[str, object], look: Look, target: MutableTarget) -> None:
    backend = await service_backend(look)
    name = str(record["name"])
    if backend is None:
        raise RefusedError("nothing keeps services here", reason="undo")
    unit = await backend.unit(name)
    if record["to"] == "started" and unit.state != "active":
        await backend.act(target, name, "start", SERVICE_TIMEOUT_SECONDS)
    elif record["to"] == "stopped" and unit.state in {"active", "activating"}:
        if is_remote_access(name, *unit.names):
            raise RefusedError(f"refuses to stop {name}: it gives remote access", reason="undo")
        await backend.act(target, name, "stop", SERVICE_TIMEOUT_SECONDS)


async def _reverse_file(record: Mapping[str, object], target: MutableTarget) -> None:
    path = str(record["path"])
    if record["existed"]:
        content = base64.b64decode(str(record["content"]))
        await target.replace_file(path, content, mode=int(str(record["mode"])))
        return
    try:
        await target.status(path)
    except AssistError:
        return
    await target.remove_file(path)


async def _reverse_command(record: Mapping[str, object], target: MutableTarget) -> None:
    argv = record["argv"]
    words = tuple(str(item) for item in argv) if isinstance(argv, list | tuple) else ()
    done = await target.run(Command(words, environment=ENVIRONMENT, timeout_seconds=UNDO_TIMEOUT_SECONDS))
    if done.status != 0 or done.timed_out:
        raise RefusedError(f"{words[0]} ended with status {done.status}", reason="undo")

"""Undo records: what reverses a change, written down before the change is made.

    {"verb": "service", "name": "web-a", "to": "started"}
    {"verb": "file", "path": "/…", "existed": true, "content": base64, "mode": 420, "owner": [0, 0]}
    {"verb": "move", "path": "/…", "to": "/…", "place": "device:inode"}
    {"verb": "snapshot", "paths": ["/…"], "entries": [{"path", "kind": file | folder | link | nothing, …}]}
    {"verb": "command", "argv": […], "env": {…}, "timeout": 60}
    {"verb": "registry", "key": …, "name": …, "existed": true, "kind": …, "value": …}
    {"verb": "reboot", "boot": …, "id": …, …}      nothing to reverse; the next start verifies instead

Rule: a record is enough by itself. The agent can carry it out after a crash, without the catalog or the plan.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from remote_assist.core.catalog.powershell import powershell_command
from remote_assist.core.requests import Progress
from remote_assist.core.target import Command, FileStatus, MutableTarget
from remote_assist.diagnostics.look import ENVIRONMENT, Look
from remote_assist.diagnostics.planned import items_of, words_of
from remote_assist.diagnostics.services.chosen import service_backend
from remote_assist.diagnostics.services.unit import is_remote_access
from remote_assist.diagnostics.verbs.files import entries_below
from remote_assist.diagnostics.verbs.system import REMOVE_VALUE, WRITE_VALUE
from remote_assist.errors import AssistError, RefusedError

UNDO_TIMEOUT_SECONDS = 60.0
SERVICE_TIMEOUT_SECONDS = 15.0

Record = Mapping[str, object]


class UndoJournal(Protocol):
    """Where undo records are kept; the agent provides it."""

    async def note(self, step: str, undo: dict[str, object]) -> None:
        """Keep one record. Returns when it is durable (fsynced); raises when it is not, and then nothing is changed."""


async def roll_back(
    records: Sequence[tuple[str, Record]],
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


async def _reverse(record: Record, look: Look, target: MutableTarget) -> None:
    verb = record.get("verb")
    if verb not in _REVERSERS:
        raise RefusedError(f"there is no undo of kind '{verb}'", reason="undo")
    await _REVERSERS[str(verb)](record, look, target)


async def _reverse_service(record: Record, look: Look, target: MutableTarget) -> None:
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


async def _reverse_file(record: Record, _look: Look, target: MutableTarget) -> None:
    path = str(record["path"])
    if record["existed"]:
        await _put_back(record, path, target)
    elif await _status(path, target) is not None:
        await target.remove_file(path)


async def _put_back(entry: Record, path: str, target: MutableTarget) -> None:
    content = base64.b64decode(str(entry["content"]))
    mode = int(str(entry["mode"]))
    await target.replace_file(path, content, mode=mode, owner=_owner(entry))


def _owner(entry: Record) -> tuple[int, int] | None:
    found = items_of(entry.get("owner"))
    return (int(str(found[0])), int(str(found[1]))) if len(found) == 2 else None


async def _reverse_move(record: Record, _look: Look, target: MutableTarget) -> None:
    path, to = str(record["path"]), str(record["to"])
    moved, there = await _status(to, target), await _status(path, target)
    if moved is not None and moved.place == record["place"] and there is None:
        await target.move(to, path)
    elif there is None or there.place != record["place"]:
        raise RefusedError(f"{to} is not what was moved there, or {path} is taken", reason="undo")


async def _reverse_snapshot(record: Record, look: Look, target: MutableTarget) -> None:
    """Bring back what was there, and take away files and links that were not. Folders that came since stay."""
    entries = [each for each in items_of(record["entries"]) if isinstance(each, dict)]
    known = {str(each["path"]): each for each in entries}
    for path in words_of(record["paths"]):
        for found in await entries_below(path, look):
            if found.kind != "folder" and str(known.get(found.path, {}).get("kind", "")) != found.kind:
                await target.remove_file(found.path)
    for path, entry in known.items():
        await _restore_entry(path, entry, target)


async def _restore_entry(path: str, entry: Record, target: MutableTarget) -> None:
    found = await _status(path, target)
    match entry["kind"]:
        case "folder" if found is None:
            await target.make_folder(path, mode=int(str(entry["mode"])))
        case "file":
            await _put_back(entry, path, target)
        case "link":
            if found is not None and await target.read_link(path) != entry["to"]:
                await target.remove_file(path)
                found = None
            if found is None:
                await target.make_link(path, str(entry["to"]))


async def _status(path: str, target: MutableTarget) -> FileStatus | None:
    try:
        return await target.status(path)
    except RefusedError:
        raise
    except AssistError:
        return None


async def _reverse_command(record: Record, _look: Look, target: MutableTarget) -> None:
    words = tuple(words_of(record["argv"]))
    extra = record.get("env")
    environment = {**ENVIRONMENT, **(extra if isinstance(extra, dict) else {})}
    seconds = max(UNDO_TIMEOUT_SECONDS, float(str(record.get("timeout") or 0)))
    done = await target.run(Command(words, environment=environment, timeout_seconds=seconds))
    if done.status != 0 or done.timed_out:
        raise RefusedError(f"{words[0]} ended with status {done.status}", reason="undo")


async def _reverse_registry(record: Record, _look: Look, target: MutableTarget) -> None:
    text = WRITE_VALUE if record["existed"] else REMOVE_VALUE
    done = await target.run(powershell_command(text, record, result=False))
    if done.status != 0 or done.timed_out:
        raise RefusedError(f"the registry value could not be put back (status {done.status})", reason="undo")


async def _reverse_nothing(_record: Record, _look: Look, _target: MutableTarget) -> None:
    """A restart cannot be taken back and changed nothing by itself."""


_REVERSERS: dict[str, Callable[[Record, Look, MutableTarget], Awaitable[None]]] = {
    "service": _reverse_service,
    "file": _reverse_file,
    "move": _reverse_move,
    "snapshot": _reverse_snapshot,
    "command": _reverse_command,
    "registry": _reverse_registry,
    "reboot": _reverse_nothing,
}

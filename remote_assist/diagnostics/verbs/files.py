"""The verbs about files: write, replace, move, delete, snapshot.

Rule 1: what is undone is undone from bytes kept in the journal (at most 1 MiB a file) or by the opposite rename.
Rule 2: the file a step changes is the file it looked at: device, inode and owner are compared again at the change.
"""

import base64
import difflib
import hashlib
import posixpath
import re
import secrets

from remote_assist.core.catalog.model import Step
from remote_assist.core.redaction import Redactor
from remote_assist.core.target import ABSENT, FileStatus
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.planned import Doing, Json, PlannedStep, Surroundings, items_of
from remote_assist.errors import AssistError, RefusedError

MAX_FILE_BYTES = 1 << 20
MAX_SNAPSHOT_BYTES = 4 << 20
MAX_SNAPSHOT_FILES = 500
MAX_SNAPSHOT_DEPTH = 8
DIFF_LINES = 60


# --- write and replace ----------------------------------------------------------------------------


async def plan_write(step: Step, around: Surroundings) -> PlannedStep:
    """`file.write: {path, content, mode}`: the file holds exactly this afterwards."""
    path = around.filled(str(step.arguments["path"]))
    content = around.filled(str(step.arguments["content"])).encode()
    mode = int(str(step.arguments["mode"]), 8)
    return await _plan_content(step, path, content, mode, await seen_at(path, around.look), around)


async def plan_replace(step: Step, around: Surroundings) -> PlannedStep:
    """`file.replace: {path, find, with}`: one text, found exactly once, becomes another."""
    path = around.filled(str(step.arguments["path"]))
    found = await seen_at(path, around.look)
    if found is None:
        raise RefusedError(f"{path} does not exist")
    held = await _held(found, around.look)
    old = around.filled(str(step.arguments["find"])).encode()
    if held.count(old) != 1:
        raise RefusedError(f"{path} holds the text to replace {held.count(old)} times, not once")
    new = around.filled(str(step.arguments["with"])).encode()
    return await _plan_content(step, path, held.replace(old, new), found.mode, found, around)


async def _plan_content(
    step: Step, path: str, content: bytes, mode: int, found: FileStatus | None, around: Surroundings
) -> PlannedStep:
    held = None if found is None else await _held(found, around.look)
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"path": path, "content": base64.b64encode(content).decode(), "mode": mode},
        before=f"{path} does not exist" if held is None else f"{path}: {len(held)} bytes",
        after=_difference(path, held or b"", content),
        undo_text=f"removes {path}" if held is None else f"restores {path}",
        blocked=around.root_block,
        observed=_observed(path, found, held),
        undo=(_keeping(path, found, held),),
    )


async def do_write(step: PlannedStep, doing: Doing) -> None:
    """Write and rename over, if it is still the file that was looked at."""
    content = base64.b64decode(str(step.arguments["content"]))
    await doing.target.replace_file(
        str(step.arguments["path"]),
        content,
        mode=int(str(step.arguments["mode"])),
        seen=str(step.observed["identity"]),
    )


def _difference(path: str, old: bytes, new: bytes) -> str:
    """A unified diff without secrets: the technician sees it, and it may quote lines the fix does not touch."""
    before, after = (raw.decode("utf-8", "replace").splitlines() for raw in (old, new))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm="", n=1))[:DIFF_LINES]
    return Redactor(secrets.token_bytes(32), profile="secrets").text("\n".join(lines)) or "no change"


# --- move and delete ------------------------------------------------------------------------------


async def plan_move(step: Step, around: Surroundings) -> PlannedStep:
    """`file.move: {from, to}`: a file or folder gets a free name on the same file system."""
    path, to = around.filled(str(step.arguments["from"])), around.filled(str(step.arguments["to"]))
    found = await _anything_at(path, around.look)
    if found is None or found.kind not in {"file", "folder"}:
        raise RefusedError(f"{path} is no file or folder that can be set aside")
    if await _anything_at(to, around.look) is not None:
        raise RefusedError(f"{to} is there already")
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"path": path, "to": to},
        before=f"{path} is a {found.kind}",
        after=f"it is called {to}",
        undo_text=f"calls it {path} again",
        blocked=around.root_block,
        observed={"path": path, "place": found.place},
        undo=({"verb": "move", "path": path, "to": to, "place": found.place},),
    )


async def do_move(step: PlannedStep, doing: Doing) -> None:
    """Rename."""
    await doing.target.move(str(step.arguments["path"]), str(step.arguments["to"]))


async def plan_delete(step: Step, around: Surroundings) -> PlannedStep:
    """`file.delete: {path}`: one file. Over 1 MiB only where the step says why it cannot be undone."""
    path = around.filled(str(step.arguments["path"]))
    found = await seen_at(path, around.look, any_size=bool(step.irreversible))
    if found is None:
        raise RefusedError(f"{path} does not exist")
    held = None if step.irreversible else await _held(found, around.look)
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"path": path},
        before=f"{path}: {found.size_bytes} bytes",
        after=f"{path} does not exist",
        undo_text=f"cannot be undone: {step.irreversible}" if step.irreversible else f"restores {path}",
        blocked=around.root_block,
        observed=_observed(path, found, held),
        undo=() if step.irreversible else (_keeping(path, found, held),),
        irreversible=step.irreversible,
    )


async def do_delete(step: PlannedStep, doing: Doing) -> None:
    """Remove, if it is still the file that was looked at."""
    await doing.target.remove_file(str(step.arguments["path"]), seen=str(step.observed["identity"]))


# --- snapshot -------------------------------------------------------------------------------------


async def plan_snapshot(step: Step, around: Surroundings) -> PlannedStep:
    """`file.snapshot: {paths}`: keeps files and folders as they are, for steps whose undo is `snapshot`."""
    paths = [around.filled(str(path)) for path in items_of(step.arguments["paths"])]
    kept = await _Snapshot(around.look).take(paths)
    held = sum(1 for entry in kept if entry["kind"] == "file")
    return PlannedStep(
        name=step.name,
        verb=step.verb,
        arguments={"paths": paths},
        before=", ".join(paths),
        after=f"keeps {held} files as they are",
        undo_text=f"restores what was in {', '.join(paths)}",
        blocked=around.root_block,
        undo=({"verb": "snapshot", "paths": paths, "entries": kept},),
    )


async def do_snapshot(_step: PlannedStep, _doing: Doing) -> None:
    """Nothing more: its undo record, which is on disk by now, is the snapshot."""


async def entries_below(path: str, look: Look) -> list[FileStatus]:
    """Files, folders and links at and below a path, folders before what is in them; nothing where nothing is."""
    return await _Snapshot(look).walk(path, 0)


class _Snapshot:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._bytes = 0
        self._count = 0

    async def take(self, paths: list[str]) -> list[Json]:
        """An entry for every path, and for everything below it."""
        kept: list[Json] = []
        for path in paths:
            check_path(path, self._look)
            found = await self.walk(path, 0)
            kept += [await self._entry(each) for each in found] or [{"path": path, "kind": "nothing"}]
        return kept

    async def walk(self, path: str, depth: int) -> list[FileStatus]:
        found = await _anything_at(path, self._look)
        if found is None:
            return []
        self._count += 1
        if self._count > MAX_SNAPSHOT_FILES or depth > MAX_SNAPSHOT_DEPTH or found.kind == "other":
            raise RefusedError(f"{path} is more than a snapshot can keep")
        result = [found]
        if found.kind == "folder":
            for entry in await self._look.folder(path, max_entries=MAX_SNAPSHOT_FILES + 1):
                result += await self.walk(entry.path, depth + 1)
        return result

    async def _entry(self, found: FileStatus) -> Json:
        entry: Json = {"path": found.path, "kind": found.kind, "mode": found.mode}
        entry["owner"] = [found.owner_id, found.group_id]
        if found.kind == "link":
            entry["to"] = await self._look.link(found.path)
        elif found.kind == "file":
            held = await _held(found, self._look)
            self._bytes += len(held)
            if self._bytes > MAX_SNAPSHOT_BYTES:
                raise RefusedError(f"a snapshot keeps at most {MAX_SNAPSHOT_BYTES} bytes")
            entry["content"] = base64.b64encode(held).decode()
        return entry


# --- looking --------------------------------------------------------------------------------------


def check_path(path: str, look: Look) -> None:
    """Raise RefusedError unless `path` is absolute and plain."""
    if look.target.platform == "windows":
        plain = re.fullmatch(r"[A-Za-z]:(?:\\[^\\/:*?\"<>|\0-\x1f]+)+", path) and ".." not in path.split("\\")
    else:
        plain = path.startswith("/") and posixpath.normpath(path) == path
    if not plain:
        raise RefusedError(f"{path!r} is no plain absolute path")


async def seen_at(path: str, look: Look, *, any_size: bool = False) -> FileStatus | None:
    """The plain file at `path`, None where nothing is. Raises RefusedError for anything else."""
    found = await _anything_at(path, look)
    if found is None:
        return None
    if found.kind != "file" or (found.size_bytes > MAX_FILE_BYTES and not any_size):
        raise RefusedError(f"{path} is no plain file of at most {MAX_FILE_BYTES} bytes")
    if found.mode & ~0o777:
        raise RefusedError(f"{path} carries special rights (mode {found.mode:04o}) and is left alone")
    return found


async def _anything_at(path: str, look: Look) -> FileStatus | None:
    check_path(path, look)
    try:
        return await look.target.status(path)
    except RefusedError:
        raise
    except AssistError:
        return None


async def _held(found: FileStatus, look: Look) -> bytes:
    held = await look.target.read(found.path, max_bytes=MAX_FILE_BYTES + 1)
    if len(held) > MAX_FILE_BYTES:
        raise RefusedError(f"{found.path} is no plain file of at most {MAX_FILE_BYTES} bytes")
    return held


def _observed(path: str, found: FileStatus | None, held: bytes | None) -> Json:
    return {
        "path": path,
        "identity": ABSENT if found is None else found.identity,
        "sha256": "" if held is None else hashlib.sha256(held).hexdigest(),
    }


def _keeping(path: str, found: FileStatus | None, held: bytes | None) -> Json:
    """The undo record that brings this file back, or takes away what came in its place."""
    if found is None or held is None:
        return {"verb": "file", "path": path, "existed": False}
    return {
        "verb": "file",
        "path": path,
        "existed": True,
        "content": base64.b64encode(held).decode(),
        "mode": found.mode,
        "owner": [found.owner_id, found.group_id],
    }

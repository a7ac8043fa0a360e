"""Runs one fix over and over, each time killed (SIGKILL) at another boundary, and undoes what was left each time.

A program of its own, because it forks. Boundaries: every fsync, rename, link, unlink, symlink, mkdir, write and program
start of the journal and the verbs; killed right before it, right after it, and in the middle of a write.

    python -m tests.faults.half_fix FOLDER EVERY        EVERY: 1 = every boundary, 7 = each seventh
Output: {"boundaries": …, "runs": …, "asked": …, "wrong": [[boundary, when, why], …]}
"""

import asyncio
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from remote_assist.agent.undo_journal import UndoFile, open_undo_files
from remote_assist.core.catalog_model import Catalog
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import apply_plan, plan_fix, undo_fix
from remote_assist.transport import posix_changes
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.posix_guard import GUARD

FIX = """kind: Fix
metadata: {id: own.fix, version: 1, title: Everything}
parameters: {keep: {type: size, default: 10M}}
consent: {text: Do it.}
risk: {impact: none, downtime: none, reversible: full}
steps:
  - {name: new, file.write: {path: '%s/new.conf', content: "limit={params.keep}\\n"}}
  - {name: replace, file.replace: {path: '%s/app.conf', find: 'a=1', with: 'a=2'}}
  - {name: aside, file.move: {from: '%s/cache', to: '%s/cache.old'}}
  - {name: delete, file.delete: {path: '%s/lock'}}
  - {name: mark, command: {argv: [touch, '%s/mark']}, check: skip, undo: {argv: [rm, -f, '%s/mark']}}
  - {name: keep, file.snapshot: {paths: ['%s/tree']}}
  - {name: change, command: {argv: [rm, -r, '%s/tree/deep', '%s/tree/link']}, check: skip, undo: snapshot}
verify: [{when: 'true'}]
"""
PR_SET_CHILD_SUBREAPER = 36


class Killer:
    """Counts boundaries and ends this process at one of them. `when`: before, after or torn."""

    def __init__(self, at: int, when: str) -> None:
        self._at, self._when, self.count = at, when, 0

    def around(self, module: object, name: str) -> None:
        real: Callable[..., object] = getattr(module, name)

        def call(*words: object, **more: object) -> object:
            self.count += 1
            mine = self.count == self._at
            if mine and self._when == "torn" and name == "write":
                descriptor, raw = words
                assert isinstance(raw, bytes | memoryview)
                real(descriptor, bytes(raw)[: len(raw) // 2])
            if mine and self._when != "after":
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*words, **more)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(module, name, call)

    def everywhere(self) -> None:
        for name in ("fsync", "rename", "replace", "link", "unlink", "symlink", "mkdir", "write"):
            self.around(os, name)
        self.around(posix_changes, "_rename_to_nothing")
        self.around(subprocess.Popen, "_execute_child")


def set_up(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cache").mkdir(parents=True)
    (folder / "cache" / "x").write_text("x")
    (folder / "app.conf").write_text("a=1\nb=2\n")
    (folder / "app.conf").chmod(0o604)
    (folder / "lock").write_bytes(b"\x00\xff")
    (folder / "tree" / "deep").mkdir(parents=True)
    (folder / "tree" / "deep" / "y").write_text("y")
    (folder / "tree" / "link").symlink_to("deep/y")


def state(folder: Path) -> dict[str, tuple[int, object]]:
    """Every name with its kind, rights and content; parts of files on their way do not count."""
    found: dict[str, tuple[int, object]] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".remote-assist-"):
            continue
        status = path.lstat()
        held = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = (status.st_mode, held)
    return found


async def run(catalog: Catalog, undo: UndoFile) -> str:
    target = LocalTarget()
    prepared = await plan_fix(catalog, "own.fix", {}, target, elevated=True, run="r")
    result = await apply_plan(prepared, target, progress=lambda _: None, undo=undo)
    await undo.close(result.status)
    return result.status


def attempt(catalog: Catalog, journal: Path, killer: Killer | None) -> tuple[bool, int]:
    """One run in a child: whether it was killed, and how many boundaries it passed."""
    GUARD.close()  # of the last undo: it is a child as well, and would never end while we wait for it
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if killer:
            killer.everywhere()
        with suppress(BaseException):
            status = asyncio.run(run(catalog, UndoFile.beside(journal, "a1")))
            count = killer.count if killer else 0
            told_now = f"{count} {status}".encode()
            ctypes.CDLL(None).write(writing, told_now, len(told_now))  # past every hook
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, ended = os.waitpid(child, 0)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)  # programs the killed run had started
    return os.WIFSIGNALED(ended), int(told.split()[0]) if told else 0


def judge(folder: Path, journal: Path, before: object, after: object) -> tuple[bool, str]:
    """(whether the next start asks, what is wrong)."""
    left = open_undo_files(journal)
    if not left:
        return False, "" if state(folder) in (before, after) else "changed, and nobody would be asked"
    (undo,) = left
    result = asyncio.run(undo_fix(undo.records, LocalTarget(), progress=lambda _: None))
    if result.status != "rolled-back":
        return True, result.sentence
    if state(folder) != before:
        return True, f"not as before: {state(folder)}"
    asyncio.run(undo.close("rolled-back"))
    return True, "" if not open_undo_files(journal) else "the journal cannot be closed"


def main() -> None:
    work, every = Path(sys.argv[1]), int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder, journal, own = work / "machine", work / "journal", work / "own.yaml"
    own.write_text(FIX.replace("%s", str(folder)))
    catalog = load_catalog([own])
    set_up(folder)
    before = state(folder)
    journal.mkdir(mode=0o700)
    _, boundaries = attempt(catalog, journal, Killer(0, "before"))
    after = state(folder)
    wrong: list[tuple[int, str, str]] = []
    runs = asked = 0
    for at in range(1, boundaries + 1, every):
        for when in ("before", "after", "torn"):
            set_up(folder)
            shutil.rmtree(journal)
            journal.mkdir(mode=0o700)
            killed, _ = attempt(catalog, journal, Killer(at, when))
            asks, why = judge(folder, journal, before, after)
            runs, asked = runs + 1, asked + asks
            if why or not killed:
                wrong.append((at, when, why or "was not killed"))
    done = sorted(set(after) ^ set(before))
    print(json.dumps({"boundaries": boundaries, "runs": runs, "asked": asked, "wrong": wrong, "changed": done}))


if __name__ == "__main__":
    main()

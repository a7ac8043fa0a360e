"""Runs one fix over and over, each time killed (SIGKILL) at another boundary, and undoes what was left each time.

A program of its own, because it forks. Boundaries: every fsync, rename, link, unlink, symlink, mkdir, write and program
start of the journal and the verbs; killed right before it, right after it, and in the middle of a write.

    python -m tests.faults.half_fix FOLDER EVERY [GROUND]   EVERY: 1 = every boundary, 7 = each seventh; see grounds.py
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

from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.core.catalog.model import Catalog
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import apply_plan, plan_fix, undo_fix
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.posix import changes as posix_changes
from remote_assist.transport.posix.guard import GUARD
from tests.faults.grounds import Files, Ground, Packages, Services, reap

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


async def run(catalog: Catalog, undo: UndoFile, services: str) -> str:
    target = LocalTarget()
    prepared = await plan_fix(catalog, "own.fix", {}, target, elevated=True, run="r", services_folder=services)
    result = await apply_plan(prepared, target, progress=lambda _: None, undo=undo)
    await undo.close(result.status)
    return result.status


def attempt(catalog: Catalog, journal: Path, killer: Killer, services: str) -> tuple[bool, int]:
    """One run in a child: whether it was killed, and how many boundaries it passed."""
    GUARD.close()  # of the last undo: it is a child as well, and would never end while we wait for it
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        killer.everywhere()
        with suppress(BaseException):
            status = asyncio.run(run(catalog, UndoFile.beside(journal, "a1"), services))
            told_now = f"{killer.count} {status}".encode()
            ctypes.CDLL(None).write(writing, told_now, len(told_now))  # past every hook
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, ended = os.waitpid(child, 0)
    reap()  # programs the killed run had started
    return os.WIFSIGNALED(ended), int(told.split()[0]) if told else 0


def judge(ground: Ground, journal: Path, before: object, after: object) -> tuple[bool, str]:
    """(whether the next start asks, what is wrong)."""
    left = open_undo_files(journal)
    if not left:
        return False, "" if (now := ground.state()) in (before, after) else f"changed, and nobody would be asked: {now}"
    (undo,) = left
    result = asyncio.run(
        undo_fix(undo.records, LocalTarget(), progress=lambda _: None, services_folder=ground.services)
    )
    if result.status != "rolled-back":
        return True, result.sentence
    if ground.state() != before:
        return True, f"not as before: {ground.state()}"
    asyncio.run(undo.close("rolled-back"))
    return True, "" if not open_undo_files(journal) else "the journal cannot be closed"


def main() -> None:
    work, every = Path(sys.argv[1]), int(sys.argv[2])
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    grounds: dict[str, Callable[[Path], Ground]] = {
        "files": Files,
        "services": Services,
        "packages": lambda _: Packages(),
    }
    ground = grounds[sys.argv[3] if len(sys.argv) > 3 else "files"](work / "machine")
    journal, own = work / "journal", work / "own.yaml"
    own.write_text(ground.fix)
    catalog = load_catalog([own])
    ground.set_up()
    before = ground.state()
    journal.mkdir(mode=0o700)
    _, boundaries = attempt(catalog, journal, Killer(0, "before"), ground.services)
    after = ground.state()
    wrong: list[tuple[int, str, str]] = []
    runs = asked = 0
    for at in range(1, boundaries + 1, every):
        for when in ("before", "after", "torn"):
            ground.set_up()
            shutil.rmtree(journal)
            journal.mkdir(mode=0o700)
            killed, _ = attempt(catalog, journal, Killer(at, when), ground.services)
            asks, why = judge(ground, journal, before, after)
            runs, asked = runs + 1, asked + asks
            if why or not killed:
                wrong.append((at, when, why or "was not killed"))
    ground.clear()
    done = sorted(name for name in {*after, *before} if after.get(name) != before.get(name))
    print(json.dumps({"boundaries": boundaries, "runs": runs, "asked": asked, "wrong": wrong, "changed": done}))


if __name__ == "__main__":
    main()

"""The shipped restart, in namespaces of its own whose first process the kernel ends as it would a machine.

    python -m tests.diagnostics.restarting FOLDER before    plans, asks, restarts: this program never returns
    python -m tests.diagnostics.restarting FOLDER after     what the next start finds, as JSON on stdout

`shutdown` is the test's own and calls reboot(2), which in a PID namespace ends that namespace. Never run this outside.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import apply_plan, plan_fix
from remote_assist.diagnostics.verifying import Restarted
from remote_assist.transport.local_target import LocalTarget
from tests.diagnostics.conftest import now

FIX = "linux.updates.restart"
WAITS = "mount -t tmpfs t /run; : > /run/reboot-required"
ANEW = 'mount -t tmpfs t /run; echo another-start > "$1/boot"; mount --bind "$1/boot" /proc/sys/kernel/random/boot_id'


async def before(folder: Path) -> None:
    subprocess.run(["sh", "-euc", WAITS], check=True, timeout=60)

    async def yes(question: str) -> bool:
        (folder / "asked").write_text(question)
        return True

    prepared = await plan_fix(load_catalog(), FIX, {}, LocalTarget(), elevated=True, can_ask=True, clock=now)
    assert prepared.plan.runnable, prepared.plan.why_not
    undo = UndoFile.beside(folder, "a1")
    await apply_plan(prepared, LocalTarget(), progress=lambda _: None, undo=undo, ask=yes)
    await asyncio.sleep(600)


async def after(folder: Path) -> dict[str, object]:
    subprocess.run(["sh", "-euc", ANEW, "sh", str(folder)], check=True, timeout=60)
    (left,) = open_undo_files(folder)
    waiting = Restarted.of(left.records)
    assert waiting is not None
    why_not = await waiting.why_not(load_catalog(), LocalTarget(), now, "")
    return {"fix": waiting.fix, "over": await waiting.is_over(LocalTarget()), "why_not": why_not}


def main() -> None:
    folder = Path(sys.argv[1])
    if sys.argv[2] == "before":
        asyncio.run(before(folder))
    print(json.dumps(asyncio.run(after(folder))))


if __name__ == "__main__":
    main()

"""Figures of the screens, by hand: `python -m bench.tui`. Start, keys under load, a 1 GiB text, many sessions, memory.

Everything runs in this process over the test suite's small world, so that the screens alone are measured; the load is a
stand-in for a fast `get` (progress a thousand times a second) and a running bundle. Prints one JSON object a line.
"""

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from remote_assist.core.requests import Progress
from remote_assist.technician.log_file import LogFile
from remote_assist.tui.app import AssistApp
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, OnProgress
from remote_assist.tui.screens.overview import OverviewScreen
from tests.tui.world import SESSION, World, WorldDesk, WorldSession

SIZE = (120, 36)


class BusySession(WorldSession):
    """A bundle that never ends and news of it as fast as a fast transfer brings it."""

    async def collect(self, bundle: str, out: Path, on_progress: OnProgress) -> object:
        number = 0
        while True:
            number += 1
            on_progress(Progress(item=f"file-{number % 20}", status="receiving", done=number % 1000, total=1000))
            await asyncio.sleep(0.001)


class BusyDesk(WorldDesk):
    async def connect(self, session: str) -> BusySession:
        return BusySession(self._world, session)


def app_over(world: World, session: str = "", *, busy: bool = False) -> AssistApp:
    async def open_desk(ask: AskPassphrase) -> WorldDesk:
        return (BusyDesk if busy else WorldDesk)(world, ask)

    return AssistApp(open_desk, downloads=world.downloads, pace=Pace(), session=session)


def told(name: str, **figures: object) -> None:
    print(json.dumps({"figure": name, **figures}), flush=True)


def start_seconds(runs: int = 5) -> None:
    """A new interpreter until the first screen has drawn its tickets."""
    code = (
        "import asyncio,time;from bench.tui import app_over;from tests.tui.world import World\n"
        "async def go():\n"
        "  async with app_over(World()).run_test(size=(120,36)) as pilot:\n"
        "    await pilot.pause()\n"
        "asyncio.run(go())\n"
    )
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        found.append(time.perf_counter() - began)
    told("start to usable", seconds=round(statistics.median(found), 3), runs=[round(one, 3) for one in found])


async def key_seconds(presses: int = 200) -> None:
    """Key to drawn screen while a transfer and a bundle report a thousand times a second."""
    world = World(downloads=Path(tempfile.mkdtemp()))
    async with app_over(world, SESSION, busy=True).run_test(size=SIZE) as pilot:
        await pilot.pause()
        await pilot.press("d")
        found = []
        for number in range(presses):
            began = time.perf_counter()
            await pilot.press(str(1 + number % 7))
            found.append(time.perf_counter() - began)
            await asyncio.sleep(0.01)
    found.sort()
    told("key to screen under load", p50=round(found[len(found) // 2], 4), p95=round(found[int(len(found) * 0.95)], 4))


def log_figures(gibibytes: float = 1.0) -> None:
    """Open and search a text of this size."""
    line = b"2026-03-14T14:05:11 web-07 nginx[812]: upstream answered 200 in 0.012 s, request %d\n"
    block = b"".join(line % number for number in range(50_000))
    with tempfile.NamedTemporaryFile() as file:
        size = 0
        while size < gibibytes * (1 << 30):
            size += file.write(block)
        file.write(b"the one line with an ERROR in it\n")
        file.flush()
        began = time.perf_counter()
        log = LogFile.open(Path(file.name))
        log.lines(0, 50)
        log.lines(log.back(log.size, 40), 40)
        opened = time.perf_counter() - began
        rates = {}
        for word in ("error", "ERROR"):
            began = time.perf_counter()
            hits = sum(len(step.hits) for step in log.search(word, lambda: False))
            rates[word] = round(log.size / (time.perf_counter() - began) / 1e6)
            assert hits == 1
        log.close()
    told("1 GiB text", open_seconds=round(opened, 4), folded_mb_s=rates["error"], exact_mb_s=rates["ERROR"])


async def overview_share(sessions: int = 50, seconds: float = 20.0) -> None:
    """Share of a core the overview takes while nothing happens."""
    world = World()
    first = world.summaries[0]
    world.summaries = [msgspec.structs.replace(first, id=f"s-{number:a>16}") for number in range(10, 10 + sessions)]
    for number, one in enumerate(world.summaries):
        name = "s-" + "".join("abcdefghij"[int(digit)] for digit in f"{number:016d}")
        world.summaries[number] = msgspec.structs.replace(one, id=name)
    async with app_over(world).run_test(size=SIZE) as pilot:
        await pilot.press("o")
        await pilot.pause()
        assert isinstance(pilot.app.screen, OverviewScreen)
        before, began = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (time.process_time() - before) / (time.perf_counter() - began)
    told(f"overview of {sessions} sessions at rest", core_percent=round(100 * share, 2))


async def memory_of(sessions: int = 10) -> None:
    """Resident memory with so many sessions open, each with a bundle looked at."""
    world = World(downloads=Path(tempfile.mkdtemp()))
    async with app_over(world).run_test(size=SIZE) as pilot:
        for number in range(sessions):
            name = "s-" + "".join("abcdefghij"[int(digit)] for digit in f"{number:016d}")
            pilot.app._show_session(name)  # type: ignore[attr-defined]  # the program's own way in
            await pilot.pause()
            await pilot.press("d")
            await pilot.pause()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told(f"memory with {sessions} sessions", peak_mib=round(peak, 1))


def main() -> None:
    start_seconds()
    asyncio.run(memory_of())
    asyncio.run(key_seconds())
    asyncio.run(overview_share())
    log_figures()


if __name__ == "__main__":
    main()

"""Figures of the screens, by hand: `python -m bench.tui`. Start, keys under load, a 1 GiB text, many sessions, memory.

Everything runs in this process over the test suite's small world, so that the screens alone are measured; the load is a
stand-in for a fast `get` (progress a thousand times a second) and a running bundle. Prints one JSON object a line.
"""

import asyncio
import fcntl
import json
import os
import pty
import resource
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import msgspec

from remote_assist.core.requests import Progress
from remote_assist.technician.log_file import LogFile
from remote_assist.tui.app import AssistApp
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, OnProgress
from remote_assist.tui.screens.overview import OverviewScreen
from tests.tui.customer_world import WorldSession
from tests.tui.world import World, WorldDesk

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


STARTED = (
    "import asyncio;from pathlib import Path;from remote_assist.tui.app import AssistApp;from remote_assist.tui.pace "
    "import Pace;from tests.tui.world import World;AssistApp(World().open,downloads=Path('.'),pace=Pace()).run()"
)
EMPTY = "print('#4711')"


def start_seconds(runs: int = 9) -> None:
    """A new interpreter on a terminal until its tickets are shown; beside it one that only prints a line."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as compiled:
        environment |= {"PYTHONPYCACHEPREFIX": compiled, "TERM": "xterm-256color"}
        started(STARTED, environment)  # compiles
        found = [started(STARTED, environment) for _ in range(runs)]
        bare = [started(EMPTY, environment)[0] for _ in range(runs)]
    seconds, cpu = (statistics.median(one[part] for one in found) for part in (0, 1))
    told(
        "start to usable",
        seconds=round(seconds, 3),
        cpu_seconds=round(cpu, 3),
        of_a_bare_interpreter=round(seconds / statistics.median(bare), 1),
        runs=[round(one, 3) for one, _ in found],
        load=os.getloadavg()[0],
    )


def started(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor until a ticket is seen."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    began, seen = time.perf_counter(), b""
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    )
    os.close(slave)
    while b"4711" not in seen:
        seen += os.read(master, 65536)
    seconds = time.perf_counter() - began
    os.kill(child.pid, signal.SIGKILL)  # Popen.kill would collect a child that ended already, and its figures with it
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = -9
    os.close(master)
    return seconds, used.ru_utime + used.ru_stime


BUSY = (
    "from bench.tui import app_over;from tests.tui.world import SESSION,World;"
    "import tempfile,pathlib;app_over(World(downloads=pathlib.Path(tempfile.mkdtemp())),SESSION,busy=True).run()"
)
KEY, MARK, AWAY = b"7", b"Session opened", b"5"
"""A tab's key, what only this tab shows, and the key of another tab."""


def key_seconds(presses: int = 60) -> None:
    """Key to drawn tab on a terminal, at rest and while a transfer and a bundle report a thousand times a second."""
    found: dict[str, list[float]] = {"rest": [], "busy": []}
    for kind, before in (("rest", b""), ("busy", b"d")):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        child = subprocess.Popen(
            [sys.executable, "-c", BUSY], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        wait_for(master, b"linked")
        wait_until_quiet(master, 1.0)
        os.write(master, before)
        wait_until_quiet(master, 1.0)
        for _ in range(presses):
            os.write(master, AWAY)
            wait_until_quiet(master)
            began = time.perf_counter()
            os.write(master, KEY)
            wait_for(master, MARK)
            found[kind].append(time.perf_counter() - began)
            wait_until_quiet(master)
        child.kill()
        child.wait()
        os.close(master)
    for each in found.values():
        each.sort()
    figures = {
        f"{kind}_p{share}": round(each[min(len(each) - 1, len(each) * share // 100)], 4)
        for kind, each in found.items()
        for share in (50, 95)
    }
    told(
        "key to screen",
        **figures,
        busy_to_rest=round(figures["busy_p95"] / figures["rest_p95"], 2),
        load=os.getloadavg()[0],
    )


def wait_for(master: int, mark: bytes) -> None:
    """Read until the terminal was sent `mark`."""
    seen = b""
    while mark not in seen:
        seen += os.read(master, 65536)


def wait_until_quiet(master: int, seconds: float = 0.2) -> int:
    """Read on for so long, so that the next wait sees only what is new; how many bytes it was."""
    end, sent = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0 and select.select([master], [], [], left)[0]:
        sent += len(os.read(master, 65536))
    return sent


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
    key_seconds()
    asyncio.run(overview_share())
    log_figures()


if __name__ == "__main__":
    main()

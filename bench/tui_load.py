"""Key to screen while a real `get` and a real bundle run: `python -m bench.tui_load [--presses 60] [--mib 8192]`.

The technician's screens, the relay and the customer's agent are three processes on this machine, and the keys go
through a terminal, as in the story of the tests. Prints one JSON object a line: at rest, and under load with the MB/s
the file came in with meanwhile. `--load get` or `--load bundle` has one of the two alone.
"""

import argparse
import contextlib
import json
import os
import select
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.tui import SIZE, told, wait_until_quiet
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.world import World, served_world

KEY, MARK = "7", b"Collects a diagnostic"
"""The log's tab, and what only it shows after a look."""

AWAY, AWAY_MARK = "5", b"linux."
"""Another tab, and what it shows: the fixes this machine could have."""

HIDDEN = 0.2
"""Seconds between two keys, as somebody who looks presses them."""

SECONDS_OF_LOAD = 1.0
PATIENCE_SECONDS = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--mib", type=int, default=16384, help="size of the (sparse) file that is fetched")
    parser.add_argument("--load", choices=("both", "get", "bundle"), default="both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base, served_world(Path(base)) as world:
        folder = world.folder / "shop"
        folder.mkdir()
        with (folder / "disk.img").open("wb") as file:
            file.truncate(options.mib << 20)
        _, session, _ = world.session()
        with seen(world, session) as screen:
            os.write(screen, b"d")
            wait_until_quiet(screen, 5 * SECONDS_OF_LOAD)
            told("key to screen at rest", **spread(measure(screen, options.presses, bundles=False)), **around())
            if options.load != "bundle":
                fetch(screen, folder)
            part = Path(world.folder, "alice-home", "collected", session, "files", ".disk.img.part")
            began, held = time.perf_counter(), size_of(part)
            found = measure(screen, options.presses, bundles=options.load != "get")
            seconds, moved = time.perf_counter() - began, size_of(part) - held
            told(
                f"key to screen while {options.load} runs",
                **spread(found),
                get_mb_s=round(moved / seconds / 1e6, 1),
                bundles=bundles_of(world, session),
                **around(),
            )
    return 0


@contextlib.contextmanager
def seen(world: World, session: str) -> Iterator[int]:
    """The screens of one session on a terminal; its file descriptor."""
    with OnScreen(world, "tui", session) as screen:
        screen.resize(SIZE[1], SIZE[0])
        screen.read_until("linked")
        wait_until_quiet(screen.terminal, SECONDS_OF_LOAD)
        yield screen.terminal


def fetch(terminal: int, folder: Path) -> None:
    """Have the file come, and wait until it does."""
    for keys in ("3", "\x1b[H\x0b", str(folder), "\r"):
        os.write(terminal, keys.encode())
        wait_until_quiet(terminal, 2 * HIDDEN)
    wait_until_quiet(terminal, SECONDS_OF_LOAD)
    os.write(terminal, b"c")
    wait_until_quiet(terminal, 2 * SECONDS_OF_LOAD)


def measure(terminal: int, presses: int, *, bundles: bool) -> list[float]:
    """Seconds from a key to what it shows, each time; with `bundles` a look is begun again whenever one ended."""
    found = []
    for number in range(presses):
        if bundles and number % 3 == 0:
            os.write(terminal, b"d")
            wait_until_quiet(terminal, HIDDEN)
        os.write(terminal, AWAY.encode())
        wait_for(terminal, AWAY_MARK)
        wait_until_quiet(terminal, HIDDEN)
        began = time.perf_counter()
        os.write(terminal, KEY.encode())
        wait_for(terminal, MARK)
        found.append(time.perf_counter() - began)
        wait_until_quiet(terminal, HIDDEN)
    return found


def wait_for(terminal: int, mark: bytes) -> None:
    """Read until the terminal was sent `mark`. Raises TimeoutError."""
    seen, end = b"", time.monotonic() + PATIENCE_SECONDS
    while mark not in seen:
        if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"{mark!r} was never drawn")
        seen = seen[-len(mark) :] + os.read(terminal, 65536)


def spread(found: list[float]) -> dict[str, float]:
    ordered = sorted(found)
    return {
        f"p{share}_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
        for share in (50, 95, 100)
    }


def bundles_of(world: World, session: str) -> int:
    lines = world.command("audit", "show", session, "--json").stdout.splitlines()
    return sum(json.loads(line).get("code") == "RA1100O" for line in lines)


def around() -> dict[str, float]:
    return {"load": round(os.getloadavg()[0], 1)}


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return path.with_name("disk.img").stat().st_size if path.with_name("disk.img").exists() else 0


if __name__ == "__main__":
    raise SystemExit(main())

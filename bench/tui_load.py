"""Key to screen while a real `get` and a real bundle run: `python -m bench.tui_load [--rounds 12] [--mib 8192]`.

The technician's screens, the relay and the customer's agent are three processes on this machine, and the keys go
through a terminal, as in the story of the tests. Prints a table with a line for each kind of key, and one JSON object:
at rest, and under load with the MB/s the file came in with meanwhile. `--load get` or `--load bundle` has one of the
two alone, `--load none` neither. The machine needs something that the known issues find.
"""

import argparse
import contextlib
import json
import os
import select
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.tui import SIZE, told, wait_until_quiet
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.world import World, served_world

HIDDEN = 0.2
"""Seconds between two keys, as somebody who looks presses them."""

SECONDS_OF_LOAD = 1.0
PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Press:
    """A key, what it shows and nothing else does, and the keys after which the next one can be pressed."""

    name: str
    key: str
    mark: str
    then: tuple[str, ...] = ()
    of_findings: bool = False
    """Whether it needs findings: there are none to see while a look runs."""


ESC, TAB = "\x1b", "\t"
"""Esc would stop the look that runs: out of a field it is by tab."""

ROUND = (
    Press("1 findings", "1", "✔"),
    Press("↓ next finding", "\x1b[B", "view it in", of_findings=True),
    Press("↑ finding before", "\x1b[A", "view it in", of_findings=True),
    Press("2 facts", "2", "▶"),
    Press("3 files", "3", "customer"),
    Press("4 actions", "4", "This screen", (TAB,)),
    Press("5 fixes", "5", "linux."),
    Press("6 chat", "6", "The customer presses"),
    Press("a letter", "Q", "Q", ("\x7f", TAB)),
    Press("7 log", "7", f"{time.gmtime().tm_year}-"),
    Press("8 terminal", "8", "No terminal"),
    Press("? help", "?", "Keys here", (ESC,)),
    Press("o sessions", "o", "open here", (ESC,)),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """How long a key took until its mark was sent, and how much was sent until all was quiet."""

    press: Press
    seconds: float
    sent_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help=f"of {len(ROUND)} keys each")
    parser.add_argument("--mib", type=int, default=32768, help="size of the (sparse) file that is fetched")
    parser.add_argument("--load", choices=("both", "get", "bundle", "none"), default="both")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base, served_world(Path(base)) as world:
        folder = world.folder / "shop"
        folder.mkdir()
        with (folder / "disk.img").open("wb") as file:
            file.truncate(options.mib << 20)
        _, session, _ = world.session()
        with seen(world, session) as screen:
            prepare(screen, folder)
            at_rest = measure(screen, options.rounds, bundles=False)
            tabled(at_rest)
            told("key to screen at rest", **spread(at_rest), **around())
            if options.load == "none":
                return 0
            if options.load != "bundle":
                fetch(screen)
            part = Path(world.folder, "alice-home", "collected", session, "files", ".disk.img.part")
            began, held = time.perf_counter(), size_of(part)
            found = measure(screen, options.rounds, bundles=options.load != "get")
            seconds, moved = time.perf_counter() - began, size_of(part) - held
            tabled(found)
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


def prepare(terminal: int, folder: Path) -> None:
    """Have a look, open the folder with the file, and go where a round ends."""
    os.write(terminal, b"d")
    wait_until_quiet(terminal, 5 * SECONDS_OF_LOAD)
    for keys in ("3", "\x1b[H\x0b", str(folder), "\r"):
        os.write(terminal, keys.encode())
        wait_until_quiet(terminal, SECONDS_OF_LOAD)
    os.write(terminal, ROUND[-3].key.encode())
    wait_until_quiet(terminal, SECONDS_OF_LOAD)


def fetch(terminal: int) -> None:
    """Have the file come, and wait until it does."""
    for key in (b"3", b"c"):
        os.write(terminal, key)
        wait_until_quiet(terminal, 2 * SECONDS_OF_LOAD)


def measure(terminal: int, rounds: int, *, bundles: bool) -> list[Shown]:
    """Every key of every round; with `bundles` a look is begun again in each, once the one before ended."""
    found = []
    for _ in range(rounds):
        if bundles:
            os.write(terminal, b"d")
            wait_until_quiet(terminal, HIDDEN)
        found += [pressed(terminal, press) for press in ROUND if not (bundles and press.of_findings)]
    return found


def pressed(terminal: int, press: Press) -> Shown:
    """Press a key and wait for its mark, then until the next can follow."""
    began = time.perf_counter()
    os.write(terminal, press.key.encode())
    sent = wait_for(terminal, press.mark.encode())
    seconds = time.perf_counter() - began
    sent += wait_until_quiet(terminal, HIDDEN)
    for key in press.then:
        os.write(terminal, key.encode())
        wait_until_quiet(terminal, HIDDEN)
    return Shown(press, seconds, sent)


def wait_for(terminal: int, mark: bytes) -> int:
    """Read until the terminal was sent `mark`; how many bytes it was. Raises TimeoutError."""
    seen, sent, end = b"", 0, time.monotonic() + PATIENCE_SECONDS
    while mark not in seen:
        if not select.select([terminal], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError(f"{mark.decode()!r} was never drawn")
        piece = os.read(terminal, 65536)
        seen = seen[-len(mark) :] + piece
        sent += len(piece)
    return sent


def spread(found: list[Shown]) -> dict[str, float]:
    ordered = sorted(one.seconds for one in found)
    return {
        f"p{share}_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)
        for share in (50, 95, 100)
    }


def tabled(found: list[Shown]) -> None:
    """A line for each kind of key."""
    print(f"{'key':18}{'p50 ms':>8}{'p95 ms':>8}{'worst':>8}{'KB sent':>9}")
    for press in dict.fromkeys(one.press for one in found):
        own = [one for one in found if one.press is press]
        times = "".join(f"{value:8.1f}" for value in spread(own).values())
        kilobytes = sorted(one.sent_bytes for one in own)[len(own) // 2] / 1000
        print(f"{press.name:18}{times}{kilobytes:9.1f}", flush=True)


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

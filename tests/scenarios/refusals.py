"""How a refusal looks to whoever typed the command: one sentence on standard error, advice below it, an exit code."""

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from remote_assist import cli
from tests.scenarios.world import StepFailed, World

BEGINS = "remote-assist: "


@dataclass(frozen=True)
class Refusal:
    """One command that was refused, as its user saw it. `advice` is empty when there was none."""

    exit: int
    sentence: str
    advice: str


def refusal(done: subprocess.CompletedProcess[str]) -> Refusal:
    """What a refused command said. Fails unless it said exactly one sentence and nothing of our own code's inside."""
    lines = done.stderr.splitlines()
    places = [number for number, line in enumerate(lines) if line.startswith(BEGINS)]
    assert len(places) == 1, done.stderr
    assert "Traceback" not in done.stderr
    rest = lines[places[0] + 1 :]
    assert len(rest) <= 1, done.stderr
    assert all(line.startswith("  ") for line in rest)
    return Refusal(done.returncode, lines[places[0]].removeprefix(BEGINS), rest[0].strip() if rest else "")


def told_as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one object a refused command with `--json` printed."""
    [line] = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["error"] == refusal(done).sentence
    assert told["exit"] == done.returncode
    return told


def told_by_run(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one object of a refused `run --json`: on standard error, because standard output is the program's."""
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    told: dict[str, Any] = json.loads(line)
    assert told["exit"] == done.returncode == 255
    return told


def typed(
    world: World, *words: str, home: str = "alice-home", stdin: str = "", expect: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """`world.command`, but in this process: the same words through the same `main`, in a tenth of the time."""
    out, errors = io.StringIO(), io.StringIO()
    with _surroundings(world, home, stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        status = cli.main(words)
    if expect is not None and status != expect:
        raise StepFailed(f"{' '.join(words)} → exit {status}\n{out.getvalue()}{errors.getvalue()}")
    return subprocess.CompletedProcess(list(words), status, out.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _surroundings(world: World, home: str, stdin: str) -> Iterator[None]:
    """What a shell would set: folder, environment, standard input."""
    environment, standard_input = dict(os.environ), sys.stdin
    with contextlib.chdir(world.folder):
        os.environ.update(world.environment(home))
        sys.stdin = io.StringIO(stdin)
        try:
            yield
        finally:
            sys.stdin = standard_input
            os.environ.clear()
            os.environ.update(environment)


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something another program does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)

"""How a refusal looks to whoever typed the command: one sentence on standard error, advice below it, an exit code."""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for something another program does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)

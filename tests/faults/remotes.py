"""Customers and technicians that are real programs, for faults that must not end what they run."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.wired import COUNTING
from tests.scenarios.world import SCOPES, World, find_program

BACK = "the technician's connection is back"
"""Written by the agent itself when a technician's stream goes on."""


@dataclass
class Remote:
    """One customer's machine, its session, and the log its agent writes."""

    session: str
    program: "subprocess.Popen[str]"
    log: Path

    @classmethod
    def join(cls, world: World, number: int) -> "Remote":
        """A new customer's agent, paired with a technician who invited."""
        inviting, code = world.invite(world.new_ticket())
        log = f"agent-{number}.log"
        words = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)
        program = world.start("remote-assist", *words, home=f"remote-customer-{number}", log=log)
        assert program.stdin is not None and inviting.stdout is not None
        program.stdin.write(code + "\n")
        program.stdin.close()
        program.stdin = None
        session = inviting.stdout.readline().strip()
        assert session.startswith("s-"), world.log(log)
        return cls(session, program, world.folder / log)

    def is_back(self) -> bool:
        return BACK in self.log.read_text()

    @property
    def consents(self) -> int:
        """How often the customer was asked and allowed it."""
        return self.log.read_text().count("allowed: ")


@dataclass
class RealRun:
    """A technician's `run` of a program that prints numbers for a while."""

    program: "subprocess.Popen[bytes]"
    out: Path
    errors: Path
    expected: bytes

    @classmethod
    def start(cls, world: World, remote: Remote, number: int, *, count: int, pause: float) -> "RealRun":
        out, errors = world.folder / f"run-{number}.out", world.folder / f"run-{number}.err"
        counting = COUNTING.format(count=count, pause=pause)
        with out.open("wb") as sink, errors.open("wb") as complaints:
            program = subprocess.Popen(
                [find_program("remote-assist"), "run", remote.session, "--", sys.executable, "-c", counting],
                stdout=sink, stderr=complaints, stdin=subprocess.DEVNULL, env=world.environment("alice-home"),
            )  # fmt: skip
        return cls(program, out, errors, b"".join(b"%d\n" % (n * 7919) for n in range(count)))

    @property
    def has_begun(self) -> bool:
        return self.out.stat().st_size > 30

    def check(self, seconds: float = 60) -> None:
        """It ended well and not a byte is missing or doubled."""
        assert self.program.wait(seconds) == 0, self.errors.read_text()
        assert self.out.read_bytes() == self.expected


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


async def moment_of(condition: Callable[[], object], seconds: float = 60) -> float:
    """The time of the steady clock when it came about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
    return time.monotonic()

"""`first-look` on ten machines behind one agent, beside the slowest of them alone: `python -m bench.hops [--rtt MS …]`.

Ten servers of OpenSSH on this machine, each behind a road of its own that delays every byte by half of RTT each way:
what a customer's other sites are like. Alone: one machine after the other in a fresh session; then all ten at once in
another fresh session. Machines, agent and relay share this computer's processors, so that with a short road the ten
machines' own work shows in the ratio, which elsewhere would be done by ten computers: it is measured (servers of
OpenSSH and all that ended under them) and printed beside, as the wall time it takes here if nothing else does any.
"""

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.scenarios.ssh_machine import SshMachine, openssh, ssh_agent
from tests.scenarios.world import World, free_port, served_world

MACHINES = 10
GOAL = 1.5


class SlowRoad(threading.Thread):
    """Carries TCP connections from `port` to `goal`, each byte `seconds` late each way. Daemon."""

    def __init__(self, goal: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        self._goal = goal
        self._seconds = seconds
        self._ready = threading.Event()

    def run(self) -> None:
        asyncio.run(self._serve())

    def wait(self) -> None:
        """Until it listens."""
        self._ready.wait(30)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self._ready.set()
        async with server:
            await server.serve_forever()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._goal)
        except OSError:  # the machine is gone, and somebody new has this port
            writer.close()
            return
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, source: asyncio.StreamReader, goal: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while raw := await source.read(65536):
                loop.call_later(self._seconds, goal.write, raw)
        loop.call_later(self._seconds + 0.01, goal.close)


@contextlib.contextmanager
def machines(folder: Path, seconds: float) -> Iterator[tuple[list[str], Path]]:
    """Ten places and a customer's home that knows their keys."""
    with contextlib.ExitStack() as stack:
        each: list[SshMachine] = [stack.enter_context(openssh(folder / f"m{n}")) for n in range(MACHINES)]
        roads = [SlowRoad(machine.port, seconds) for machine in each]
        for road in roads:
            road.start()
            road.wait()
        home = folder / "customer"
        (home / ".ssh").mkdir(parents=True)
        known = (f"[127.0.0.1]:{road.port} {one.host_key}" for road, one in zip(roads, each, strict=True))
        (home / ".ssh" / "known_hosts").write_text("".join(known))
        # One key for all: an agent that offered ten would be turned away after six.
        key = each[0].user_key
        for n in range(1, MACHINES):
            (folder / f"m{n}" / "authorized").write_text((folder / "m0" / "user.pub").read_text())
        socket = stack.enter_context(ssh_agent(folder, key))
        (home / "socket").write_text(socket)
        yield [one.place.replace(str(one.port), str(road.port)) for road, one in zip(roads, each, strict=True)], home


def collect(world: World, session: str, places: list[str]) -> float:
    """Wall seconds of the slowest machine of these, as the product reports it."""
    out = world.folder / f"{time.monotonic_ns()}.tar"
    words = [word for place in places for word in ("--on", place)]
    began = time.monotonic()
    done = world.command("machines", session, *words, "-o", str(out), "--json", timeout=600)
    took = time.monotonic() - began
    faults = [one for line in done.stdout.splitlines() if (one := json.loads(line)).get("error")]
    assert not faults, faults
    return took


def measure(rtt_ms: float, base: Path) -> None:
    with tempfile.TemporaryDirectory(dir=base, prefix="hops-") as name:
        folder = Path(name)
        with machines(folder, rtt_ms / 2000) as (places, home), served_world(folder / "world") as world:
            socket = (home / "socket").read_text()
            world.extra["customer-home"] = {"HOME": str(home), "SSH_AUTH_SOCK": socket}
            scopes = ",".join(["diagnose", *(f"hop={place}" for place in places)])
            _, session, agent = world.session(scopes=scopes)
            collect(world, session, [places[0]])  # what an agent loads once
            before = _cpu_seconds(agent.pid)
            alone = [collect(world, session, [place]) for place in places[1:]]
            one = (_cpu_seconds(agent.pid) - before) / len(alone)
            world.command("end", session, "--note", "measured")
            _, session, agent = world.session(scopes=scopes)
            before, theirs = _cpu_seconds(agent.pid), _machines_seconds(folder)
            together = collect(world, session, places)
            cpu = _cpu_seconds(agent.pid) - before
            world.command("end", session, "--note", "measured")
            time.sleep(1)  # until their servers have seen the end of it: only then is what it cost counted
            theirs = _machines_seconds(folder) - theirs
    _report(rtt_ms, Measured(max(alone), together, one, cpu, theirs))


@dataclass(frozen=True)
class Measured:
    """Seconds: wall of the slowest machine alone and of all together; CPU of the agent for one and for all, and of
    the machines for all.
    """

    alone: float
    together: float
    agent_one: float
    agent_all: float
    machines: float


def _report(rtt_ms: float, seen: Measured) -> None:
    processors = os.cpu_count() or 1
    bound = seen.machines / processors
    print(
        f"first-look, road of {rtt_ms:g} ms: slowest alone {seen.alone:.2f} s, ten at once {seen.together:.2f} s: "
        f"{seen.together / seen.alone:.2f} × (goal ≤ {GOAL:g})\n"
        f"  CPU: agent {seen.agent_one:.2f} s for one, {seen.agent_all:.2f} s for ten; the ten machines "
        f"{seen.machines:.2f} s, which is {bound:.2f} s ({bound / seen.alone:.2f} ×) at least on the {processors} "
        f"processors that they share with everything here; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def _machines_seconds(folder: Path) -> float:
    """Of the ten servers and whatever ended under them."""
    return sum(_cpu_seconds(int((folder / f"m{n}" / "pid").read_text()), and_children=True) for n in range(MACHINES))


def _cpu_seconds(pid: int, *, and_children: bool = False) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11 : 15 if and_children else 13]) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.hops", description=__doc__)
    parser.add_argument("--rtt", type=float, nargs="+", default=[0, 20, 60], metavar="MS", help="round trips (0 20 60)")
    for rtt_ms in parser.parse_args().rtt:
        measure(rtt_ms, Path(tempfile.gettempdir()))


if __name__ == "__main__":
    main()

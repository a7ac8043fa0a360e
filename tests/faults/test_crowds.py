"""F3 and F15: a killed relay's many sessions resume, and a crowd of idle agents comes back, without losing anything."""

import asyncio
import statistics
import time
from functools import partial
from pathlib import Path

import pytest

from bench.relay_splice import OutsideWorld
from tests.faults.crowd import crowd
from tests.faults.open_files import allow_files, open_files
from tests.faults.remotes import RealRun, Remote, moment_of
from tests.scenarios.world import World

RESUMED_SECONDS = 10.0
"""F3: every session has to be back so soon after the port is open. Asserted where the machine is ours (`full`)."""

ROUNDS = 3
SESSIONS = [  # in all, and how many of them are real programs
    pytest.param(6, 1, id="6", marks=[pytest.mark.slow, pytest.mark.full]),  # test_relay_restart.py has four real ones
    pytest.param(200, 4, id="200", marks=[pytest.mark.full, pytest.mark.timeout(1800)]),
]
AGENTS = [
    pytest.param(200, id="200", marks=pytest.mark.slow),
    pytest.param(5000, id="5000", marks=[pytest.mark.full, pytest.mark.timeout(900)]),
]


@pytest.mark.parametrize(("size", "real"), SESSIONS)
async def test_f3_every_session_of_a_killed_relay_resumes_nobody_is_asked_again_and_logs_verify(
    tmp_path: Path, size: int, real: int
) -> None:
    allow_files(size * 10)
    world = World(tmp_path)
    try:
        world.take_organisation()
        async with crowd(world, tmp_path, size - real, count=40 + size * 10, pause=0.2) as made:
            remotes = [await asyncio.to_thread(Remote.join, world, number) for number in range(real)]
            runs = [RealRun.start(world, one, n, count=300, pause=0.1) for n, one in enumerate(remotes)]
            await moment_of(lambda: all(run.has_begun for run in runs))
            before = {name: member.printed for name, member in made.members.items()}
            waiting = asyncio.gather(*(moment_of(one.is_back) for one in remotes))
            cpu, began = time.process_time(), time.monotonic()
            seconds = await made.kill_relay_and_wait()
            cpu, wall = time.process_time() - cpu, time.monotonic() - began
            seconds += [max(0.0, moment - made.opened_at) for moment in await waiting]
            print(
                f"F3: {len(seconds)} sessions ({real} of them real programs) were back after "
                f"{statistics.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most; "
                f"the crowd's process took {cpu / wall:.0%} of a core"
            )
            assert len(seconds) == size
            if size >= 200:
                assert max(seconds) < RESUMED_SECONDS
            for name, member in made.members.items():
                await moment_of(partial(member.has_printed_more, before[name]))
                member.counting.running.cancel() if size >= 200 else await member.counting.check()
                assert member.counting.expected.startswith(member.counting.output.data)
                assert len(member.parties.customer.asked) == 1
            for run in runs:
                await asyncio.to_thread(run.check)
            for remote in remotes:
                assert remote.consents == 1
                await asyncio.to_thread(world.command, "end", remote.session, "--note", "The relay was killed.")
        for session in [*made.members, *(remote.session for remote in remotes)]:
            done = await asyncio.to_thread(world.command, "audit", "verify", session)
            assert "verified" in done.stdout
    finally:
        world.close()


@pytest.mark.parametrize("count", AGENTS)
async def test_f15_a_crowd_of_idle_agents_is_cut_three_times_comes_back_and_leaves_no_files_open(
    tmp_path: Path, count: int
) -> None:
    allow_files(count)
    world = OutsideWorld(tmp_path, unlimited=True)
    process = await world.serve()
    try:
        alice, token = await world.technician()
        ticket = await world.ticket(token)
        agents = [world.agent(alice, ticket) for _ in range(count)]
        gate = asyncio.Semaphore(32)

        async def within(work: object) -> None:
            async with gate:
                await work  # type: ignore[misc]

        await asyncio.gather(*(within(agent.open()) for agent in agents))
        files = open_files(process.pid)
        for _ in range(ROUNDS):
            for agent in agents:
                agent.link.transport.abort()
            async with asyncio.timeout(600):
                await asyncio.gather(*(within(agent.connect()) for agent in agents))
        async with asyncio.timeout(60):
            while open_files(process.pid) > files + 10:
                await asyncio.sleep(0.1)
        assert process.poll() is None
        for agent in agents:
            agent.link.transport.abort()
    finally:
        await world.http.close()
        process.kill()
        process.wait()

"""Alarms as work: of workers that ask at the same moment one gets each alarm, and one that died keeps none."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remote_assist.core.api import AlarmClaim, AlarmClaimed, OpenAlarms
from remote_assist.core.codec import decode
from tests.relay.test_alarms import PATIENT_SECONDS, source, tell
from tests.relay.world import RelayWorld
from tests.tickets.test_alarms import ALERT

ALARMS = 6


@pytest.fixture
async def firing(tmp_path: Path, database: str) -> AsyncIterator[RelayWorld]:
    """A relay with six alarms, each on its ticket."""
    async with RelayWorld(tmp_path, database=database, alarm_sources=source(tmp_path)) as world:
        status, _ = await tell(world, *({**ALERT, "fingerprint": f"disk-{one}"} for one in range(ALARMS)))
        assert status == 200
        yield world


async def offered(world: RelayWorld, token: str) -> list[int]:
    return [one.id for one in (await world.get("/v1/alarms", OpenAlarms, token)).alarms]


async def claim(world: RelayWorld, token: str, alarm: int, *, done: bool = False) -> bool:
    status, raw = await world.call("POST", "/v1/alarms/claims", AlarmClaim(id=alarm, done=done), token=token)
    assert status == 200, raw
    return decode(raw, AlarmClaimed).taken


async def test_of_workers_that_claim_at_once_exactly_one_gets_each_alarm(firing: RelayWorld) -> None:
    _, alice = await firing.technician()
    _, bob = await firing.technician("Bob Example")
    async with asyncio.timeout(PATIENT_SECONDS):
        while len(alarms := await offered(firing, alice)) < ALARMS:
            await asyncio.sleep(0.02)
    workers = (alice, bob, bob, alice)  # two workers with one certificate are two as well
    answers = await asyncio.gather(*(claim(firing, token, one) for one in alarms for token in workers))
    for number in range(ALARMS):
        assert sum(answers[number * len(workers) : (number + 1) * len(workers)]) == 1
    assert await offered(firing, alice) == []


async def test_an_alarm_of_a_worker_that_died_is_free_after_its_lease_and_one_that_is_done_is_not(
    firing: RelayWorld,
) -> None:
    _, alice = await firing.technician()
    _, bob = await firing.technician("Bob Example")
    async with asyncio.timeout(PATIENT_SECONDS):
        while len(alarms := await offered(firing, alice)) < ALARMS:
            await asyncio.sleep(0.02)
    died, done, *rest = alarms
    assert await claim(firing, alice, died) and await claim(firing, alice, done)
    assert not await claim(firing, bob, done, done=True), "only who took it may say it is done"
    assert await claim(firing, alice, done, done=True)
    firing.clock.turn(minutes=16)
    assert await offered(firing, bob) == [died, *rest]
    assert await claim(firing, bob, died)
    assert not await claim(firing, alice, died, done=True), "it is another's now"

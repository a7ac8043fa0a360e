"""Floods: ten thousand notes to a small tracker that misbehaves; a real RT while the relay is killed every fifty."""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

import pytest

from remote_assist.core.messages import Acknowledged
from remote_assist.core.records import Outcome
from remote_assist.settings import TicketRules, TicketSystemSettings
from remote_assist.tickets.http import Http
from remote_assist.tickets.marks import events_in, note_key
from remote_assist.tickets.request_tracker import RequestTracker
from remote_assist.tickets.system import Draft
from tests.relay.world import Agent, RelayWorld
from tests.tickets.servers import free_port
from tests.tickets.servers.request_tracker import request_tracker
from tests.tickets.small_tracker import TOKEN, small_tracker

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(1800)]

NOTES, TICKETS = 10_000, 50
EVENTS, KILL_EVERY = 1000, 50


async def test_ten_thousand_notes_arrive_once_each_at_a_peer_that_fails_one_write_in_twenty(tmp_path: Path) -> None:
    credential = tmp_path / "token"
    credential.write_text(TOKEN)
    credential.chmod(0o600)
    dice = random.Random(8472)
    async with small_tracker() as tracker:
        system = TicketSystemSettings("request-tracker", tracker.url, credential)
        rules = TicketRules(settle_seconds=0.01)
        async with RelayWorld(tmp_path, ticket_systems={"rt": system}, ticket_rules=rules) as world:
            _, token = await world.technician()
            numbers = [tracker.ticket() for _ in range(TICKETS)]
            for number in numbers:
                assert (await world.call("GET", f"/v1/tickets/rt:{number}", token=token))[0] == 200
            tracker.down = True
            for start in range(0, NOTES, 100):
                await asyncio.gather(*(note(world, token, numbers[n % TICKETS], n) for n in range(start, start + 100)))
            tracker.fail_next = [
                dice.choice(["+500", "500", "+cut"]) if dice.random() < 0.05 else "" for _ in range(NOTES)
            ]
            tracker.down = False
            while sum(len(one.notes) for one in tracker.tickets.values()) < NOTES:
                world.clock.turn(seconds=30)
                await asyncio.sleep(0.2)
    assert all(set(tracker.marks(number).values()) == {1} for number in numbers)
    for number in numbers:
        order = [int(one.content.splitlines()[1]) for one in tracker.tickets[number].notes]
        assert order == sorted(order)


async def note(world: RelayWorld, token: str, number: str, n: int) -> None:
    body = f'{{"text": "{n}", "key": "k{n}"}}'.encode()
    status, raw = await world.call("POST", f"/v1/tickets/rt:{number}/notes", body, token=token)
    assert status == 201, raw


class Killed:
    """A relay in a program of its own, killed without warning and started again."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.process: asyncio.subprocess.Process

    async def start(self) -> str:
        argv = [sys.executable, "-m", "relay", "serve", "--config", str(self.config)]
        self.process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode()
        assert line.startswith("serving "), line
        return line.split()[1]

    async def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        await self.process.wait()


async def test_a_thousand_events_reach_a_real_rt_once_each_although_the_relay_is_killed_every_fifty(
    tmp_path: Path,
) -> None:
    rt_folder = tmp_path / "rt"
    rt_folder.mkdir()
    with request_tracker(rt_folder) as rt:
        connector = RequestTracker(
            "rt", Http(rt.url, headers={"Authorization": f"token {rt.token}"}), queue="General", token=rt.token
        )
        number = (await connector.create(Draft("flood", "flood", note_key("flood")))).id
        world = RelayWorld(tmp_path)
        world.organisation.found()
        relay = Killed(_config(tmp_path, world, rt.url, rt.token))
        sent = await _send_and_kill(world, relay, f"rt:{number}")
        try:
            async with asyncio.timeout(900):
                while len(told := await _told(connector, number)) < sent:
                    await asyncio.sleep(2)
        finally:
            await relay.kill()
            await connector.close()
        assert events_in_rts_database(rt_folder) == told
    assert sent >= EVENTS
    assert Counter(told.values()) == {1: sent}


def events_in_rts_database(folder: Path) -> Counter[str]:
    """The events that RT itself holds, read from its tables and by none of our connector's code."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/rt.sqlite3?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT Content FROM Attachments WHERE Content LIKE '%[ra-note:%'").fetchall()
    return Counter(event for (text,) in rows for event in events_in(text if isinstance(text, str) else text.decode()))


def _config(folder: Path, world: RelayWorld, url: str, token: str) -> Path:
    (folder / "rt.token").write_text(token)
    (folder / "rt.token").chmod(0o600)
    config = folder / "relay.toml"
    config.write_text(
        f'data = "{world.organisation.data}"\nport = {free_port()}\n[ticket_systems.rt]\n'
        f'kind = "request-tracker"\nurl = "{url}"\n'
        'credential = "rt.token"\ndigest_seconds = 1\n[ticket_rules]\nsettle_seconds = 2\n'
    )
    return config


async def _send_and_kill(world: RelayWorld, relay: Killed, ticket: str) -> int:
    """Send events; after each fifty kill the relay at some moment of the next ones. Returns how many were accepted."""
    import aiohttp

    dice = random.Random(8472)
    async with aiohttp.ClientSession() as world.http:
        address = await relay.start()
        world.relay = _At(address)  # type: ignore[assignment]
        alice, token = await world.technician()
        assert (await world.call("GET", f"/v1/tickets/{ticket}", token=token))[0] == 200
        agent = world.agent(alice, ticket, seconds=6 * 3600)
        await agent.open()
        while agent.seq < EVENTS:
            await _fifty(agent)
            await asyncio.sleep(dice.random() * 1.5)
            await relay.kill()
            world.relay = _At(await relay.start())  # type: ignore[assignment]
            with contextlib.suppress(Exception):
                await agent.link.close()
            await agent.connect()
        answer = await agent.append(agent.ending())
        assert isinstance(answer, Acknowledged), answer
        return agent.seq


async def _fifty(agent: Agent) -> None:
    for _ in range(KILL_EVERY // 2):
        action = secrets.token_hex(4)
        records = (
            agent.record("RA1200I", action=action, scope="files:read", paths=("/etc",)),
            agent.record("RA1200O", action=action, outcome=Outcome(status="done")),
        )
        assert isinstance(await agent.append(*records), Acknowledged)


class _At:
    def __init__(self, address: str) -> None:
        self.address = address


async def _told(connector: RequestTracker, number: str) -> Counter[str]:
    return Counter(event for note in await connector.notes(number) for event in events_in(note.text))

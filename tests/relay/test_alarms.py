"""Alarms at the relay: on disk before the answer, on one ticket each, storms together, a session only offered."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from remote_assist.agent.alone.alarm_targets import relay_target
from remote_assist.agent.alone.watch import Watching, look_once
from remote_assist.agent.keeper import system_moment
from remote_assist.core.api import Ticket, Tickets
from remote_assist.core.watching.samples import Ending
from remote_assist.settings import AlarmSourceSettings, TicketRules, TicketSystemSettings
from tests.programs import needs
from tests.relay.world import RelayWorld
from tests.tickets.peer import Request, peer
from tests.tickets.servers import free_port, need
from tests.tickets.small_tracker import TOKEN, small_tracker
from tests.tickets.test_alarms import ALERT, TRAP, alertmanager

SECRET = "alarm-secret-8472"
PATIENT_SECONDS = 90.0


def source(folder: Path, **settings: Any) -> dict[str, AlarmSourceSettings]:
    file = folder / "alarm.secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    return {"site-1": AlarmSourceSettings(file, **settings)}


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path, alarm_sources=source(tmp_path, closes=True, storm_tickets=3)) as world:
        yield world


async def tell(world: RelayWorld, *alerts: dict[str, Any], secret: str = SECRET) -> tuple[int, Any]:
    status, raw = await world.call(
        "POST", "/v1/alarms/site-1/alertmanager", alertmanager(*alerts), Authorization=f"Bearer {secret}"
    )
    return status, json.loads(raw)


async def listed(world: RelayWorld) -> tuple[Ticket, ...]:
    _, token = await world.technician()
    return (await world.get("/v1/tickets", Tickets, token)).tickets


async def shown(world: RelayWorld, ticket: str) -> Ticket:
    _, token = await world.technician()
    return await world.get(f"/v1/tickets/{ticket}", Ticket, token)


async def test_an_alarm_opens_one_ticket_however_often_it_is_told_and_offers_a_session(watched: RelayWorld) -> None:
    for _ in range(3):
        status, told = await tell(watched, ALERT)
        assert (status, told["alarms"][0]["ticket"]) == (200, "1001")
    (ticket,) = await listed(watched)
    assert ticket.subject == "DiskFull: /var is full"
    (note,) = (await shown(watched, "1001")).notes
    assert "remote-assist invite --ticket 1001" in note.text
    assert note.visibility == "internal"


async def test_resolved_is_a_note_and_closes_the_ticket_when_that_was_the_last(watched: RelayWorld) -> None:
    await tell(watched, ALERT)
    for _ in range(2):
        await tell(watched, {**ALERT, "status": "resolved"})
    ticket = await shown(watched, "1001")
    assert [note.text.splitlines()[0] for note in ticket.notes] == [
        "Alarm: DiskFull: /var is full",
        "Resolved: DiskFull: /var is full",
    ]
    assert ticket.state == "closed"
    again = {**ALERT, "startsAt": "2026-11-23T10:00:00Z"}
    assert (await tell(watched, again))[1]["alarms"][0]["ticket"] == "1002"


async def test_a_storm_is_one_ticket_more_than_the_limit_never(watched: RelayWorld) -> None:
    alerts = [{**ALERT, "fingerprint": f"{number:016x}"} for number in range(30)]
    _, told = await tell(watched, *alerts)
    assert len(await listed(watched)) == 3
    tickets = [one["ticket"] for one in told["alarms"]]
    assert tickets[:3] == ["1001", "1002", "1003"]
    assert set(tickets[3:]) == {"1001"}
    assert len((await shown(watched, "1001")).notes) == 28


async def test_a_source_with_a_wrong_secret_is_refused_and_pays(watched: RelayWorld) -> None:
    for secret in ("", "wrong", SECRET + "x"):
        status, told = await tell(watched, ALERT, secret=secret)
        assert (status, told["reason"]) in {(403, "unknown-source"), (429, "slow-down")}
    watched.clock.turn(hours=2)
    assert await listed(watched) == ()


async def test_an_alarm_told_while_the_ticket_system_is_down_gets_its_ticket_later(tmp_path: Path) -> None:
    token_file = tmp_path / "rt.token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    async with small_tracker() as tracker:
        systems = {"rt": TicketSystemSettings("request-tracker", tracker.url, token_file)}
        async with RelayWorld(
            tmp_path,
            ticket_systems=systems,
            ticket_rules=TicketRules(default="rt"),
            alarm_sources=source(tmp_path),
        ) as world:
            tracker.down = True
            assert (await tell(world, ALERT))[1]["alarms"][0]["ticket"] == ""
            tracker.down = False
            tracker.fail_next = ["+500"]  # it opens the ticket and says that it failed
            async with asyncio.timeout(PATIENT_SECONDS):
                while not tracker.tickets or not tracker.tickets["1"].notes:
                    world.clock.turn(seconds=31)
                    await asyncio.sleep(0.1)
    assert list(tracker.tickets) == ["1"]


async def test_the_link_of_a_ticket_shows_how_to_invite_and_runs_nothing(watched: RelayWorld) -> None:
    status, raw = await watched.call("GET", "/start/rt:17")
    assert status == 200 and b"remote-assist invite --ticket rt:17" in raw
    assert (await watched.call("GET", "/start/%3Cscript%3E"))[0] == 404


async def program(
    *words: str, stdin: bytes = b"", more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "remote_assist", *words],
        input=stdin,
        env={**os.environ, **(more or {})},
        capture_output=True,
        timeout=60,
    )


@pytest.mark.slow
async def test_the_alert_verb_speaks_for_nagios_and_for_traps(watched: RelayWorld, tmp_path: Path) -> None:
    to = ("--relay", watched.url, "--source", "site-1", "--secret-file", str(tmp_path / "alarm.secret"), "--json")
    macros = {"NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "web-1", "SERVICEDESC": "http", "SERVICESTATE": "CRITICAL"}
    done = await program("alert", "--from", "monitoring", *to, more=macros)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"ticket": "1001"}), done.stderr
    done = await program("alert", "--from", "trap", *to, stdin=TRAP.encode())
    assert json.loads(done.stdout) == {"ticket": "1002"}
    done = await program("alert", "--from", "monitoring", *to, more={**macros, "NOTIFICATIONTYPE": "DOWNTIMESTART"})
    assert (done.returncode, done.stdout) == (0, b"")
    done = await program("alert", "--from", "json", *to, stdin=b"{}")
    assert done.returncode == 3


@pytest.mark.slow
async def test_real_traps_of_snmptrap_come_through_a_real_snmptrapd_without_their_community(
    watched: RelayWorld, tmp_path: Path
) -> None:
    daemon, trap = needs("snmptrapd"), needs("snmptrap")
    verb = f"{sys.executable} -m remote_assist alert --from trap --relay {watched.url} --source site-1"
    config, port = tmp_path / "snmptrapd.conf", free_port()
    config.write_text(
        f"disableAuthorization yes\ntraphandle default {verb} --secret-file {tmp_path / 'alarm.secret'}\n"
    )
    argv = [daemon, "-f", "-Le", "-C", "-c", str(config), "-p", str(tmp_path / "pid"), f"udp:127.0.0.1:{port}"]
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    to, link = f"127.0.0.1:{port}", ("1.3.6.1.2.1.2.2.1.1.7", "i", "7")

    async def send(*words: str) -> None:
        await asyncio.to_thread(subprocess.run, [trap, *words], check=True)

    try:
        async with asyncio.timeout(PATIENT_SECONDS):
            while f":{port:04X} " not in Path("/proc/net/udp").read_text():  # a trap that nobody hears is lost
                await asyncio.sleep(0.05)
            await send("-v2c", "-c", "hush", to, "", "1.3.6.1.6.3.1.1.5.3", *link)
            await send("-v1", "-c", "hush", to, "1.3.6.1.4.1.8072", "192.0.2.7", "6", "17", "", *(link[0], "s", "ups"))
            await send("-v2c", "-c", "hush", to, "", "1.3.6.1.6.3.1.1.5.4", *link)
            while len(found := await listed(watched)) < 2 or len((await shown(watched, "1001")).notes) < 2:
                await asyncio.sleep(0.1)
    finally:
        running.terminate()
        running.wait()
    assert {one.subject.partition(":")[0] for one in found} == {"localhost", "192.0.2.7"}
    told = "".join([note.text for one in found for note in (await shown(watched, one.id)).notes])
    assert "Resolved: " in told and "ups" in told and "hush" not in told


@pytest.mark.slow
async def test_a_real_alertmanager_fires_retries_after_a_500_and_resolves(watched: RelayWorld, tmp_path: Path) -> None:
    need("/usr/bin/prometheus-alertmanager", "/usr/bin/amtool")
    refused: list[int] = []

    async def relay_with_one_failure(request: Request) -> web.StreamResponse:
        if not refused:
            refused.append(500)
            return web.Response(status=500)
        status, raw = await watched.call(
            request.method, request.path, request.body, Authorization=request.headers["Authorization"]
        )
        return web.Response(status=status, body=raw)

    async with peer(relay_with_one_failure) as one:
        url, server = _start_alertmanager(tmp_path, f"{one.url}/v1/alarms/site-1/alertmanager")
        try:
            await _amtool(url, "DiskFull", "instance=web-1", "--annotation=summary=/var is full")
            async with asyncio.timeout(PATIENT_SECONDS):
                while not (found := await listed(watched)):
                    await asyncio.sleep(0.2)
            assert refused == [500] and found[0].subject == "DiskFull: /var is full"
            await _amtool(
                url, "DiskFull", "instance=web-1", "--annotation=summary=/var is full", "--end=2026-01-01T00:00:00Z"
            )
            async with asyncio.timeout(PATIENT_SECONDS):
                while (await shown(watched, "1001")).state != "closed":
                    await asyncio.sleep(0.2)
        finally:
            server.kill()
            server.wait()
    assert len(await listed(watched)) == 1


def _start_alertmanager(folder: Path, url: str) -> tuple[str, "subprocess.Popen[bytes]"]:
    config = folder / "am.yml"
    config.write_text(
        "route: {receiver: assist, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}\n"
        f"receivers:\n- name: assist\n  webhook_configs:\n  - url: {url}\n    send_resolved: true\n"
        f"    http_config: {{authorization: {{type: Bearer, credentials: {SECRET}}}}}\n"
    )
    port = free_port()
    program = shutil.which("prometheus-alertmanager") or ""
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    log = (folder / "am.log").open("wb")
    return f"http://127.0.0.1:{port}", subprocess.Popen(argv, stdout=log, stderr=log)


async def _amtool(url: str, *words: str) -> None:
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            argv = ["amtool", f"--alertmanager.url={url}", "alert", "add", *words]
            done = await asyncio.to_thread(subprocess.run, argv, capture_output=True)
            if done.returncode == 0:
                return
            await asyncio.sleep(0.3)


async def test_what_watch_foresees_opens_a_ticket_and_its_end_is_a_note_there(
    watched: RelayWorld, tmp_path: Path
) -> None:
    soon = Ending(kind="licence", name="Virus scanner", at=datetime.now(UTC).timestamp())
    watching = Watching(
        home=tmp_path / "home",
        moment=system_moment,
        notify=(relay_target(watched.url, "site-1", SECRET),),
        dates=(soon,),
        host="shop-pc",
    )
    assert (await look_once(watching)).untold == ()
    (ticket,) = [each for each in await listed(watched) if "shop-pc: A licence" in each.subject]
    later = replace(system_moment(), utc=datetime.now(UTC) + timedelta(minutes=5))
    await look_once(replace(watching, dates=(), moment=lambda: later))
    over = replace(system_moment(), utc=datetime.now(UTC) + timedelta(minutes=70))
    assert (await look_once(replace(watching, dates=(), moment=lambda: over))).untold == ()
    assert any(note.text.startswith("Resolved: shop-pc: A licence") for note in (await shown(watched, ticket.id)).notes)
    wrong = replace(watching, home=tmp_path / "other", notify=(relay_target(watched.url, "site-1", "wrong"),))
    assert "answer 403" in (await look_once(wrong)).untold[0]

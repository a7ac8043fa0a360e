"""The relay as a service: figures, readiness, and an end that loses nothing."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus

from remote_assist.errors import UnreachableError
from tests.relay.test_streams import opened_session, stream
from tests.relay.world import Organisation, RelayWorld, TurnableClock


async def figures(world: RelayWorld, url: str = "") -> dict[str, float]:
    async with world.http.get(url or f"{world.url}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removeprefix("remote_assist_") + "".join(sample.labels.values())] = sample.value
    return found


async def test_figures_are_those_of_the_relay(world: RelayWorld) -> None:
    before = await figures(world)
    agent, token = await opened_session(world)
    technician, far, _ = await stream(world, agent, token)
    await technician.send(bytes(1000))
    await far.recv()
    await world.call("GET", "/v1/tickets")
    now = await figures(world)
    assert (now["agents"], now["streams"], now["sessions_open"]) == (1, 1, 1)
    assert now["stream_bytes_total"] - before["stream_bytes_total"] == 1000
    assert now["acknowledgement_seconds_count"] - before["acknowledgement_seconds_count"] == 1
    assert now["refusals_totalnot-logged-in"] - before.get("refusals_totalnot-logged-in", 0) == 1
    assert now["free_bytes"] > 0 and now["writes_waiting"] == 0 and now["strangers"] >= 0
    assert {"outbox_waiting", "acknowledgement_seconds_bucket0.005"} <= set(now)


async def test_figures_name_nobody(world: RelayWorld) -> None:
    agent, token = await opened_session(world)
    async with world.http.get(f"{world.url}/metrics") as answer:
        text = await answer.text()
    for secret in (agent.session, token, "Alice", "Web server", "127.0.0.1"):
        assert secret not in text


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_figures_are_not_told_through_a_proxy(world: RelayWorld, header: str) -> None:
    status, raw = await world.call("GET", "/metrics", None, **{header: "192.0.2.1"})
    assert (status, json.loads(raw)["reason"]) == (404, "absent")


@pytest.mark.parametrize(
    "settings", [{"origins": ("https://relay.example.com",)}, {"trusted_proxies": ("192.0.2.1",)}], ids=str
)
async def test_a_relay_that_may_stand_behind_a_proxy_tells_no_figures(
    tmp_path: Path, settings: dict[str, tuple[str, ...]]
) -> None:
    async with RelayWorld(tmp_path, **settings) as world:
        assert (await world.call("GET", "/metrics"))[0] == 404


async def test_figures_can_have_a_port_of_their_own_and_then_only_that(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    async with RelayWorld(tmp_path, metrics_listen=listen) as world:
        assert (await figures(world, f"http://{listen}/metrics"))["agents"] == 0
        assert (await world.call("GET", "/metrics"))[0] == 404
        async with world.http.get(f"http://{listen}/v1/about") as answer:
            assert answer.status == 404


async def test_a_port_for_figures_that_is_taken_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UnreachableError, match="metrics cannot listen"):
            async with RelayWorld(tmp_path, metrics_listen=f"127.0.0.1:{taken.getsockname()[1]}"):
                pass


async def test_a_relay_is_ready_until_its_disk_is_full(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path) as world:
        assert await world.call("GET", "/readyz") == (200, b"ready\n")
        await world.relay.stop()
        world.settings["min_free_bytes"] = 1 << 62
        with pytest.raises(Exception, match="disk is full"):
            await world.start()


async def test_a_disk_that_fills_up_makes_the_relay_not_ready(
    world: RelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.storage.store.Store.free_bytes", property(lambda store: 0))
    status, raw = await world.call("GET", "/readyz")
    assert (status, json.loads(raw)["reason"]) == (503, "store-full")
    assert (await world.call("GET", "/healthz"))[0] == 200


async def test_draining_takes_nothing_new_lets_sessions_go_on_and_tells_them_to_come_back(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path, drain_seconds=1.0) as world:
        agent, token = await opened_session(world)
        technician, far, _ = await stream(world, agent, token)
        draining = asyncio.create_task(world.relay.drain())
        await asyncio.sleep(0.2)
        status, raw = await world.call("GET", "/readyz")
        assert (status, json.loads(raw)["reason"]) == (503, "draining")
        for path in ("/v1/nameplate", "/v1/agent", f"/v1/sessions/{agent.session}/stream"):
            with pytest.raises(InvalidStatus) as caught:
                await world.socket(path, token=token)
            assert caught.value.response.status_code == 503
        await technician.send(b"still here")
        assert await far.recv() == b"still here"
        await agent.append(agent.record("RA1006E"))
        await draining
        await agent.send_records(*[agent.record("RA1006E") for _ in range(40)])
        await asyncio.sleep(0.05)
        await world.relay.stop()
        for link in (technician, agent.link):
            with pytest.raises(ConnectionClosed) as left:
                while True:
                    await link.recv()
            assert left.value.rcvd is not None and left.value.rcvd.code == 1012
        await world.start()
        answer = await world.get(f"/v1/sessions/{agent.session}", dict, token)
        assert answer["records"] == 42


async def test_with_nobody_connected_the_drain_is_over_at_once(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path, drain_seconds=60.0) as world:
        async with asyncio.timeout(2):
            await world.relay.drain()


@pytest.mark.slow
def test_a_second_sigterm_ends_the_relay_at_once(tmp_path: Path) -> None:
    organisation = Organisation(tmp_path, TurnableClock())
    organisation.found()
    file = tmp_path / "relay.toml"
    file.write_text('data = "relay-data"\nport = 0\ndrain_seconds = 60\n')
    argv = [sys.executable, "-m", "relay", "serve", "--config", str(file)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    host, port = process.stdout.readline().split()[-1].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as link:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        link.sendall(f"GET /v1/agent HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n".encode())
        assert link.recv(12) == b"HTTP/1.1 101"
        process.send_signal(signal.SIGTERM)
        while "draining" not in process.stderr.readline():
            pass
        assert process.poll() is None
        watchdog = threading.Timer(20, process.kill)
        watchdog.start()
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
        watchdog.cancel()

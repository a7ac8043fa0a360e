"""F7: the live push reaches a file, a syslog server over TLS and a webhook; after an outage it replays in order."""

import asyncio
import json
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from relay.push.live import Push
from remote_assist.audit.cef import parse_cef
from remote_assist.core.api import Chains
from remote_assist.core.codec import decode
from remote_assist.errors import ContentError
from remote_assist.settings import PushSettings
from tests.relay.links.test_front_door import tls_files
from tests.relay.world import Agent, RelayWorld

WAIT_SECONDS = 60


async def until(holds: Callable[[], Any]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


class SyslogServer:
    """A syslog server with TLS: reads RFC 5425 frames, remembers their messages, can be stopped and come back."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.messages: list[str] = []

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                size = int(await reader.readuntil(b" "))
                self.messages.append((await reader.readexactly(size)).decode())
        except (asyncio.IncompleteReadError, OSError):
            self._writers.discard(writer)
            writer.close()

    def indexes(self) -> list[int]:
        return [int(re.search(r'sequenceId="(\d+)"', one)[1]) - 1 for one in self.messages]  # type: ignore[index]


class Webhook:
    """An HTTP server that takes batches, or refuses them."""

    def __init__(self) -> None:
        self.refuses = False
        self.events: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/siem", self._take)
        self._runner = web.AppRunner(application)
        self.url = ""

    async def __aenter__(self) -> "Webhook":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/siem"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        if self.refuses:
            return web.Response(status=503)
        self.headers.append(request.headers.copy())
        self.events += [json.loads(line) for line in (await request.read()).splitlines()]
        return web.Response(status=204)


async def filled(world: RelayWorld, pauses: int = 5) -> Agent:
    """A session of its opening and so many further records."""
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    for _ in range(pauses):
        await agent.append(agent.record("RA1006E"))
    return agent


def settings(**push: PushSettings) -> dict[str, Any]:
    return {"push": push, "checkpoint_interval_seconds": 0.05}


def only(world: RelayWorld) -> Push:
    (push,) = world.relay.log.pushes
    return push


async def test_a_file_gets_every_record_once_in_order_across_restarts(tmp_path: Path) -> None:
    target = tmp_path / "siem.jsonl"
    push = PushSettings(kind="file", path=target, batch_records=4)
    async with RelayWorld(tmp_path, **settings(siem=push)) as world:
        agent = await filled(world)
        await until(lambda: target.exists() and len(target.read_text().splitlines()) == 6)
        await until(lambda: only(world).figures.waiting == 0)  # and remembered that: what is not comes twice
        await world.relay.stop()
        await world.start()
        await agent.connect()
        await agent.append(agent.ending())
        await until(lambda: len(target.read_text().splitlines()) == 7)
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one["metadata"]["sequence"] for one in events] == list(range(7))
    assert {one["metadata"]["correlation_uid"] for one in events} == {agent.session}
    assert (target.stat().st_mode & 0o777) == 0o600


async def test_a_webhook_that_refuses_gets_everything_in_order_later_and_the_lag_is_told(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-7\n")
    async with Webhook() as hook:
        hook.refuses = True
        push = PushSettings(
            kind="webhook", address=hook.url, token_file=tmp_path / "token", batch_records=2, retry_most_seconds=0.1
        )
        async with RelayWorld(tmp_path, **settings(siem=push)) as world:
            await filled(world)
            world.clock.turn(minutes=5)
            await until(lambda: only(world).figures.lag_seconds > 60)
            rita = world.person("Rita Example", "reviewer")
            token = (await world.login(rita, "reviewer")).token
            await until(lambda: only(world)._alerted)
            text = (await world.call("GET", "/metrics"))[1].decode()
            assert re.search(r'remote_assist_push_lag_seconds\{push="siem"\} [3-9]\d\d', text)
            hook.refuses = False
            await until(lambda: [one["metadata"]["event_code"] for one in hook.events][-1:] == ["RA2023E"])
            assert only(world).figures.lag_seconds == 0
            (own,) = decode((await world.call("GET", "/v1/chains", token=token))[1], Chains).chains
            assert (own.role, own.records) == ("relay", 3)
    indexes = [one["metadata"]["sequence"] for one in hook.events]
    assert indexes == sorted(set(indexes)) == list(range(9))
    assert hook.headers[0]["Authorization"] == "Bearer secret-7"


async def test_f7_a_syslog_server_that_goes_away_gets_every_event_in_order_after_it_is_back(tmp_path: Path) -> None:
    certificate, key = tls_files(tmp_path)
    server = SyslogServer(certificate, key)
    await server.start()
    push = PushSettings(
        kind="syslog",
        address=f"127.0.0.1:{server.port}",
        tls_ca=certificate,
        format="cef",
        batch_records=3,
        retry_most_seconds=0.2,
    )
    async with RelayWorld(tmp_path, **settings(siem=push)) as world:
        agent = await filled(world)
        await until(lambda: len(set(server.indexes())) == 6)
        await server.stop()
        for _ in range(5):
            await agent.append(agent.record("RA1006E"))
        assert agent.seq == 11, "an outage of the push keeps nobody from acting"
        await server.start()
        await until(lambda: set(server.indexes()) == set(range(11)))
        await world.relay.stop()
        await server.stop()
        await world.start()
    assert first_seen(server.indexes()) == list(range(11)), "new events come in order, repeats only behind"
    for one in server.messages:
        head, _, line = one.partition("\ufeff")
        assert re.fullmatch(r"<1\d\d>1 20\S+Z \S+ remote-assist - RA\d{4}[A-Z] \[meta sequenceId=\"\d+\"\] ", head)
        assert parse_cef(line)[1]["externalId"].startswith(agent.session)


def first_seen(indexes: list[int]) -> list[int]:
    return list(dict.fromkeys(indexes))


async def test_a_server_with_a_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    certificate, key = tls_files(tmp_path)
    server = SyslogServer(certificate, key)
    await server.start()
    push = PushSettings(kind="syslog", address=f"127.0.0.1:{server.port}", retry_most_seconds=0.1)
    async with RelayWorld(tmp_path, **settings(siem=push)) as world:
        await filled(world, pauses=1)
        await until(lambda: only(world).figures.waiting == 2)
        await asyncio.wait_for(_tried(world), WAIT_SECONDS)
    assert server.messages == []
    await server.stop()


async def _tried(world: RelayWorld) -> None:
    with pytest.raises(Exception, match=r"cannot be reached.*[Cc]ertificate|verify"):
        await only(world)._step()


async def test_a_cursor_somebody_else_wrote_is_refused(tmp_path: Path) -> None:
    push = PushSettings(kind="file", path=tmp_path / "siem.jsonl")
    async with RelayWorld(tmp_path, **settings(siem=push)) as world:
        await world.relay.stop()
        (world.organisation.data / "push-siem.cursor").write_text("{}")
        with pytest.raises(ContentError, match="not what this relay wrote"):
            await world.start()
        (world.organisation.data / "push-siem.cursor").unlink()
        await world.start()

"""What deploy/ holds works: the systemd unit by systemd's own judgement, a relay behind the real nginx and Caddy."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yarl
from websockets.asyncio.client import connect

from tests.relay.test_streams import stream
from tests.relay.world import RelayWorld
from tests.scenarios.world import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
DOCS = Path(__file__).parents[2] / "docs" / "operations" / "deployment.md"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        if os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1":
            pytest.fail(f"{name} is not installed, and REMOTE_ASSIST_REQUIRE_ALL=1")
        pytest.skip(f"{name} is not installed (Debian package of that name)")
    return found


def analyse(*words: str) -> str:
    done = subprocess.run([program("systemd-analyze"), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "remote-assist-relay.service").read_text()
    there = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit, flags=re.M)
    (tmp_path / "remote-assist-relay.service").write_text(there)
    assert "remote-assist-relay" not in analyse("verify", str(tmp_path / "remote-assist-relay.service"))


def test_the_unit_is_as_closed_as_the_docs_say() -> None:
    said = analyse("security", "--offline=yes", "--no-pager", str(DEPLOY / "remote-assist-relay.service"))
    score = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", said)
    assert score is not None and float(score[1]) <= 1.5
    assert f"exposure level {score[1]}" in DOCS.read_text()


class ProxiedWorld(RelayWorld):
    """A relay whose people come through a proxy."""

    front = ""

    @property
    def url(self) -> str:
        return self.front or self.relay.address


@contextmanager
def running(*argv: str, **more: Any) -> Iterator[None]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def nginx(folder: Path, port: int, relay_port: int) -> Iterator[None]:
    site = (DEPLOY / "nginx.conf").read_text().replace("127.0.0.1:8470", f"127.0.0.1:{relay_port}")
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace("    listen [::]:443 ssl;\n", "")
    site = re.sub(r"^ *ssl_.*\n", "", site, flags=re.M)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}\n}}\n"
    )
    with running(program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)):
        yield


@contextmanager
def caddy(folder: Path, port: int, relay_port: int) -> Iterator[None]:
    site = (DEPLOY / "Caddyfile").read_text().replace("127.0.0.1:8470", f"127.0.0.1:{relay_port}")
    site = site.replace("relay.example.com {", f"http://127.0.0.1:{port} {{", 1)
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site)
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with running(
        program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile", env=environment
    ):
        yield


@pytest.fixture(params=["nginx", "caddy"])
async def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProxiedWorld]:
    program(request.param)
    front = {"nginx": nginx, "caddy": caddy}[request.param]
    port, relay_port = free_port(), free_port()
    (tmp_path / "proxy").mkdir()
    origin = f"http://127.0.0.1:{port}"
    world = ProxiedWorld(tmp_path, port=relay_port, origins=(origin,), trusted_proxies=("127.0.0.1",))
    async with world:
        with front(tmp_path / "proxy", port, relay_port):
            world.front = origin
            for _ in range(600):
                try:
                    async with world.http.get(f"{origin}/healthz"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
            yield world


@pytest.mark.slow
async def test_a_session_passes_the_proxy_whole(proxied: ProxiedWorld) -> None:
    alice, token = await proxied.technician()
    agent = proxied.agent(alice, await proxied.ticket(token))
    await agent.open()
    technician, far, _ = await stream(proxied, agent, token)
    for size in (1, 65536, 1 << 20):
        await technician.send(bytes(size))
        assert await far.recv() == bytes(size)
    await agent.append(agent.ending())
    assert (await proxied.get(f"/v1/sessions/{agent.session}", dict, token))["state"] == "ended"


@pytest.mark.slow
async def test_the_proxy_hides_figures_and_names_who_asks(proxied: ProxiedWorld) -> None:
    assert (await proxied.call("GET", "/metrics"))[0] == 404
    assert (await proxied.call("GET", "/readyz"))[0] == 200
    body = b'{"certificate":"","nonce":"","time":"","role":"technician","signature":""}'
    found = []
    for number in range(4):  # what a stranger writes there does not count: the proxy's word does
        answer = await proxied.call("POST", "/v1/login", body, **{"X-Forwarded-For": f"192.0.2.{number}"})
        found.append(answer[0])
    assert found == [403, 403, 403, 429]


@pytest.mark.slow
async def test_the_proxy_changes_no_path_and_keeps_other_sites_out(proxied: ProxiedWorld) -> None:
    for path in ("//v1/about", "/v1/about/", "/v1/%61bout"):
        url = yarl.URL(proxied.url + path, encoded=True)
        async with proxied.http.get(url, allow_redirects=False) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (404, "absent"), path
    address = proxied.url.replace("http:", "ws:") + "/v1/agent"
    async with connect(address, origin=proxied.url, proxy=None) as link:  # type: ignore[arg-type]  # a plain text is fine
        assert "challenge" in str(await link.recv())
    with pytest.raises(Exception, match="403"):
        await connect(address, origin="https://evil.example.com", proxy=None)  # type: ignore[arg-type]

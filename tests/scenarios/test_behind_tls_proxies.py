"""A whole session of real programs through the real nginx and Caddy, which end TLS with the lines of deploy/."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.relay.links.test_front_door import tls_files
from tests.scenarios.test_deployment import DEPLOY, program, running
from tests.scenarios.world import World, free_port, wait_for_port

pytestmark = pytest.mark.slow


class TlsWorld(World):
    """A world whose people reach the relay by https, at a proxy with a certificate of their system's store."""

    certificate: Path

    @property
    def relay_url(self) -> str:
        return f"https://127.0.0.1:{self.front_port}"

    def environment(self, home: str) -> dict[str, str]:
        return {**super().environment(home), "SSL_CERT_FILE": str(self.certificate)}


@contextmanager
def nginx(world: TlsWorld, folder: Path, key: Path) -> Iterator[None]:
    site = (DEPLOY / "nginx.conf").read_text().replace("127.0.0.1:8470", f"127.0.0.1:{world.port}")
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{world.front_port} ssl;")
    site = site.replace("    listen [::]:443 ssl;\n", "")
    site = re.sub(r"(ssl_certificate +)\S+;", rf"\g<1>{world.certificate};", site, count=1)
    site = re.sub(r"(ssl_certificate_key +)\S+;", rf"\g<1>{key};", site, count=1)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}\n}}\n"
    )
    with running(program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)):
        yield


@contextmanager
def caddy(world: TlsWorld, folder: Path, key: Path) -> Iterator[None]:
    site = (DEPLOY / "Caddyfile").read_text().replace("127.0.0.1:8470", f"127.0.0.1:{world.port}")
    own = f"https://127.0.0.1:{world.front_port} {{\n\ttls {world.certificate} {key}"
    site = site.replace("relay.example.com {", own, 1)
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\thttp_port 0\n}\n" + site)
    words = ("run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile")
    places = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with running(program("caddy"), *words, env={**os.environ, **places}):
        yield


@pytest.mark.parametrize("front", [nginx, caddy], ids=["nginx", "caddy"])
def test_a_session_of_real_programs_passes_a_proxy_that_ends_tls(front: object, tmp_path: Path) -> None:
    world = TlsWorld(tmp_path, front_port=free_port())
    world.certificate, key = tls_files(tmp_path)
    (tmp_path / "proxy").mkdir()
    big = tmp_path / "big.bin"
    big.write_bytes(secrets.token_bytes(8 << 20))
    (tmp_path / "copies").mkdir()
    try:
        world.take_organisation()
        (tmp_path / "relay.toml").write_text('trusted_proxies = ["127.0.0.1"]\n')
        with front(world, tmp_path / "proxy", key):  # type: ignore[operator]  # one of the two above
            world.serve()
            wait_for_port(world.front_port)
            world.login()
            ticket, session, agent = world.session()
            assert world.command("run", session, "--", "echo", "through").stdout == "through\n"
            world.command("get", session, str(big), str(tmp_path / "copies"))
            world.command("end", session, "--note", "All of it came through.")
            assert agent.wait(30) == 0
            assert "All of it came through." in world.command("tickets", "show", ticket).stdout
            assert "verified" in world.command("audit", "verify", session).stdout
    finally:
        world.close()
    copy = (tmp_path / "copies" / "big.bin").read_bytes()
    assert hashlib.sha256(copy).digest() == hashlib.sha256(big.read_bytes()).digest()

"""Forwarded connections: to what was granted and nowhere else, by stock ssh and by our own verb, each an action."""

import hashlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.scenarios.stock import Host, host_of, need
from tests.scenarios.world import World, free_port, served_world, wait_for_port

pytestmark = pytest.mark.slow

BLOCK = bytes(range(256)) * 256
"""What each client sends; 64 KiB."""


@contextmanager
def shouting() -> Iterator[int]:
    """A server on loopback that answers the digest of all it got, once its peer has said all."""

    class Served(threading.Thread):
        def run(self) -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    digest = hashlib.sha256()
                    while piece := peer.recv(65536):
                        digest.update(piece)
                    peer.sendall(digest.hexdigest().encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Served()
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def ask(port: int, content: bytes) -> bytes:
    """Send `content` to a port of this machine; what comes back until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("ssh")
    with served_world(tmp_path_factory.mktemp("forwards")) as served:
        yield served


@pytest.fixture(scope="module")
def service() -> Iterator[int]:
    with shouting() as port:
        yield port


@pytest.fixture(scope="module")
def host(world: World, service: int) -> Host:
    return host_of(world, "forwards", f"diagnose,forward=127.0.0.1:{service},forward=nowhere.example.com:80")


@contextmanager
def forwarded(host: Host, endpoint: str) -> Iterator[int]:
    """The verb `forward` while it listens."""
    program = host.world.start("remote-assist", "forward", host.session, endpoint, "--plain")
    try:
        assert program.stdout is not None
        yield int(program.stdout.readline())
    finally:
        program.terminate()
        program.wait(20)


def test_the_verb_carries_bytes_both_ways_and_each_connection_is_an_action(host: Host, service: int) -> None:
    host.skip_seen()
    content = BLOCK * 64
    with forwarded(host, f"127.0.0.1:{service}") as port:
        for _ in range(2):
            assert ask(port, content) == hashlib.sha256(content).hexdigest().encode()
    assert sorted(host.new_codes("RA1500I", "RA1500O")) == ["RA1500I", "RA1500I", "RA1500O", "RA1500O"]
    records = [one for one in host.records() if one["code"].startswith("RA1500")]
    assert all(f"on 127.0.0.1:{service}" in one["what"] for one in records)
    done = [one["outcome"] for one in records if one["code"] == "RA1500O"]
    assert done == [f"done, {len(content) + 64:,} bytes"] * 2


def test_stock_ssh_forwards_to_what_was_granted(host: Host, service: int) -> None:
    port = free_port()
    argv = ["ssh", "-F", str(host.config), "-N", "-o", "ExitOnForwardFailure=yes"]
    way = f"127.0.0.1:{port}:127.0.0.1:{service}"
    tunnel = subprocess.Popen([*argv, "-L", way, host.session], env=host.environment)
    try:
        wait_for_port(port)
        assert ask(port, BLOCK) == hashlib.sha256(BLOCK).hexdigest().encode()
    finally:
        tunnel.terminate()
        tunnel.wait(20)


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("127.0.0.1:22", b"the customer allowed forward only to"),
        ("localhost:22", b"the customer allowed forward only to"),
        ("169.254.169.254:80", b"the customer allowed forward only to"),
        ("nowhere.example.com:81", b"the customer allowed forward only to"),
        ("nowhere.example.com:80", b"cannot be resolved here"),
        ("127.1:80", b"is no host name"),
    ],
)
def test_anything_else_is_refused_in_words_that_ssh_shows(host: Host, endpoint: str, sentence: bytes) -> None:
    done = host("ssh", "-F", "CONFIG", "-W", endpoint, "HOST", expect=None)
    assert done.returncode != 0
    assert sentence in done.stderr, done.stderr


def test_a_name_that_leads_to_this_machine_opens_nothing(world: World, service: int) -> None:
    """`localtest` stands in /etc/hosts files as 127.0.0.1 often enough; a name is not consent to loopback."""
    name = socket.gethostname()
    if not name or not socket.gethostbyname(name).startswith("127."):
        pytest.skip("this machine's own name does not lead to loopback")
    host = host_of(world, "rebound", f"forward={name.lower()}:{service}")
    done = host("ssh", "-F", "CONFIG", "-W", f"{name}:{service}", "HOST", expect=None)
    assert b"it is this computer itself" in done.stderr, done.stderr


def test_without_the_scope_the_verb_says_so_before_it_listens(world: World, host: Host) -> None:
    done = world.command("forward", host.session, "db.example.com:5432", expect=3)
    assert "has not allowed forward=db.example.com:5432" in done.stderr
    assert world.command("forward", host.session, "db.example.com", expect=2).stdout == ""


def test_ending_the_session_ends_its_connections(world: World, service: int) -> None:
    host = host_of(world, "ended", f"forward=127.0.0.1:{service}")
    with forwarded(host, f"127.0.0.1:{service}") as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(30)
        client.sendall(b"begun")
        host.new_codes("RA1500I")
        world.command("end", host.session, "--note", "Done.")
        with _quietly():
            assert client.recv(100) == b""


@contextmanager
def _quietly() -> Iterator[None]:
    """Gone is gone: an orderly end or a reset."""
    try:
        yield
    except ConnectionError:
        return

"""Strangers who say nothing are closed, TLS is served, names are exact, and the log tells no secrets."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect

from relay.links.front_door import load_tls, origins_of, own_address
from relay.server import Relay
from remote_assist.core.messages import Challenge, RelayRefused
from remote_assist.errors import ContentError, UsageError
from remote_assist.settings import RelaySettings
from tests.relay.world import RelayWorld, understood


@pytest.fixture
async def hasty(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    """A relay that waits a third of a second, not twenty."""
    async with RelayWorld(tmp_path, handshake_deadline_seconds=0.3) as running:
        yield running


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_that_sends_no_whole_request_is_closed(hasty: RelayWorld, sent: bytes) -> None:
    port = int(hasty.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError):
            assert await reader.read() == b""
            raise ConnectionError
    writer.close()


async def test_a_body_that_never_ends_is_given_up(hasty: RelayWorld) -> None:
    port = int(hasty.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()


async def test_an_agent_that_does_not_prove_itself_in_time_is_told_and_closed(hasty: RelayWorld) -> None:
    async with hasty.socket("/v1/agent") as link:
        understood(await link.recv(), Challenge)
        answer = understood(await link.recv(), RelayRefused)
        assert answer.reason == "too-slow"


async def test_silent_connections_do_not_keep_others_out(hasty: RelayWorld) -> None:
    port = int(hasty.url.rpartition(":")[2])
    silent = [await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)) for _ in range(300)]
    async with asyncio.timeout(1):
        assert (await hasty.call("GET", "/healthz"))[0] == 200
    for _, writer in silent:
        writer.close()


async def test_the_log_holds_no_token_code_or_content(world: RelayWorld) -> None:
    with structlog.testing.capture_logs() as lines:
        alice, token = await world.technician()
        ticket = await world.ticket(token, "a subject nobody logs")
        agent = world.agent(alice, ticket)
        await agent.open()
        await agent.append(agent.record("RA1201I", action="1", paths=("/etc/a-path-nobody-logs",)))
        await world.call("GET", f"/v1/tickets?token={token}", Authorization=f"Bearer {token}x")
        await world.call("POST", "/v1/tickets", b'{"subject": "half a bo', token=token)
        async with world.socket("/v1/join/417203") as link:
            await link.recv()
        await agent.append(agent.record("RA1006E", seq=9, prev="1" * 64, advance=False))
    told = json.dumps(lines)
    for secret in (token, "417203", "nobody logs", "nobody-logs", "half a bo", "Alice"):
        assert secret not in told
    reasons = [line["reason"] for line in lines if line["event"] == "refused"]
    assert reasons == ["not-logged-in", "usage", "unknown-code", "gap"]


def test_names_of_a_relay_on_loopback_are_all_loopback_names_of_its_port() -> None:
    names = origins_of("127.0.0.1", 8470, tls=False, asked=())
    assert names == ("http://127.0.0.1:8470", "http://localhost:8470", "http://[::1]:8470")
    assert origins_of("localhost", 1, tls=True, asked=())[0] == "https://localhost:1"


def test_a_relay_behind_a_proxy_is_known_by_the_proxys_name_and_reached_by_its_own() -> None:
    names = origins_of("127.0.0.1", 8470, tls=False, asked=("https://relay.example.com",))
    assert names[0] == "https://relay.example.com:443"
    assert own_address(8470, tls=False, origins=names) == "http://127.0.0.1:8470"


def test_a_relay_on_every_address_needs_a_name() -> None:
    with pytest.raises(UsageError, match="name"):
        origins_of("0.0.0.0", 443, tls=True, asked=())
    assert origins_of("::", 443, tls=True, asked=("https://relay.example.com",)) == ("https://relay.example.com:443",)
    assert origins_of("192.0.2.1", 443, tls=True, asked=()) == ("https://192.0.2.1:443",)


def tls_files(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay.example.com")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=365))  # a look beside this test finds nothing wrong with it
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "tls.pem", folder / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    paths[1].chmod(0o600)
    return paths


async def test_tls_is_served_and_names_the_relay(world: RelayWorld, tmp_path: Path) -> None:
    await world.relay.stop()
    cert, key = tls_files(tmp_path)
    settings = RelaySettings(data=world.organisation.data, port=0, tls_cert=cert, tls_key=key)
    async with Relay(settings, clock=world.clock, entropy=lambda size: bytes(size)) as relay:
        assert relay.address.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(cert))
        async with world.http.get(f"{relay.address}/v1/about", ssl=context) as answer:
            assert (await answer.json())["origin"] == relay.address
        async with connect(relay.address.replace("https:", "wss:") + "/v1/agent", ssl=context, proxy=None) as link:
            understood(await link.recv(), Challenge)


def test_a_tls_key_others_can_read_and_half_a_pair_are_refused(tmp_path: Path) -> None:
    cert, key = tls_files(tmp_path)
    with pytest.raises(UsageError, match="both"):
        load_tls(cert, None)
    with pytest.raises(ContentError, match="no TLS certificate"):
        load_tls(key, key)
    key.chmod(0o640)
    with pytest.raises(ContentError, match="open to others"):
        load_tls(cert, key)

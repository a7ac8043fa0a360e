"""F18: a certificate renewed while sessions are live cuts nobody and is shown to newcomers; halves are not used."""

import asyncio
import hashlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection

from relay.tls_files import TlsFiles
from remote_assist.core.messages import Acknowledged
from tests.relay.links.test_front_door import tls_files
from tests.relay.test_streams import stream
from tests.relay.world import RelayWorld


@pytest.fixture
async def tls_world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    cert, key = tls_files(tmp_path)
    world = RelayWorld(tmp_path, tls_cert=cert, tls_key=key)
    world.tls = ssl._create_unverified_context()  # which certificate is shown is what the tests look at
    async with world:
        yield world


def renew(world: RelayWorld, folder: Path) -> bytes:
    """Put another certificate and key in place, as an ACME client does; answer its fingerprint."""
    folder.mkdir()
    for path in tls_files(folder):
        shutil.move(path, world.organisation.folder / path.name)
    pem = (world.organisation.folder / "tls.pem").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()


async def shown(world: RelayWorld) -> bytes:
    """The fingerprint a newcomer sees."""
    host, port = world.url.removeprefix("https://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=world.tls)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return hashlib.sha256(found).digest()


async def test_f18_a_renewed_certificate_cuts_nobody_and_is_shown_to_newcomers(
    tls_world: RelayWorld, tmp_path: Path
) -> None:
    alice, token = await tls_world.technician()
    agent = tls_world.agent(alice, await tls_world.ticket(token))
    await agent.open()
    technician, far, _ = await stream(tls_world, agent, token)
    expected = renew(tls_world, tmp_path / "new")
    async with asyncio.timeout(60):
        while await shown(tls_world) != expected:
            await technician.send(b"still here")
            assert await far.recv() == b"still here"
            await asyncio.sleep(0.05)
    await technician.send(b"and still")
    assert await far.recv() == b"and still"
    answer = await agent.append(agent.record("RA1006E"))
    assert isinstance(answer, Acknowledged)
    again: tuple[ClientConnection, ClientConnection, object] = await stream(tls_world, agent, token)
    await again[0].send(b"new")
    assert await again[1].recv() == b"new"


def test_a_certificate_without_its_key_is_not_used_and_taken_when_the_key_is_there(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    cert, key = tls_files(tmp_path)
    files = TlsFiles(cert, key)
    assert not files.refresh()
    new_cert, new_key = tls_files(tmp_path / "next")
    shutil.move(new_cert, cert)
    assert not files.refresh()
    shutil.move(new_key, key)
    key.chmod(0o644)
    assert not files.refresh()
    key.chmod(0o600)
    key.touch()
    assert files.refresh() and not files.refresh()


def test_a_relay_without_tls_has_nothing_to_renew() -> None:
    files = TlsFiles(None, None)
    assert files.context is None and not files.refresh()

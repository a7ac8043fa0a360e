"""Implementations that have nothing to do with each other: paramiko into our agent, asyncssh into OpenSSH's server."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import paramiko
import pytest

from remote_assist.transport.ssh import CIPHERS, STOCK_KEY_EXCHANGE
from tests.scenarios.ssh_machine import openssh
from tests.scenarios.stock import Host, host_of
from tests.scenarios.world import served_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with served_world(tmp_path_factory.mktemp("clients")) as world:
        yield host_of(world, "paramiko", "files:read,files:write,terminal")


@pytest.fixture
def client(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[paramiko.SSHClient]:
    """paramiko as its users start it from the entry that `ssh-config` printed."""
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    entry = paramiko.SSHConfig.from_path(str(host.config)).lookup(host.session)
    client = paramiko.SSHClient()
    client.load_host_keys(entry["userknownhostsfile"])
    client.connect(
        entry.get("hostkeyalias", host.session),
        username=entry.get("user", "remote-assist"),
        key_filename=entry["identityfile"],
        sock=paramiko.ProxyCommand(entry["proxycommand"]),
        allow_agent=False,
        look_for_keys=False,
        banner_timeout=60,
        auth_timeout=60,
    )
    yield client
    client.close()


def test_paramiko_runs_programs_moves_files_and_is_recorded(
    host: Host, client: paramiko.SSHClient, tmp_path: Path
) -> None:
    stdin, stdout, stderr = client.exec_command("cat; echo over >&2; exit 7", timeout=60)
    stdin.write("in and out")
    stdin.channel.shutdown_write()
    assert (stdout.read(), stderr.read(), stdout.channel.recv_exit_status()) == (b"in and out", b"over\n", 7)
    content = os.urandom(300_000)
    with client.open_sftp() as sftp:
        with sftp.open(str(tmp_path / "file"), "wb") as file:
            file.write(content)
        assert sftp.listdir(str(tmp_path)) == ["file"]
        with sftp.open(str(tmp_path / "file"), "rb") as file:
            file.prefetch()
            assert hashlib.sha256(file.read()).digest() == hashlib.sha256(content).digest()
        with pytest.raises(OSError, match="off limits"):
            sftp.listdir(str(host.world.folder / "customer-home"))
    codes = host.new_codes("RA1400O", "RA1202O", "RA1201O")
    assert {"RA1400I", "RA1400O", "RA1202I", "RA1202O", "RA1200I", "RA1201O"} <= set(codes)
    assert any("paramiko" in record.get("what", "") + record.get("program", "") for record in host.records())


def test_what_paramiko_asks_for_beyond_the_consent_is_refused(client: paramiko.SSHClient) -> None:
    transport = client.get_transport()
    assert transport is not None
    with pytest.raises(paramiko.ChannelException):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 22), ("127.0.0.1", 1), timeout=60)
    with pytest.raises(paramiko.SSHException):
        transport.request_port_forward("127.0.0.1", 0)


async def test_asyncssh_speaks_with_opensshs_server_by_our_algorithms(tmp_path: Path) -> None:
    with openssh(tmp_path / "machine") as machine:
        key = asyncssh.import_public_key(machine.host_key)
        async with asyncssh.connect(
            "127.0.0.1",
            machine.port,
            config=None,
            client_keys=[str(machine.user_key)],
            known_hosts=([key], [], []),
            agent_path=None,
            kex_algs=list(STOCK_KEY_EXCHANGE),
            encryption_algs=list(CIPHERS),
            compression_algs=None,
        ) as connection:
            done = await connection.run("cat; exit 5", input="both ways", timeout=60)
            assert (done.stdout, done.exit_status) == ("both ways", 5)
            content = os.urandom(200_000)
            async with connection.start_sftp_client() as sftp, sftp.open(str(tmp_path / "file"), "wb") as file:
                await file.write(content)
            assert (tmp_path / "file").read_bytes() == content

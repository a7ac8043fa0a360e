"""The way to another machine as the customer decides it: its key, their password, two tries, and nothing kept.

The machine is a server of asyncssh's that takes one password; the way there is paramiko's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest

from remote_assist.agent.hops.machines import Hops
from remote_assist.core.hostile import HostileStr
from remote_assist.core.target import Command
from remote_assist.core.wishes import HopPlace, parse_hop
from remote_assist.errors import RefusedError
from remote_assist.transport.hops.ssh import SshHop
from remote_assist.transport.hops.ssh_login import Secret
from tests.agent.world import Customer
from tests.transport.test_winrm_hop import PASSWORD as WINDOWS_PASSWORD
from tests.transport.test_winrm_hop import authority, peer

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"


@dataclass
class PasswordMachine:
    """`tried`: every password it was shown."""

    key: asyncssh.SSHKey
    port: int = 0
    tried: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def place(self) -> HopPlace:
        return parse_hop(f"ssh://root@127.0.0.1:{self.port}")

    def server(self) -> asyncssh.SSHServer:
        machine = self
        machine.connections += 1

        class Server(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                machine.tried.append(password)
                return password == PASSWORD

        return Server()

    @staticmethod
    async def run(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        pipe = asyncio.subprocess.PIPE
        program = await asyncio.create_subprocess_shell(process.command or "true", stdout=pipe, stderr=pipe)
        out, err = await program.communicate()
        process.stdout.write(out)
        process.stderr.write(err)
        process.exit(program.returncode or 0)


@asynccontextmanager
async def machine_at(port: int = 0) -> AsyncIterator[PasswordMachine]:
    machine = PasswordMachine(asyncssh.generate_private_key("ssh-ed25519"))
    listening = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_host_keys=[machine.key],
        server_factory=machine.server,
        process_factory=machine.run,
        encoding=None,
    )
    machine.port = listening.get_port()
    try:
        yield machine
    finally:
        listening.close()
        await listening.wait_closed()


@pytest.fixture(autouse=True)
def _no_keys_of_the_machine_the_tests_run_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "customer"))


def hops_of(customer: Customer, home: Path, trust: str = "", certificate: str = "") -> Hops:
    home.mkdir(exist_ok=True)
    return Hops("s-k3vq2m7x4nbdw6zu", HostileStr("Alice Example"), customer, home, trust, certificate)


async def test_the_customer_confirms_the_key_and_types_the_password_once(tmp_path: Path) -> None:
    customer = Customer(types=["yes", PASSWORD])
    async with machine_at() as machine:
        hops = hops_of(customer, tmp_path / "home")
        hop = await hops.reach(machine.place, None)
        assert isinstance(hop, SshHop)
        assert (await hop.run(Command(("echo", "there")))).stdout == b"there\n"
        assert await hops.reach(machine.place, None) is hop
        hops.close()
        key, password = customer.typed_questions
        assert machine.key.get_fingerprint() in str(key.lines[0])
        assert (key.secret, password.secret) == (False, True)
        again = Customer(types=[PASSWORD])
        later = hops_of(again, tmp_path / "home")  # the key is pinned: nobody is asked about it any more
        await later.reach(machine.place, None)
        later.close()
        assert len(again.typed_questions) == 1
        assert not [path for path in (tmp_path / "home").rglob("*") if PASSWORD.encode() in path.read_bytes()]


async def test_a_key_that_is_not_confirmed_or_another_one_opens_nothing(tmp_path: Path) -> None:
    async with machine_at() as machine:
        for answer in ("no", "y", ""):
            hops = hops_of(Customer(types=[answer, PASSWORD]), tmp_path / "home")
            with pytest.raises(RefusedError, match="did not confirm it"):
                await hops.reach(machine.place, None)
        port = machine.port
        hops = hops_of(Customer(types=["yes", PASSWORD]), tmp_path / "home")
        await hops.reach(machine.place, None)
        hops.close()
    async with machine_at(port) as other:
        customer = Customer(types=["yes", PASSWORD])
        with pytest.raises(RefusedError, match="shows another host key"):
            await hops_of(customer, tmp_path / "home").reach(other.place, None)
        assert customer.typed_questions == []
        assert other.tried == []


async def test_two_wrong_passwords_and_the_machine_is_left_alone(tmp_path: Path) -> None:
    customer = Customer(types=["yes", "wrong", PASSWORD])
    async with machine_at() as machine:
        hops = hops_of(customer, tmp_path / "home")
        for secret in (None, Secret("wrong too")):
            with pytest.raises(RefusedError, match="does not take these credentials"):
                await hops.reach(machine.place, secret)
        before = machine.connections
        with pytest.raises(RefusedError, match="were wrong 2 times"):
            await hops.reach(machine.place, Secret(PASSWORD))
        assert (machine.tried, machine.connections) == (["wrong", "wrong too"], before)


async def test_nobody_who_types_a_password_is_a_refusal_and_counts_as_no_try(tmp_path: Path) -> None:
    async with machine_at() as machine:
        hops = hops_of(Customer(types=["yes"]), tmp_path / "home")
        for _ in range(3):
            with pytest.raises(RefusedError, match="does not take these credentials"):
                await hops.reach(machine.place, None)
        assert machine.tried == []
        await hops.reach(machine.place, Secret(PASSWORD))
        hops.close()


async def test_a_windows_machine_is_shown_the_customers_certificate_before_anybody_types(tmp_path: Path) -> None:
    pytest.importorskip("winrm")
    clients = authority(tmp_path / "clients")
    more = {"CLIENT_CA": str(clients.folder / "ca.pem"), "CLIENT_NAME": "alice"}
    with peer(tmp_path / "peer", more=more) as windows:
        for name, typed in (("alice", 0), ("bob", 1)):
            customer = Customer(types=[WINDOWS_PASSWORD])
            hops = hops_of(customer, tmp_path / name, windows.trust, clients.sign(name))
            try:
                assert (await hops.reach(windows.place, None)).platform == "windows"
                assert len(customer.typed_questions) == typed, name
            finally:
                hops.close()

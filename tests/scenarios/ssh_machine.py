"""A real machine to hop to: OpenSSH's sshd or dropbear on loopback, a private one for each test."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.stock import need
from tests.scenarios.world import free_port, wait_for_port

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@dataclass(frozen=True)
class SshMachine:
    """Where it is, and what it shows and takes."""

    port: int
    host_key: str
    user_key: Path
    address: str = "127.0.0.1"

    @property
    def place(self) -> str:
        return f"ssh://{getpass.getuser()}@{self.address}:{self.port}"


@dataclass(frozen=True)
class Network:
    """Where a server runs: a namespace of `ip netns` ("": this machine's own), and its address there."""

    namespace: str = ""
    address: str = "127.0.0.1"

    @property
    def inside(self) -> list[str]:
        """What to put before a program's words."""
        return ["ip", "netns", "exec", self.namespace] if self.namespace else []


HERE = Network()


@contextmanager
def openssh(folder: Path, network: Network = HERE, **more: str) -> Iterator[SshMachine]:
    """OpenSSH's server with a fresh host key; takes one fresh user key, nothing else. `more`: sshd_config's words."""
    need("sshd", "ssh-keygen", "ssh-agent", "ssh-add")
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = free_port()
    options = {
        "Port": port,
        "ListenAddress": network.address,
        "HostKey": folder / "host",
        "PidFile": folder / "pid",
        "AuthorizedKeysFile": folder / "authorized",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "Subsystem": f"sftp {SFTP_SERVER}",
        "SetEnv": "SHLVL=2",  # a shell below another one reads no dotfiles of who runs the tests
        **more,
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    argv = [*network.inside, str(shutil.which("sshd")), "-D", "-e", "-f", str(folder / "config")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(argv, stderr=log, stdout=log)
    try:
        wait_for_port(port, address=network.address)
        yield SshMachine(port, (folder / "host.pub").read_text(), folder / "user", network.address)
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def dropbear(folder: Path, network: Network = HERE) -> Iterator[SshMachine]:
    """dropbear with a fresh host key, in a mount namespace where `folder` is its user's home: no other keys count."""
    need("dropbear", "dropbearkey", "ssh-keygen", "unshare")
    if os.getuid() != 0:
        pytest.skip("only root makes mount namespaces")
    (folder / ".ssh").mkdir(parents=True, mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "user")], check=True)
    shutil.copy(folder / "user.pub", folder / ".ssh" / "authorized_keys")
    made = ["dropbearkey", "-t", "ed25519", "-f", str(folder / "host")]
    told = subprocess.run(made, check=True, capture_output=True, text=True).stdout
    host_key = next(line for line in told.splitlines() if line.startswith("ssh-"))
    port = free_port()
    serve = ["dropbear", "-F", "-E", "-s", "-r", str(folder / "host"), "-p", f"{network.address}:{port}"]
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    argv = [*network.inside, "unshare", "--mount", "sh", "-c", script, "sh", str(folder), str(Path.home()), *serve]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*argv, "-P", str(folder / "number")], stderr=log, stdout=log)
    try:
        wait_for_port(port, address=network.address)
        yield SshMachine(port, host_key, folder / "user", network.address)
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def ssh_agent(folder: Path, *keys: Path) -> Iterator[str]:
    """A customer's ssh-agent that holds these keys; yields its socket."""
    socket = str(folder / "agent.sock")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not Path(socket).exists():
            assert agent.poll() is None
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, "SSH_AUTH_SOCK": socket}, check=True)
        yield socket
    finally:
        agent.terminate()
        agent.wait(20)

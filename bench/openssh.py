"""The peer: OpenSSH on loopback with private keys and configuration, as jump host and as reverse tunnel."""

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.scenarios.world import free_port, wait_for_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@dataclass
class OpenSsh:
    """Two sshd (customer, jump) and a client configuration with hosts `jump`, `direct`, `viajump`, `reverse`."""

    folder: Path
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Make keys and configurations, start both servers and the reverse tunnel."""
        if SSHD is None:
            raise FileNotFoundError("sshd is not installed (Debian: openssh-server)")
        self.folder.mkdir(mode=0o700)
        Path("/run/sshd").mkdir(exist_ok=True)
        customer, jump, tunnel = free_port(), free_port(), free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "key")], check=True)
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        for name, port in (("customer", customer), ("jump", jump)):
            self._sshd(name, port)
        self._client_configuration(customer, jump, tunnel)
        forward = ["ssh", "-F", self.config, "-N", "-R", f"127.0.0.1:{tunnel}:127.0.0.1:{customer}", "jump"]
        self.programs.append(subprocess.Popen(forward, stderr=subprocess.DEVNULL))
        wait_for_port(tunnel)

    @property
    def config(self) -> str:
        return str(self.folder / "config")

    def scp(self, host: str, remote: Path, local: Path) -> float:
        """Seconds of one `scp` of a file, command start included."""
        local.unlink(missing_ok=True)
        began = time.monotonic()
        subprocess.run(["scp", "-q", "-F", self.config, f"{host}:{remote}", str(local)], check=True)
        return time.monotonic() - began

    def close(self) -> None:
        for program in reversed(self.programs):
            program.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(5)

    def _sshd(self, name: str, port: int) -> None:
        host_key = self.folder / f"{name}_host"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host_key)], check=True)
        text = f"""
            Port {port}
            ListenAddress 127.0.0.1
            HostKey {host_key}
            AuthorizedKeysFile {self.folder / "authorized_keys"}
            StrictModes no
            UsePAM no
            PidFile none
            Subsystem sftp internal-sftp
        """
        config = self.folder / f"{name}.conf"
        config.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        assert SSHD is not None
        self.programs.append(subprocess.Popen([SSHD, "-D", "-f", str(config)], stderr=subprocess.DEVNULL))
        wait_for_port(port)

    def _client_configuration(self, customer: int, jump: int, tunnel: int) -> None:
        common = [
            f"  IdentityFile {self.folder / 'key'}",
            "  StrictHostKeyChecking no",
            "  UserKnownHostsFile /dev/null",
            "  LogLevel ERROR",
            "  HostName 127.0.0.1",
        ]
        hosts = {
            "jump": [f"  Port {jump}"],
            "direct": [f"  Port {customer}"],
            "viajump": [f"  Port {customer}", "  ProxyJump jump"],
            "reverse": [f"  Port {tunnel}", "  ProxyJump jump"],
        }
        lines = [line for host, extra in hosts.items() for line in (f"Host {host}", *extra, *common)]
        Path(self.config).write_text("\n".join(lines) + "\n")

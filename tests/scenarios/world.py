"""A whole small organisation on this machine: CA, relay, technician, customer; used by the demo, tests and benches.

Everything is done with the two commands a user has; nothing here reaches inside the product.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BIN = Path(sys.executable).parent
SCOPES = "diagnose,files:read,files:write,fix,terminal"


class StepFailed(Exception):
    """A command of the story did not end as the story says."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class World:
    """Folders, the relay's address and the programs that were started. `close()` ends them all."""

    folder: Path
    port: int = field(default_factory=free_port)
    front_port: int = 0
    """A port people use instead of the relay's own (a proxy, or an evil relay in front), or 0."""
    other_ports: tuple[int, ...] = ()
    """Ports of further addresses of the same relay, which people name after the first."""
    programs: list[subprocess.Popen[str]] = field(default_factory=list)
    extra: dict[str, dict[str, str]] = field(default_factory=dict)
    """State folder → what else its owner's environment holds."""

    @property
    def relay_url(self) -> str:
        return f"http://127.0.0.1:{self.front_port or self.port}"

    @property
    def other_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.other_ports]

    def environment(self, home: str) -> dict[str, str]:
        """What a person's shell would export: the relay and the own state folder."""
        return {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
            "REMOTE_ASSIST_RELAY": ",".join([self.relay_url, *self.other_urls]),
            "REMOTE_ASSIST_HOME": str(self.folder / home),
            "LANGUAGE": "en",
            **self.extra.get(home, {}),
        }

    def command(
        self, *words: str, home: str = "alice-home", stdin: str = "", expect: int | None = 0, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `remote-assist …` (or `remote-assist-relay …`) to its end. Raises StepFailed on another exit code."""
        program = words[0] if words[0].startswith(("remote-assist-relay", "ssh-keygen")) else "remote-assist"
        argv = [find_program(program), *(words[1:] if program == words[0] else words)]
        try:
            done = subprocess.run(
                argv,
                input=stdin,
                cwd=self.folder,
                env=self.environment(home),
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as late:
            raise StepFailed(f"{' '.join(words)} did not end within {timeout:g} s") from late
        if expect is not None and done.returncode != expect:
            raise StepFailed(f"{' '.join(words)} → exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, *words: str, home: str = "alice-home", log: str = "") -> subprocess.Popen[str]:
        """Start a command that goes on; its standard error goes into `log` (a file in the folder)."""
        argv = [find_program(words[0]), *words[1:]]
        errors = (self.folder / (log or "programs.log")).open("a")
        program = subprocess.Popen(
            argv,
            cwd=self.folder,
            env=self.environment(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        errors.close()
        self.programs.append(program)
        return program

    def found_organisation(self) -> None:
        """CA, a technician's and a reviewer's certificate, a relay that knows them, all as DESIGN's script does it."""
        self.command("ca", "init", "--dir", "org")
        for name, role in (("alice", "technician"), ("rita", "reviewer")):
            self.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
            title = f"{name.capitalize()} Example"
            self.command("ca", "sign", f"{name}.pub", "--dir", "org", "--name", title, "--role", role)
        self.command("remote-assist-relay", "init", "--data", "relay-data", "--organisation", "Example Support")
        self.command("remote-assist-relay", "cosigner", "--data", "relay-data")
        self.command("ca", "adopt", "relay-data", "--dir", "org")

    def take_organisation(self) -> None:
        """The same by a copy of one that was founded before, in a moment."""
        shutil.copytree(founded(), self.folder, dirs_exist_ok=True)

    def serve(self) -> subprocess.Popen[str]:
        """Start the relay and wait until it answers."""
        words = ["serve", "--data", "relay-data", "--listen", f"127.0.0.1:{self.port}"]
        if (self.folder / "relay.toml").exists():
            words += ["--config", "relay.toml"]
        names = [self.relay_url, *self.other_urls] if self.front_port else []
        front = [word for name in names for word in ("--origin", name)]
        relay = self.start("remote-assist-relay", *words, *front, log="relay.log")
        self.command("remote-assist-relay", "check", "--wait", "15", "--data", "relay-data")
        return relay

    def login(self, name: str = "alice") -> None:
        """Log in with the key made by `found_organisation`."""
        self.command("login", "--key", name, home=f"{name}-home")

    def new_ticket(self, subject: str = "Web server does not start", description: str = "") -> str:
        words = ["--subject", subject, *(["--description", description] if description else [])]
        return self.command("tickets", "new", *words, "--plain").stdout.strip()

    def invite(self, ticket: str, scopes: str = SCOPES) -> tuple[subprocess.Popen[str], str]:
        """Start `invite`; answer it and the code it printed."""
        program = self.start("remote-assist", "invite", "--ticket", ticket, "--scopes", scopes, "--plain")
        return program, next_line(program)

    def join(self, code: str, *options: str, accept: str = SCOPES) -> subprocess.Popen[str]:
        """Start the customer's agent, unattended, with the organisation's CA known to it."""
        words = ["join", "--code", "-", "--ca", "org/ca.pub", "--accept", accept, *options]
        program = self.start("remote-assist", *words, home="customer-home", log="agent.log")
        assert program.stdin is not None
        program.stdin.write(code + "\n")
        program.stdin.flush()
        program.stdin.close()
        program.stdin = None
        return program

    def session(self, *options: str, scopes: str = SCOPES, ticket: str = "") -> tuple[str, str, subprocess.Popen[str]]:
        """Ticket, session id and agent of a fresh session."""
        ticket = ticket or self.new_ticket()
        inviting, code = self.invite(ticket, scopes)
        agent = self.join(code, *options, accept=scopes)
        session = next_line(inviting)
        if session:
            inviting.wait(30)
        if not session.startswith("s-"):
            raise StepFailed(f"no session: {self.log('agent.log')}{self.log('programs.log')}")
        return ticket, session, agent

    def log(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End every program that was started here."""
        for program in self.programs:
            if program.poll() is None:
                program.terminate()
        for program in self.programs:
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(5)
            if program.poll() is None:
                program.kill()
                program.wait(5)
            for pipe in (program.stdin, program.stdout):
                if pipe is not None:
                    pipe.close()


@functools.cache
def founded() -> Path:
    """The folder of an organisation that was founded once for this process; copies of it serve."""
    folder = Path(tempfile.mkdtemp(prefix="organisation-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    World(folder).found_organisation()
    return folder


@contextlib.contextmanager
def served_world(folder: Path) -> Iterator[World]:
    """A founded organisation with a serving relay and Alice logged in."""
    world = World(folder)
    try:
        world.take_organisation()
        world.serve()
        world.login()
        yield world
    finally:
        world.close()


@dataclass
class TakenPort:
    """Two services of the `process` backend that want the same port: a real fault, provoked and mended without root."""

    folder: Path
    port: int
    log: Path

    @classmethod
    def provoke(cls, folder: Path) -> "TakenPort":
        """Start `old-web` on a port; try to start `shop-web` there, which fails as a real server does."""
        folder.mkdir()
        port = free_port()
        for name in ("old-web", "shop-web"):
            argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
            unit = {"argv": argv, "pidfile": str(folder / f"{name}.pid"), "log": str(folder / f"{name}.log")}
            (folder / f"{name}.json").write_text(json.dumps({**unit, "port": port}))
            with (folder / f"{name}.log").open("wb") as log:
                program = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
            (folder / f"{name}.pid").write_text(f"{program.pid}\n")
            if name == "old-web":
                wait_for_port(port)
            else:
                program.wait(15)
        return cls(folder, port, folder / "shop-web.log")

    def holder(self) -> str:
        """The name of the service whose process runs now, by its pidfile."""
        for name in ("old-web", "shop-web"):
            pid = (self.folder / f"{name}.pid").read_text().strip() if (self.folder / f"{name}.pid").exists() else ""
            if pid and "http.server" in _cmdline(pid):
                return name
        return ""

    def close(self) -> None:
        for name in ("old-web", "shop-web"):
            path = self.folder / f"{name}.pid"
            pid = path.read_text().strip() if path.exists() else ""
            if pid and "http.server" in _cmdline(pid):
                os.kill(int(pid), 15)


def _cmdline(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def find_program(program: str) -> str:
    """Where one of our commands is: beside this Python, else on the PATH. Raises StepFailed."""
    beside = BIN / program
    found = str(beside) if beside.exists() else shutil.which(program)
    if not found:
        raise StepFailed(f"{program} is not installed")
    return found


def next_line(program: subprocess.Popen[str], seconds: float = 30) -> str:
    """The next line a program prints; empty when it ended without one, or took longer."""
    assert program.stdout is not None
    waiting = select.poll()  # select.select takes no file above number 1023, which a crowd has
    waiting.register(program.stdout, select.POLLIN)
    return program.stdout.readline().strip() if waiting.poll(seconds * 1000) else ""


def wait_for_port(port: int, seconds: float = 10, address: str = "127.0.0.1") -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex((address, port)) == 0:
                return
        time.sleep(0.05)
    raise StepFailed(f"nothing listens on port {port}")

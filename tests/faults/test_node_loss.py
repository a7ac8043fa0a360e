"""Two nodes that share PostgreSQL and NATS, one is killed: its sessions go on at the other. All programs are real."""

import hashlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.relay.nats import running_nats
from tests.relay.postgres import running_postgres
from tests.scenarios.world import SCOPES, World, free_port, next_line

pytestmark = pytest.mark.slow

COUNTING = "import time\nfor n in range(120): print(n * 7919, flush=True); time.sleep(0.05)"
COUNTED = b"".join(b"%d\n" % (n * 7919) for n in range(120))
WAIT_SECONDS = 90.0


@dataclass
class NodeWorld(World):
    """An organisation whose relay is two processes; people name both."""

    database: str = ""
    bus: str = ""
    code: str = ""
    nodes: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def found_nodes(self) -> None:
        """As docs/operations/relay.md tells it."""
        self.command("ca", "init", "--dir", "org")
        self.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "alice")
        self.command("ca", "sign", "alice.pub", "--dir", "org", "--name", "Alice Example", "--role", "technician")
        init = ("init", "--data", "node-1", "--organisation", "Example Support", "--database", self.database)
        self.command("remote-assist-relay", *init)
        self.command("ca", "adopt", "node-1", "--dir", "org")
        shutil.copytree(self.folder / "node-1", self.folder / "node-2")
        (self.folder / "node-2").chmod(0o700)
        both = ", ".join(f'"{name}"' for name in self.names)
        for number, (port, name) in enumerate(zip(self.ports, self.names, strict=True), start=1):
            (self.folder / f"node-{number}.toml").write_text(
                f'data = "node-{number}"\nport = {port}\nnode = "{name}"\norigins = [{both}]\n'
                f'database = "{self.database}"\nbus = "{self.bus}"\nsession_bytes_per_second = {4 << 20}\n'
            )

    @property
    def ports(self) -> tuple[int, int]:
        return self.port, self.other_ports[0]

    @property
    def names(self) -> tuple[str, str]:
        return self.relay_url, self.other_urls[0]

    def serve_node(self, number: int) -> None:
        words = ("serve", "--config", f"node-{number}.toml")
        self.nodes.append(self.start("remote-assist-relay", *words, log=f"node-{number}.log"))
        self.command("remote-assist-relay", "check", "--wait", "60", "--config", f"node-{number}.toml", timeout=90)

    def customer(self, name: str, log: str) -> "tuple[str, subprocess.Popen[str]]":
        """A session with a customer whose first address is the *second* node."""
        self.extra[name] = {"REMOTE_ASSIST_RELAY": ",".join(reversed(self.names))}
        inviting, code = self.invite(self.new_ticket())
        self.code = code
        words = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)
        program = self.start("remote-assist", *words, home=name, log=log)
        assert program.stdin is not None and inviting.stdout is not None
        program.stdin.write(code + "\n")
        program.stdin.close()
        program.stdin = None
        session = inviting.stdout.readline().strip()
        assert session.startswith("s-"), self.log(log) + self.log("programs.log")
        return session, program


@pytest.fixture
def world(tmp_path: Path) -> Iterator[NodeWorld]:
    with running_postgres() as postgres, running_nats() as nats:
        world = NodeWorld(tmp_path, other_ports=(free_port(),), database=postgres.new_database(), bus=nats.url)
        try:
            world.found_nodes()
            for number in (1, 2):
                world.serve_node(number)
            world.login()
            yield world
        finally:
            world.close()


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def test_a_killed_node_costs_its_sessions_time_and_nothing_else(world: NodeWorld) -> None:
    session, agent = world.customer("customer-home", "agent.log")
    big, copy = world.folder / "big.bin", world.folder / "got" / "big.bin"
    big.write_bytes(secrets.token_bytes(16 << 20))
    copy.parent.mkdir()
    out, errors = world.folder / "run.out", world.folder / "run.err"
    words = ("run", session, "--", sys.executable, "-c", COUNTING)
    with out.open("wb") as sink, errors.open("wb") as complaints:
        running = subprocess.Popen(
            [Path(sys.executable).parent / "remote-assist", *words],
            stdout=sink, stderr=complaints, stdin=subprocess.DEVNULL, env=world.environment("alice-home"),
        )  # fmt: skip
    fetching = world.start("remote-assist", "get", session, str(big), str(copy.parent), log="get.err")
    wait_until(lambda: out.stat().st_size > 30 and list(copy.parent.iterdir()))
    assert not copy.exists()

    # The agent named node 2 first, and was sent on to the node that gave out its code.
    assert '"elsewhere"' in world.log("node-2.log")
    world.nodes[0].send_signal(signal.SIGKILL)
    world.nodes[0].wait(30)

    wait_until(lambda: "the technician's connection is back" in world.log("agent.log"))
    assert running.wait(WAIT_SECONDS) == 0
    assert out.read_bytes() == COUNTED
    assert fetching.wait(WAIT_SECONDS) == 0, world.log("get.err")
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == hashlib.sha256(big.read_bytes()).hexdigest()
    assert world.log("agent.log").count("allowed: ") == 1  # consent once, before the cut
    assert re.search(r"reconnecting… since \d\d:\d\d:\d\d", errors.read_text())

    world.serve_node(1)  # it comes back, and people who name it first are served by it or sent on
    assert world.command("run", session, "--", "echo", "still here").stdout == "still here\n"
    world.command("end", session, "--note", "A node was lost meanwhile.")
    assert "verified" in world.command("audit", "verify", session).stdout
    assert agent.wait(WAIT_SECONDS) == 0
    check_logs(world)


def test_a_customers_code_of_one_node_is_taken_by_who_names_the_other_first(world: NodeWorld) -> None:
    world.extra["customer-home"] = {"REMOTE_ASSIST_RELAY": ",".join(reversed(world.names))}
    words = ("ask", "--plain", "--ca", "org/ca.pub", "--accept", SCOPES)
    customer = world.start("remote-assist", *words, home="customer-home", log="agent.log")
    code = next_line(customer, WAIT_SECONDS)
    taking = ("accept", "--ticket", world.new_ticket(), "--code", "-", "--scopes", SCOPES, "--plain")
    session = world.command(*taking, stdin=f"{code}\n").stdout.strip()
    assert next_line(customer, WAIT_SECONDS) == session
    assert '"elsewhere"' in world.log("node-1.log")
    assert world.command("run", session, "--", "echo", "across").stdout == "across\n"
    world.command("end", session, "--note", "Across nodes.")
    assert customer.wait(WAIT_SECONDS) == 0
    assert "verified" in world.command("audit", "verify", session).stdout
    assert code.partition("-")[2] not in world.log("node-1.log") + world.log("node-2.log")


def check_logs(world: NodeWorld) -> None:
    """The nodes' own logs of all that hold no code, token, name or content."""
    logs = world.log("node-1.log") + world.log("node-2.log")
    assert logs.count('"serving"') == 3 and '"stream-ended"' in logs
    stored = "".join(path.read_text() for path in (world.folder / "alice-home").rglob("*.json"))
    tokens = re.findall(r'"token": ?"([^"]{20,})"', stored)
    assert tokens and world.code.count("-") == 3
    words = world.code.partition("-")[2]
    for secret in (
        *tokens,
        world.code,
        words,
        "range(120)",
        "still here",
        "Web server",
        "Alice",
        "big.bin",
        "A node was",
    ):
        assert secret not in logs

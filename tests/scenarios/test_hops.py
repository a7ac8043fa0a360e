"""Machines behind the customer's, by SSH: a real sshd, the customer's ssh-agent, pinned keys, every act recorded."""

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scenarios.init_script import init_script
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.ssh_machine import SshMachine, openssh, ssh_agent
from tests.scenarios.world import StepFailed, World, served_world

pytestmark = pytest.mark.slow


@dataclass
class HopWorld:
    """A served world whose customer knows one machine and has its key in their ssh-agent."""

    world: World
    machine: SshMachine
    session: str = field(default="")

    def __call__(self, verb: str, *words: str, expect: int = 0, stdin: str = "") -> str:
        argv = [verb, self.session, "--on", self.machine.place, *words]
        done = self.world.command(*argv, expect=expect, stdin=stdin)
        return done.stdout if expect == 0 else done.stderr

    def records(self) -> list[dict[str, str]]:
        done = self.world.command("audit", "show", self.session, "--json")
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def hop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HopWorld]:
    folder = tmp_path_factory.mktemp("hops")
    with openssh(folder / "machine") as machine, ssh_agent(folder, machine.user_key) as socket:
        customer = folder / "customer"
        (customer / ".ssh").mkdir(parents=True)
        (customer / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{machine.port} {machine.host_key}")
        with served_world(folder / "world") as world:
            world.extra["customer-home"] = {"HOME": str(customer), "SSH_AUTH_SOCK": socket}
            scopes = f"diagnose,files:read,files:write,fix,terminal,hop={machine.place}"
            hop = HopWorld(world, machine)
            _, hop.session, _ = world.session(scopes=scopes)
            yield hop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Path]:
    """An init script of this machine, which is also the one behind it; it starts and stops nothing but a file."""
    with init_script(tmp_path) as shop:
        yield shop


def test_a_program_runs_over_there_and_its_status_comes_back(hop: HopWorld) -> None:
    assert hop("run", "--", "sh", "-c", "echo $SSH_CONNECTION; pwd").startswith("127.0.0.1 ")
    assert hop("run", "--folder", "/var", "--", "pwd").strip() == "/var"
    assert hop("run", "-i", "--", "cat", stdin="there and back") == "there and back"
    hop("run", "--", "sh", "-c", "exit 7", expect=7)
    words = ["a b", "$(id)", "'\"", "", "ünï"]
    assert hop("run", "--", "printf", "%s|", *words) == "".join(f"{word}|" for word in words)


def test_every_act_names_the_machine_and_needs_the_hop(hop: HopWorld) -> None:
    hop("run", "--", "true")
    acts = [one for one in hop.records() if one["code"] in {"RA1400I", "RA1501I"}]
    assert acts
    assert all(f"on {hop.machine.place}" in one["what"] for one in acts)


def test_a_bundle_and_its_findings_are_of_that_machine(hop: HopWorld, tmp_path: Path) -> None:
    out = tmp_path / "there.tar.zst"
    told = json.loads(hop("diagnose", "-o", str(out), "--json").splitlines()[-1])
    assert out.stat().st_size == told["size"]
    assert told["collectors"]["host"] == "ok"
    found = [json.loads(line) for line in hop("findings", "--json", "--all").splitlines()]
    assert len(found) > 5


def test_files_go_both_ways(hop: HopWorld, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    source, there, back = tmp_path / "source.bin", tmp_path / "there", tmp_path / "back"
    source.write_bytes(content)
    there.mkdir()
    back.mkdir()
    hop("put", str(source), str(there))
    assert (there / "source.bin").read_bytes() == content
    assert "source.bin" in hop("ls", str(there))
    hop("get", str(there / "source.bin"), str(back))
    assert (back / "source.bin").read_bytes() == content
    assert "is there already" in hop("put", str(source), str(there), expect=3)
    (there / "link").symlink_to("source.bin")
    assert "is a link, not a file" in hop("get", str(there / "link"), str(back), expect=3)
    assert sorted(path.name for path in there.iterdir()) == ["link", "source.bin"]


def test_many_machines_at_once_and_one_file_for_all(hop: HopWorld, tmp_path: Path) -> None:
    inventory, out = tmp_path / "inventory", tmp_path / "many.tar"
    other = "ssh://nobody@192.0.2.1"
    inventory.write_text(f"# ours\n{hop.machine.place}\n\n{other}  # not granted\n")
    words = ["machines", hop.session, "--inventory", str(inventory)]
    done = hop.world.command(*words, "--json", "--", "echo", "hello", expect=1)
    here, there = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda one: str(one["error"]))
    assert (here["on"], here["status"], base64.b64decode(here["stdout"])) == (hop.machine.place, 0, b"hello\n")
    assert (there["on"], there["status"]) == (other, 255)
    assert "allowed hop only to" in there["error"]
    hop.world.command(*words, "-o", str(out), expect=1)
    told = hop.world.command("findings", str(out)).stdout
    assert f"— {hop.machine.place}" in told
    assert "no bundle: the customer allowed hop only to" in told
    inventory.write_text("telnet://x@y\n")
    assert f"{inventory}:1" in hop.world.command(*words, expect=2).stderr


def test_what_was_not_granted_is_refused(hop: HopWorld) -> None:
    other = hop.machine.place.replace("127.0.0.1", "localhost")
    done = hop.world.command("run", hop.session, "--on", other, "--", "true", expect=255)
    assert f"allowed hop only to {hop.machine.place}" in done.stderr
    done = hop.world.command("run", hop.session, "--on", "telnet://x@y", "--", "true", expect=2)
    assert "names no machine" in done.stderr


def test_a_shell_over_there_is_recorded_and_gives_its_status(hop: HopWorld) -> None:
    typed = "echo at $SSH_CONNECTION; echo $TERM; tty; exit 5\n"
    words = ["shell", hop.session, "--on", hop.machine.place, "--term", "vt100"]
    shown = hop.world.command(*words, stdin=typed, expect=5).stdout
    assert "at 127.0.0.1" in shown
    assert "vt100" in shown
    assert "/dev/pts/" in shown
    begun, ended = [one for one in hop.records() if one["code"] in {"RA1401I", "RA1401O"}][-2:]
    assert f"on {hop.machine.place}" in begun["what"]
    assert ended["code"] == "RA1401O"


def test_a_shell_over_there_follows_the_window_and_is_hung_up(hop: HopWorld, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    with OnScreen(hop.world, "shell", hop.session, "--on", hop.machine.place) as screen:
        screen.press("stty size\r")
        screen.read_until("50 200", 60)
        screen.resize(33, 111)
        screen.press("stty size\r")
        screen.read_until("33 111", 60)
        screen.press(f"sh -c 'echo $$ >{mark}.part; mv {mark}.part {mark}; exec sleep 600'\r")
        _until(mark.exists)
        screen.press("\r~.")
        assert screen.finished(60) == 255
    _until_gone(mark.read_text().strip())


@pytest.mark.root
def test_a_fix_over_there_is_shown_first_then_done_and_verified(hop: HopWorld, shop: Path) -> None:
    fix = ["linux.service.start-unit", "--set", f"unit={shop.name}"]
    plan = json.loads(hop("fix", *fix, "--plan", "--json").splitlines()[-1])
    assert plan["consent"].startswith(f"On {hop.machine.place}: ")
    assert _service(shop, "status") == 3
    here = hop.world.command("fix", hop.session, fix[0], "--apply", plan["digest"], "--yes", expect=3)
    assert "no such plan" in here.stderr
    plan = json.loads(hop("fix", *fix, "--plan", "--json").splitlines()[-1])
    assert "resolved" in hop("fix", fix[0], "--apply", plan["digest"], "--yes")
    assert _service(shop, "status") == 0
    acts = [one for one in hop.records() if one["code"] in {"RA1300I", "RA1301I"}]
    assert all(f"on {hop.machine.place}" in one["what"] for one in acts)


@pytest.mark.root
@pytest.mark.full
def test_a_fix_that_does_not_help_over_there_is_undone_there(hop: HopWorld, shop: Path) -> None:
    (shop.parent / "ill").touch()
    told = hop("fix", "linux.service.start-unit", "--set", f"unit={shop.name}", "--yes", expect=1)
    assert "every change was undone" in told
    assert (shop.parent / "said").read_text().split() == ["start"]


@pytest.mark.root
@pytest.mark.full
def test_a_fix_cut_short_by_the_agents_death_is_undone_over_there_at_its_next_start(
    hop: HopWorld, shop: Path, tmp_path: Path
) -> None:
    customer = hop.world.extra["customer-home"]
    with served_world(tmp_path / "world") as world:
        world.extra["customer-home"] = customer
        _, session, agent = world.session(scopes=f"fix,hop={hop.machine.place}")
        (shop.parent / "slow").touch()
        words = ["fix", session, "--on", hop.machine.place, "linux.service.start-unit", "--set", f"unit={shop.name}"]
        fixing = world.start("remote-assist", *words, "--yes")
        _until((shop.parent / "running").exists)
        agent.kill()
        agent.wait(30)
        fixing.kill()
        world.session(scopes="terminal")
        _until(lambda: (shop.parent / "said").read_text().split() == ["start", "stop"])
        assert not (shop.parent / "running").exists()
        log = world.log("agent.log")
        assert f"linux.service.start-unit on {hop.machine.place}" in log, log


def test_an_interrupted_program_ends_over_there(hop: HopWorld, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"echo $$ >{mark}.part; mv {mark}.part {mark}; exec sleep 600"
    program = hop.world.start("remote-assist", "run", hop.session, "--on", hop.machine.place, "--", "sh", "-c", script)
    _until(mark.exists)
    program.send_signal(signal.SIGINT)
    program.wait(30)
    _until_gone(mark.read_text().strip())


def test_a_machine_that_shows_another_key_is_refused_and_nobody_is_asked(hop: HopWorld, tmp_path: Path) -> None:
    with openssh(tmp_path / "other") as other, served_world(tmp_path / "world") as world:
        customer = tmp_path / "customer"
        (customer / ".ssh").mkdir(parents=True)
        (customer / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{other.port} {hop.machine.host_key}")
        world.extra["customer-home"] = {"HOME": str(customer)}
        _, session, _ = world.session(scopes=f"terminal,hop={other.place}")
        done = world.command("run", session, "--on", other.place, "--", "true", expect=255)
        assert "shows another host key" in done.stderr
        (customer / ".ssh" / "known_hosts").unlink()
        done = world.command("run", session, "--on", other.place, "--", "true", expect=255)
        assert "did not confirm it" in done.stderr


def _service(script: Path, verb: str) -> int:
    return subprocess.run(["service", script.name, verb], capture_output=True, check=False).returncode


def _until_gone(number: str) -> None:
    """Wait until this process has ended."""
    _until(lambda: not Path(f"/proc/{number}").exists() or "Z" in Path(f"/proc/{number}/stat").read_text().split()[2])


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        if time.monotonic() > end:
            raise StepFailed("it did not come about")
        time.sleep(0.05)

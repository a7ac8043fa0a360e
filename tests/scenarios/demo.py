"""`make demo`: one support session on this machine's real state, from support code to verified log.

On a terminal it opens the TUI on a real session with an agent on this machine; who wants to be a customer too runs the
script it names, in a second terminal. Without a terminal it plays the session as a script. It prints each step as it
happens, and exits 0 only if every step, the final `audit verify` included, held.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.scenarios.world import StepFailed, TakenPort, World, find_program

Step = Callable[[], str]

CUSTOMER = """#!/bin/sh
# One more customer of this demo, on this machine. It asks for the code of an invitation.
cd {folder} || exit 1
export REMOTE_ASSIST_RELAY={relay} REMOTE_ASSIST_HOME="$PWD/customer-$$"
exec {program} join --ca org/ca.pub --services {services} "$@"
"""


class Demo:
    """The story, step by step; each step answers one line to print or raises StepFailed."""

    def __init__(self, world: World, trouble: TakenPort) -> None:
        self.world = world
        self.trouble = trouble
        self.customer = world.folder / "customer"
        self.ticket = self.session = ""
        self.finding: dict[str, object] = {}
        self.agent: subprocess.Popen[str] | None = None

    def prepare(self) -> list[tuple[str, Step]]:
        return [
            ("an organisation: CA, certificates, relay", self.found),
            ("the relay serves", self.serve),
            ("Alice logs in with her certificate", self.login),
            ("a ticket", self.open_ticket),
            ("invite, join, pairing, consent", self.pair),
        ]

    def leave(self) -> list[tuple[str, Step]]:
        return [
            ("what was left open ends", self.end_all),
            ("every log verifies", self.verify_all),
        ]

    def story(self) -> list[tuple[str, Step]]:
        return [
            ("first-look: a bundle of this machine", self.diagnose),
            ("findings: what known issues say", self.findings),
            ("plan of the fix, nothing changed yet", self.plan),
            ("the fix: stop the holder, start the service, verify", self.fix),
            ("a program", self.run),
            ("a file from the customer", self.get),
            ("a file to the customer", self.put),
            ("something outside the consent is refused", self.refused),
            ("the session ends with a note", self.end),
            ("the ticket tells the story", self.show_ticket),
            ("the log verifies", self.verify),
            ("a log with one byte changed does not", self.verify_tampered),
        ]

    def found(self) -> str:
        self.world.found_organisation()
        return "Example Support, Alice Example (technician), Rita Example (reviewer)"

    def serve(self) -> str:
        self.world.serve()
        return self.world.relay_url

    def login(self) -> str:
        self.world.login()
        return "by signed challenge; the relay keeps no password"

    def open_ticket(self) -> str:
        self.ticket = self.world.new_ticket("The shop's web server does not start", f"{self.write_customer()}.")
        return f"#{self.ticket} The shop's web server does not start"

    def write_customer(self) -> str:
        """The script for a second terminal, and the words that name it."""
        places = {
            "folder": self.world.folder,
            "services": self.trouble.folder,
            "program": find_program("remote-assist"),
        }
        quoted = {name: shlex.quote(str(place)) for name, place in places.items()}
        self.customer.write_text(CUSTOMER.format(relay=self.world.relay_url, **quoted))
        self.customer.chmod(0o755)
        return f"To be one more customer of this demo, run in a second terminal: {self.customer}"

    def pair(self) -> str:
        options = ("--services", str(self.trouble.folder))
        scopes = "diagnose,files:read,files:write,fix,terminal"
        _, self.session, self.agent = self.world.session(*options, scopes=scopes, ticket=self.ticket)
        return self.session

    def diagnose(self) -> str:
        began = time.monotonic()
        self.world.command("diagnose", self.session, "--bundle", "first-look", "-o", "bundle.tar.zst")
        size = (self.world.folder / "bundle.tar.zst").stat().st_size
        return f"bundle.tar.zst, {size:,} bytes in {time.monotonic() - began:.2f} s"

    def findings(self) -> str:
        lines = self.world.command("findings", self.session, "--json").stdout.splitlines()
        found = [json.loads(line) for line in lines]
        failed = [f for f in found if f.get("outcome") in {"fail", "warn"}]
        mine = [f for f in failed if f.get("fix") == "linux.service.free-port"]
        if not mine:
            raise StepFailed(f"the taken port was not found among {failed}")
        self.finding = mine[0]
        return "\n".join(f"{f['severity']}: {f['message']}" for f in failed)

    def plan(self) -> str:
        return self.world.command("fix", self.session, "linux.service.free-port", "--plan").stdout.strip()

    def fix(self) -> str:
        if self.trouble.holder() != "old-web":
            raise StepFailed("the fault was gone before the fix")
        done = self.world.command("fix", self.session, "linux.service.free-port", "--yes")
        if self.trouble.holder() != "shop-web":
            raise StepFailed(f"the port is not held by shop-web:\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def run(self) -> str:
        return self.world.command("run", self.session, "--", "uname", "-a").stdout.strip()

    def get(self) -> str:
        (self.world.folder / "got").mkdir()
        self.world.command("get", self.session, str(self.trouble.log), "got")
        taken = (self.world.folder / "got" / self.trouble.log.name).read_bytes()
        if taken != self.trouble.log.read_bytes() and not self.trouble.log.read_bytes().startswith(taken):
            raise StepFailed("the file that arrived is not the file that was there")
        return f"{self.trouble.log.name}, {len(taken)} bytes, digests equal at both ends"

    def put(self) -> str:
        (self.world.folder / "readme.txt").write_text("Port freed. Yours, Example Support.\n")
        target = self.world.folder / "customer-files"
        target.mkdir()
        self.world.command("put", self.session, "readme.txt", str(target))
        return (target / "readme.txt").read_text().strip()

    def refused(self) -> str:
        secret = self.world.folder / "customer-home"
        done = self.world.command("ls", self.session, str(secret), expect=3)
        return done.stderr.strip().splitlines()[0]

    def end(self) -> str:
        self.world.command("end", self.session, "--note", "Port was taken by old-web; freed and verified.")
        assert self.agent is not None
        if self.agent.wait(10) != 0:
            raise StepFailed(f"the agent ended with {self.agent.returncode}: {self.world.log('agent.log')}")
        return "the agent has left; the customer holds a receipt"

    def _sessions(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.world.command("sessions", "--json").stdout.splitlines()]

    def end_all(self) -> str:
        left = [str(one["id"]) for one in self._sessions() if one["state"] != "ended"]
        for session in left:
            self.world.command("end", session, "--note", "Demo left.", expect=None)  # its customer may be gone
        return " ".join(left) or "nothing was"

    def verify_all(self) -> str:
        return "\n".join(
            self.world.command("audit", "verify", str(one["id"])).stdout.strip() for one in self._sessions()
        )

    def show_ticket(self) -> str:
        return self.world.command("tickets", "show", self.ticket).stdout.strip()

    def verify(self) -> str:
        return self.world.command("audit", "verify", self.session).stdout.strip()

    def verify_tampered(self) -> str:
        self.world.command("audit", "export", self.session, "--format", "jsonl", "-o", "log.jsonl")
        self.world.command("audit", "verify", "log.jsonl", "--ca", "org/ca.pub")
        raw = bytearray((self.world.folder / "log.jsonl").read_bytes())
        place = raw.index(b'"record":"', len(raw) // 2) + 200
        raw[place] = ord("A") if raw[place] != ord("A") else ord("B")
        (self.world.folder / "changed.jsonl").write_bytes(raw)
        done = self.world.command("audit", "verify", "changed.jsonl", "--ca", "org/ca.pub", expect=5)
        return done.stderr.strip().splitlines()[0]


def play(steps: list[tuple[str, Step]], *, first: int = 1) -> None:
    """Print each step as it happens, with its time."""
    for number, (title, step) in enumerate(steps, first):
        print(f"{number:2}  {title}", flush=True)
        began = time.monotonic()
        text = step()
        for line in text.splitlines():
            print(f"      {line}", flush=True)
        print(f"      ✔ {time.monotonic() - began:.2f} s", flush=True)


def on_terminal(demo: Demo) -> None:
    """The TUI on the session just made; when it is left, every session ends and every log is verified."""
    steps = demo.prepare()
    play([*steps, ("a script to be a customer oneself", demo.write_customer)])
    words = [find_program("remote-assist"), "tui", demo.session]
    subprocess.run(words, cwd=demo.world.folder, env=demo.world.environment("alice-home"), check=False)
    play(demo.leave(), first=len(steps) + 2)


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="remote-assist-demo-"))
    world, trouble = World(folder), TakenPort.provoke(folder / "services")
    demo = Demo(world, trouble)
    try:
        if sys.stdin.isatty() and sys.stdout.isatty():
            on_terminal(demo)
        else:
            play([*demo.prepare(), *demo.story()])
    except StepFailed as fault:
        print(f"      ✖ {fault}", flush=True)
        print(f"      everything is kept in {folder}", flush=True)
        return 1
    finally:
        trouble.close()
        world.close()
    print("every step held", flush=True)
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

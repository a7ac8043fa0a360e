"""A relay that is down, or dies in mid-session: every verb says so, nothing is done, and nothing is lost."""

import subprocess
from dataclasses import dataclass

import pytest

from tests.scenarios.refusals import refusal, told_by_run, typed, wait_until
from tests.scenarios.world import SCOPES, World

pytestmark = pytest.mark.slow

VERBS: dict[str, tuple[str, ...]] = {
    "login": ("login", "--key", "alice"),
    "sessions": ("sessions",),
    "tickets list": ("tickets",),
    "tickets show": ("tickets", "show", "TICKET"),
    "tickets new": ("tickets", "new", "--subject", "x"),
    "invite": ("invite", "--ticket", "TICKET"),
    "accept": ("accept", "--ticket", "TICKET", "--code", "-"),
    "diagnose": ("diagnose", "SESSION"),
    "findings": ("findings", "SESSION"),
    "fix": ("fix", "SESSION", "linux.service.start-unit", "--set", "unit=x.service", "--plan"),
    "ls": ("ls", "SESSION", "/"),
    "get": ("get", "SESSION", "/etc/hostname", "."),
    "put": ("put", "SESSION", "alice.pub", "/tmp"),
    "request": ("request", "SESSION", "terminal"),
    "end": ("end", "SESSION", "--note", "Freed."),
    "audit list": ("audit", "list"),
    "audit show": ("audit", "show", "SESSION"),
    "audit verify": ("audit", "verify", "SESSION"),
    "audit export": ("audit", "export", "SESSION", "-o", "export.jsonl"),
    "join": ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES),
    "ask": ("ask", "--plain", "--ca", "org/ca.pub", "--accept", SCOPES),
}
"""Every verb that needs the relay, but `run`, which answers as ssh does."""


@dataclass
class Live:
    """A session whose relay the tests of this file take away and give back, in their order."""

    world: World
    ticket: str
    session: str
    agent: "subprocess.Popen[str]"
    relay: "subprocess.Popen[str]"

    def kill_relay(self) -> None:
        self.relay.kill()
        self.relay.wait(10)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        told = [word.replace("SESSION", self.session).replace("TICKET", self.ticket) for word in words]
        home = "another-home" if words[0] in {"join", "ask"} else "alice-home"
        return typed(self.world, *told, home=home, stdin="417203-tulip-rocket-amber\n")

    def wait_for(self, line: str, times: int = 1) -> None:
        """Until the customer has read this line so often."""
        wait_until(lambda: self.world.log("agent.log").count(line) >= times, 30)


@pytest.fixture(scope="module")
def live(world: World) -> Live:
    return Live(world, *world.session(), relay=world.programs[0])


def test_a_relay_killed_in_mid_session_stops_nothing_refuses_the_new_and_gets_every_record_later(live: Live) -> None:
    world = live.world
    begun, late, new = (world.folder / name for name in ("begun", "late", "new"))
    script = f"touch {begun}; sleep 12; touch {late}"
    words = ("run", "--patience", "3s", live.session, "--", "sh", "-c", script)
    running = world.start("remote-assist", *words, log="run.log")
    wait_until(begun.exists)
    live.kill_relay()
    assert running.wait(20) == 255
    told_while_waiting, told_at_last, *_ = world.log("run.log").splitlines()
    assert told_while_waiting.startswith(f"remote-assist: {live.session}: reconnecting… since ")
    assert "did not come back within 3 s" in told_at_last
    live.wait_for("connection to the relay lost; nothing new can start until it is back")
    told = told_by_run(live.command("run", "SESSION", "--json", "--", "touch", str(new)))
    assert (told["cause"], told["reason"]) == (4, "UnreachableError")
    undelivered = refusal(live.command("end", "SESSION", "--note", "Freed."))
    assert undelivered.exit == 4
    assert undelivered.sentence.endswith(f"undelivered: the end of session {live.session} and the closing note")
    assert undelivered.advice == "Repeat the same `end` later; the customer can end the session at any time."
    live.relay = world.serve()
    live.wait_for("connection to the relay is back")
    assert live.agent.poll() is None
    wait_until(late.exists, 30)
    live.wait_for("runs sh: done")
    wait_until(lambda: "done" in live.command("audit", "show", "SESSION").stdout, 30)
    verified = live.command("audit", "verify", "SESSION")
    assert verified.returncode == 0
    assert "open at seq" in verified.stdout
    assert not new.exists()


@pytest.fixture(scope="module")
def silenced(live: Live) -> Live:
    """The session, now without its relay."""
    live.kill_relay()
    return live


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_that_the_relay_cannot_be_reached(silenced: Live, verb: str) -> None:
    done = silenced.command(*VERBS[verb])
    told = refusal(done)
    assert told.exit == 4
    assert told.sentence.startswith(f"the relay {silenced.world.relay_url} cannot be reached: connection refused")
    assert told.advice
    assert done.stdout == ""


def test_a_customer_ends_without_the_relay_and_is_told_what_it_does_not_know_yet(silenced: Live) -> None:
    live = silenced
    live.agent.terminate()
    assert live.agent.wait(10) == 0
    folder = live.world.folder / "customer-home" / "sessions" / live.session
    assert f"Records that could not be delivered: 1; they are kept in {folder}." in live.world.log("agent.log")

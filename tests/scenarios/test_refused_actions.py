"""Actions the customer did not allow: each is refused, names its scope and how to ask, and stands on ticket and log."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.scenarios.refusals import Refusal, refusal, told_as_json, told_by_run, typed
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

SCOPES = ("diagnose", "files:read", "files:write", "fix", "terminal")
COMMANDS: dict[str, tuple[str, ...]] = {
    "diagnose": ("diagnose", "SESSION", "-o", "bundle.tar.zst"),
    "files:read": ("get", "SESSION", "FOLDER/alice.pub", "got"),
    "files:write": ("put", "SESSION", "alice.pub", "FOLDER/there"),
    "fix": ("fix", "SESSION", "linux.service.start-unit", "--set", "unit=x.service", "--plan"),
}
"""Scope → a command that needs it. `run`, which answers as ssh does, has a test of its own."""


@dataclass
class Narrow:
    """Sessions that may do one thing only."""

    world: World
    ticket: str
    looking: str
    """May diagnose, nothing else."""
    running: str
    """May run programs, nothing else."""


@pytest.fixture(scope="module")
def narrow(world: World) -> Iterator[Narrow]:
    ticket, looking, _ = world.session(scopes="diagnose")
    _, running, _ = world.session(scopes="terminal", ticket=ticket)
    for name in ("got", "there"):
        (world.folder / name).mkdir()
    yield Narrow(world, ticket, looking, running)


def refused(narrow: Narrow, scope: str, *options: str) -> Refusal:
    session = narrow.running if scope == "diagnose" else narrow.looking
    words = [word.replace("SESSION", session).replace("FOLDER", str(narrow.world.folder)) for word in COMMANDS[scope]]
    return refusal(typed(narrow.world, *words, *options))


@pytest.mark.parametrize("scope", COMMANDS)
def test_a_scope_that_was_not_granted_is_refused_by_name(narrow: Narrow, scope: str) -> None:
    assert refused(narrow, scope) == Refusal(
        3,
        f"the customer has not allowed {scope}",
        f"Ask the customer for it: `remote-assist request SESSION {scope}`.",
    )
    assert not (narrow.world.folder / "bundle.tar.zst").exists()
    assert list((narrow.world.folder / "got").iterdir()) == []
    assert list((narrow.world.folder / "there").iterdir()) == []


def test_run_without_terminal_is_255_as_ssh_says_it_with_cause_3(narrow: Narrow) -> None:
    mark = narrow.world.folder / "mark"
    words = ("run", narrow.looking, "--", "touch", str(mark))
    assert refusal(narrow.world.command(*words, expect=255)) == Refusal(
        255,
        "the customer has not allowed terminal",
        "Ask the customer for it: `remote-assist request SESSION terminal`.",
    )
    told = told_by_run(typed(narrow.world, "run", narrow.looking, "--json", "--", "touch", str(mark)))
    assert (told["reason"], told["cause"]) == ("out-of-scope", 3)
    assert not mark.exists()


def test_the_advice_of_a_refusal_is_a_command_that_works(narrow: Narrow) -> None:
    """The customer accepted nothing more beforehand, so the answer is theirs: no."""
    done = typed(narrow.world, "request", narrow.looking, "terminal", "--json", expect=3)
    assert told_as_json(done)["reason"] == "denied"


def test_every_refusal_stands_on_the_ticket_and_in_the_log(narrow: Narrow) -> None:
    for scope in COMMANDS:
        refused(narrow, scope)
    typed(narrow.world, "run", narrow.looking, "--", "true", expect=255)
    found: set[str] = set()
    for session in (narrow.looking, narrow.running):
        lines = typed(narrow.world, "audit", "show", session, "--json", expect=0).stdout.splitlines()
        records = [json.loads(line) for line in lines]
        told = [record for record in records if record["code"] == "RA1900R"]
        assert all("out-of-scope" in json.dumps(record) for record in told)
        found |= {scope for scope in SCOPES for record in told if f"scope {scope}" in json.dumps(record)}
        assert {record["code"] for record in records if record["code"].endswith("I")} <= {"RA1005I"}  # asking for more
        assert "verified" in typed(narrow.world, "audit", "verify", session, expect=0).stdout
    assert found == set(SCOPES)
    notes = typed(narrow.world, "tickets", "show", narrow.ticket, expect=0).stdout
    for scope in SCOPES:
        assert f"An action was refused; nothing was done; scope {scope}" in notes


def test_after_its_time_a_consent_is_refused_as_expired(world: World) -> None:
    _, session, agent = world.session("--until", "3s")
    assert agent.wait(10) == 0
    assert "The time you allowed is over; the session has ended." in world.log("agent.log")
    listed = refusal(typed(world, "ls", session, "/"))
    assert listed.exit == 3
    assert listed.sentence.startswith(f"session {session} is over: the consent ran out at {time.strftime('%Y-')}")
    told = told_by_run(typed(world, "run", session, "--json", "--", "true"))
    assert (told["reason"], told["cause"]) == ("expired", 3)

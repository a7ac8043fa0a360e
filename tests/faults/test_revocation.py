"""F18: the CA's lists change while sessions live. Who is revoked is out at once, with a record and a sentence for both.

What they ran ends, not only their streams; nobody else notices; a relay that shows what the CA did not sign, or a list
that is not newer, moves nobody.
"""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from remote_assist.core.identity.lists import RevocationsList, sign_list
from remote_assist.core.messages import Acknowledged, ListGiven
from remote_assist.core.signing.keys import new_key
from tests.faults.evil_relay import Data, EvilRelay, Passage, text
from tests.faults.parties import Parties, opened
from tests.faults.remotes import wait_until
from tests.faults.wired import Counting
from tests.scenarios.test_two_technicians import add_bob
from tests.scenarios.world import World, next_line, served_world

pytestmark = pytest.mark.slow

OUT_SECONDS = 5.0
"""The relay looks at its lists every second."""

SLEEPER = ("sh", "-c", "echo $$; exec sleep 600")
SAID = "your certificate was revoked by your organisation"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_world(tmp_path) as world:
        yield world


def revoke(world: World, name: str) -> None:
    """What an operator does about a certificate that must count no more."""
    shown = world.command("ssh-keygen", "-L", "-f", f"{name}-cert.pub").stdout
    serial = re.search(r"Serial: (\d+)", shown)
    assert serial is not None
    world.command("ca", "revoke", serial[1], "--dir", "org")
    world.command("ca", "adopt", "relay-data", "--dir", "org")


def sleeper(world: World, session: str, home: str) -> "tuple[subprocess.Popen[str], int]":
    """A technician's `run` that sleeps, and the process at the customer's."""
    running = world.start("remote-assist", "run", session, "--", *SLEEPER, home=home, log=f"{home}.err")
    return running, int(next_line(running))


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def records(world: World, session: str) -> list[dict[str, object]]:
    """The session's log as a reviewer reads it, who verifies it too."""
    world.command("login", "--key", "rita", "--role", "reviewer", home="rita-home")
    assert "verified" in world.command("audit", "verify", session, home="rita-home").stdout
    raw = world.command("audit", "show", session, "--json", home="rita-home").stdout
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.parametrize("relay_is", ["serving", "down"])
def test_f18_a_technician_who_is_revoked_is_out_at_once_and_so_is_what_they_ran(world: World, relay_is: str) -> None:
    _, session, agent = world.session()
    running, process_id = sleeper(world, session, "alice-home")
    if relay_is == "down":
        world.programs[0].terminate()
        world.programs[0].wait(20)
        revoke(world, "alice")
        assert is_alive(process_id)
        world.serve()
    else:
        revoke(world, "alice")
    wait_until(lambda: not is_alive(process_id), OUT_SECONDS * (4 if relay_is == "down" else 1))
    assert running.wait(30) == 255
    assert SAID in world.log("alice-home.err")
    assert agent.wait(20) == 0
    assert "The organisation has revoked the certificate of your technician" in world.log("agent.log")
    assert SAID in world.command("tickets", "list", expect=3).stderr
    assert records(world, session)[-1]["outcome"] == "ended, revoked"


@pytest.mark.parametrize(("revoked", "stays"), [("bob", "alice"), ("alice", "bob")])
def test_f18_of_two_technicians_only_the_revoked_one_is_out(world: World, revoked: str, stays: str) -> None:
    add_bob(world)
    _, session, agent = world.session("--accept-second")
    world.command("share", session, "bob-cert.pub")
    world.command("attach", session, home="bob-home")
    going, stopped = sleeper(world, session, f"{revoked}-home")
    staying, kept = sleeper(world, session, f"{stays}-home")
    revoke(world, revoked)
    wait_until(lambda: not is_alive(stopped), OUT_SECONDS)
    assert going.wait(30) == 255
    assert SAID in world.log(f"{revoked}-home.err")
    assert f"{revoked.capitalize()} Example is out of the session" in world.log("agent.log")
    assert is_alive(kept) and staying.poll() is None and agent.poll() is None
    done = world.command("run", session, "--", "echo", "goes on", home=f"{stays}-home")
    assert done.stdout == "goes on\n"
    world.command("end", session, "--note", "Went on with one.", home=f"{stays}-home")
    assert [one["outcome"] for one in records(world, session) if one["code"] == "RA1014E"] == ["ended, revoked"]


async def test_f18_a_relay_that_shows_what_the_ca_did_not_sign_or_nothing_newer_moves_nobody(
    lying: tuple[World, EvilRelay], parties: Parties
) -> None:
    world, evil = lying
    serials = tuple(range(1, 100))
    forged = sign_list(
        new_key(secrets.token_bytes(32)),
        RevocationsList(number=99, serials=serials, issued="2026-03-01T10:00:00Z"),
    )
    folder = world.folder / "relay-data" / "lists"
    shown = [forged, b"", b"{}", *((folder / f"{kind}.json").read_bytes() for kind in ("revocations", "packs"))]
    told = 0

    async def show(passage: Passage) -> Sequence[Data]:
        nonlocal told
        if passage.road == "agent" and not passage.to_relay and isinstance(passage.message(), Acknowledged):
            told += 1
            return [*(text(ListGiven(signed=one)) for one in shown), passage.data]
        return [passage.data]

    async with opened(parties) as desk:
        session = await parties.session(desk)
        async with await desk.connect(session) as connected:
            evil.tamper = show
            await (await Counting.start(connected, count=20)).check()
            assert told
            await (await Counting.start(connected, count=5)).check()
    assert not any("out of the session" in line for line in parties.customer.shown)


def test_f18_new_reviewers_and_pack_keys_come_under_live_sessions_and_cut_nobody(world: World) -> None:
    _, session, _ = world.session()
    running, process_id = sleeper(world, session, "alice-home")
    world.command("ca", "reviewers", "--dir", "org", "--new")
    world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "packs")
    world.command("ca", "packs", "--dir", "org", "--add", "packs.pub")
    world.command("ca", "adopt", "relay-data", "--dir", "org")
    wait_until(lambda: "lists-taken" in world.log("relay.log"))
    assert world.command("run", session, "--", "echo", "as before").stdout == "as before\n"
    assert is_alive(process_id) and running.poll() is None
    world.command("login", "--key", "alice")
    _, later, _ = world.session()
    assert world.command("run", later, "--", "echo", "with the new lists").stdout == "with the new lists\n"
    for one in (session, later):
        world.command("end", one, "--note", "Lists changed meanwhile.")
        assert records(world, one)

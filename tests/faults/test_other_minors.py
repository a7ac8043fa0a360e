"""F23: one minor older on each side, in live sessions of real programs; and a newer one that says what nobody knows.

What both know works; what only one knows is refused before anything happens, in a sentence that says who is older;
nobody is cut for a word they do not know, and the logs verify (docs/protocol-compatibility.md).
"""

from pathlib import Path

import pytest

from tests.faults import other_programs
from tests.faults.other_programs import NEWER, OLDER, ended, made, serve, start
from tests.scenarios.world import SCOPES, World, next_line

pytestmark = [pytest.mark.slow, pytest.mark.full]

JOIN = ("join", "--code", "-", "--ca", "org/ca.pub", "--accept", SCOPES)
LITTLE_ROOM = f"warn_free_bytes = {1 << 40}\n"
"""A disk rarely has so much, so a relay of today tells every agent of it at once."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.take_organisation()
    (tmp_path / "relay.toml").write_text(LITTLE_ROOM)
    return world


@pytest.mark.parametrize("place", ["agent", "technician", "relay"])
def test_f23_an_older_program_works_with_newer_ones_in_a_live_session(world: World, place: str) -> None:
    def technician(*words: str, expect: int = 0) -> str:
        if place != "technician":
            done = world.command(*words, expect=expect)
            return done.stdout + done.stderr
        status, out = ended(start(world, OLDER, *words, home="alice-home"))
        assert status == expect, out
        return out

    try:
        if place == "relay":
            serve(world, OLDER)
        else:
            world.serve()
        technician("login", "--key", "alice")
        ticket = technician("tickets", "new", "--subject", "Old and new", "--plain").strip()
        invite = ("invite", "--ticket", ticket, "--scopes", SCOPES, "--plain")
        if place == "technician":
            inviting = start(world, OLDER, *invite, home="alice-home")
        else:
            inviting = world.start("remote-assist", *invite)
        code = next_line(inviting)
        if place == "agent":
            agent = start(world, OLDER, *JOIN, home="customer-home", said=f"{code}\n")
        else:
            agent = world.join(code)
        session = next_line(inviting)
        assert session.startswith("s-"), world.log("agent.log")
        assert technician("run", session, "--", "echo", "still here").strip() == "still here"
        source, copy = made(world.folder / "source"), world.folder / "copy"
        copy.mkdir()
        technician("get", session, str(source / "0.txt"), str(copy))
        assert (copy / "0.txt").read_text() == "line 0\n"
        if place == "relay":
            technician("get", "-r", session, str(source), str(copy))
            assert (copy / "source" / "1.txt").read_text() == "line 1\n"
        else:
            refused = technician("get", "-r", session, str(source), str(copy), expect=3)
            older = "this program" if place == "technician" else "the customer's program is older than this program"
            assert older in refused
            assert not (copy / "source" / "1.txt").exists()
        assert technician("run", session, "--", "echo", "and still").strip() == "and still"
        technician("end", session, "--note", "Looked at it.")
        assert agent.wait(other_programs.PATIENCE_SECONDS) == 0
        assert "verified" in technician("audit", "verify", session)
    finally:
        world.close()


def test_f23_a_newer_technicians_program_that_says_what_an_agent_does_not_know_is_told_who_is_older(
    world: World,
) -> None:
    try:
        world.serve()
        world.login()
        _, session, _ = world.session()
        newer = start(world, NEWER, "run", session, "--", "true", home="alice-home", talkative="Run")
        status, out = ended(newer)
        assert status == 255, out  # `run` keeps the others for what ran
        assert "the other end is older than your program (it speaks 1.1, yours 1.2)" in out
        assert world.command("run", session, "--", "echo", "nothing was cut").stdout.strip() == "nothing was cut"
    finally:
        world.close()


def test_f23_a_newer_relay_may_tell_more_but_what_is_verified_may_not_change(world: World) -> None:
    try:
        serve(world, NEWER, talkative="Ticket Tickets")
        world.login()
        ticket = world.new_ticket()
        assert ticket in world.command("tickets", "list").stdout
        world.programs[-1].terminate()
        world.programs[-1].wait(30)
        serve(world, NEWER, talkative="ChallengeAnswer")
        done = world.command("login", "--key", "alice", expect=1)
        assert "the relay is newer than this program (it speaks 1.2, this one 1.1)" in done.stderr
        assert "Update remote-assist on this machine." in done.stderr
    finally:
        world.close()

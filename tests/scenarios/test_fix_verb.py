"""`fix` on several machines, and `approve`, as people type them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import TakenPort, World, served_world

pytestmark = pytest.mark.slow

FIX = "linux.service.free-port"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[World, list[str], TakenPort]]:
    """Two sessions with agents of two state folders, on one machine with a taken port."""
    trouble = TakenPort.provoke(tmp_path / "services")
    try:
        with served_world(tmp_path / "world") as world:
            sessions = [world.session("--services", str(trouble.folder))[1] for _ in range(2)]
            yield world, sessions, trouble
    finally:
        trouble.close()


def test_a_fix_on_several_machines_needs_their_number_typed(two: tuple[World, list[str], TakenPort]) -> None:
    world, sessions, trouble = two
    setting = [word for key, value in trouble_parameters(trouble).items() for word in ("--set", f"{key}={value}")]
    words = ("fix", *sessions, FIX, *setting)
    shown = world.command(*words, "--plan").stdout
    assert all(f"── {session}" in shown for session in sessions)
    refused = world.command(*words, "--yes", expect=2)
    assert "this runs on 2 machines" in refused.stderr
    assert "--count 2" in refused.stderr
    assert trouble.holder() == "old-web", "nothing was changed"
    world.command("fix", sessions[0], sessions[0], FIX, "--yes", expect=2)
    told = world.command(*words, "--yes", "--count", "2", "--json", expect=1).stdout.splitlines()
    ends = [line for line in map(json.loads, told) if "status" in line]
    assert [line["session"] for line in ends] == sessions
    assert ends[0]["status"] == "resolved"
    assert "changed since the plan" in ends[1]["sentence"], "both agents look after the same machine here"
    _reviewer_reads_before_and_after(world, sessions)


def _reviewer_reads_before_and_after(world: World, sessions: list[str]) -> None:
    """`change-list`: fix → ticket → plan digest → before and after, opened with the reviewers' key alone."""
    world.login("rita")
    words = ("audit", "report", "change-list", "--json")
    sealed, opened = (
        json.loads(world.command(*words, *more, home="rita-home").stdout)["tables"]["Fixes"]
        for more in ((), ("--unseal", str(world.folder / "org" / "reviewers-1.key")))
    )
    done = next(one for one in opened if one["session"] == sessions[0])
    assert (done["fix"].partition("@")[0], done["outcome"]) == (FIX, "resolved")
    assert done["ticket"] and len(done["plan"]) == 64
    assert "old-web is active" in done["before"] and "old-web is inactive" in done["after"], done
    closed = next(one for one in sealed if one["session"] == sessions[0])
    assert closed["before"].startswith("sealed ") and closed["after"].startswith("sealed ")


def trouble_parameters(trouble: TakenPort) -> dict[str, object]:
    return {"unit": "shop-web", "holder": "old-web", "port": trouble.port}


def test_approve_signs_one_plan_of_one_session(tmp_path: Path) -> None:
    with served_world(tmp_path) as world:
        session, digest = "s-abcdefgh23456777", "ab" * 32
        line = world.command("approve", session, digest, "--plain").stdout.strip()
        told = json.loads(line)
        assert (told["session"], told["plan"]) == (session, digest)
        assert "BEGIN SSH SIGNATURE" in told["signature"]
        file = tmp_path / "approval"
        assert "serves this plan only" in world.command("approve", session, digest, "-o", str(file)).stdout
        assert json.loads(file.read_text())["plan"] == digest
        assert "whole digest" in world.command("approve", session, digest[:8], expect=2).stderr
        assert "not a session" in world.command("approve", "x", digest, expect=2).stderr

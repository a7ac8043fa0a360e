"""A real session from ticket to repair, and the story told of it: text, JSON, page; rules of tickets on the way."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.scenarios.world import TakenPort, served_world

pytestmark = pytest.mark.slow


def pdf_option(folder: Path) -> tuple[str, ...]:
    """Also as PDF, where a browser is installed; where everything was asked for it has to be."""
    if shutil.which("chromium") is None and os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1":
        return ()
    return ("--pdf", str(folder / "story.pdf"))


def test_a_repaired_incident_is_told_in_order_with_its_records(tmp_path: Path) -> None:
    trouble = TakenPort.provoke(tmp_path / "services")
    try:
        with served_world(tmp_path / "world") as world:
            ticket, session, _ = world.session("--services", str(trouble.folder))
            world.command("diagnose", session, "--bundle", "first-look")
            asked = world.command("disclose", session, "--finding", expect=2)
            disclosed = world.command("disclose", session, "--finding", "--yes", "--json")
            world.command("fix", session, "linux.service.free-port", "--yes")
            world.command("end", session, "--note", "The port was taken; freed and verified.")
            told = json.loads(world.command("tickets", "story", ticket, "--json").stdout)
            shown = world.command("tickets", "story", ticket).stdout
            files = ("--html", str(tmp_path / "story.html"), *pdf_option(tmp_path))
            world.command("tickets", "story", ticket, *files, timeout=120)
            assert json.loads(world.command("tickets", "reconcile", ticket, "--json").stdout)["differences"] == []
            refused = world.command("invite", "--ticket", ticket, "--scopes", "diagnose", expect=3)
            world.command("tickets", "reopen", ticket, "--note", "It came back.")
            assert json.loads(world.command("tickets", "show", ticket, "--json").stdout)["state"] == "open"
    finally:
        trouble.close()
    kinds = [step["kind"] for step in told["steps"]]
    order = ["ticket", "session", "consent", "findings", "disclosure", "fix", "verification", "end"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert "nobody is here to look at the preview" in asked.stderr and "port-taken" in disclosed.stderr
    disclosure = next(step for step in told["steps"] if step["kind"] == "disclosure")
    assert "findings:internal,linux.service.port-taken" in disclosure["what"] and disclosure["proof"]
    assert told["solved"] and told["mechanically"] and told["repair_seconds"] > 0
    assert "repaired after" in shown and "by a fix of the catalog" in shown
    assert session in (tmp_path / "story.html").read_text()
    assert not pdf_option(tmp_path) or (tmp_path / "story.pdf").read_bytes().startswith(b"%PDF-")
    assert f"ticket {ticket} is closed" in refused.stderr

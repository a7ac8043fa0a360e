"""Root for one fix: an action of its own, the customer's password, and never while somebody could look on.

The agent here is told that it is not root (tests run as root in CI, and sudo then asks for nothing); that sudo takes a
person's password, and only the right one, is tests/scenarios/test_elevation.py's.
"""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from remote_assist.agent.elevation import root_again
from remote_assist.agent.fixes.undo_journal import UndoFile, open_undo_files
from remote_assist.agent.texts import say
from remote_assist.core.requests import ApplyFix, Plan, PlanFix, Run
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import undo_fix
from remote_assist.diagnostics.pack_catalog import Stocked
from remote_assist.errors import ConsentDenied
from tests.agent.world import AgentWorld, Customer, LiveSession

pytestmark = pytest.mark.slow

OWN = """kind: Fix
metadata: {id: own.touch, version: 1, title: Make a file as root}
parameters: {path: {type: path}}
elevation: required
consent: {text: 'Make {params.path}.'}
risk: {impact: none, downtime: none, reversible: full}
steps:
  - name: make it
    file.write: {path: '{params.path}', content: "made\\n", mode: '0600'}
verify: [{when: 'true'}]
"""


@pytest.fixture
def item(world: AgentWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanFix:
    """The agent is not root, and its catalog has one fix that needs it."""
    if os.geteuid() != 0:
        pytest.skip("only root may use sudo here without a password")
    if shutil.which("sudo") is None:
        (pytest.fail if os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1" else pytest.skip)("not installed: sudo")
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    catalog = load_catalog([own])
    monkeypatch.setattr("remote_assist.agent.shelf._shipped", lambda: Stocked(catalog, ()))
    for module in ("elevation", "requests.fix"):
        monkeypatch.setattr(f"remote_assist.agent.{module}.is_root", lambda: False)
    fix = catalog.fixes["own.touch"]
    path = str(tmp_path / "made")
    return PlanFix(fix=fix.id, version=fix.version, digest=fix.digest, parameters={"path": path})


async def _plan(live: LiveSession, item: PlanFix) -> Plan:
    answers = await live.ask(item)
    (found,) = [message for message in answers.messages if isinstance(message, Plan)]
    return found


async def test_the_customers_password_makes_the_agent_root_for_one_fix(world: AgentWorld, item: PlanFix) -> None:
    world.customer.types = ["my own password"]
    async with world.session() as live:
        plan = await _plan(live, item)
        assert plan.runnable, plan
        assert (await live.ask(ApplyFix(plan=plan.digest))).done.status == "resolved"
    assert Path(item.parameters["path"]).read_text() == "made\n"
    codes = [code for code in world.codes() if code.startswith(("RA18", "RA1301"))]
    assert codes == ["RA1800I", "RA1800O", "RA1301I", "RA1301O"]
    assert [question.secret for question in world.customer.typed_questions] == [True]
    assert all(b"my own password" not in path.read_bytes() for path in world.folder.rglob("*") if path.is_file())


async def test_without_a_password_nothing_is_done(world: AgentWorld, item: PlanFix) -> None:
    async with world.session() as live:
        plan = await _plan(live, item)
        refused = (await live.ask(ApplyFix(plan=plan.digest))).refused
    assert refused.reason == "denied"
    assert not Path(item.parameters["path"]).exists()
    assert "RA1301I" not in world.codes()


async def test_where_nobody_can_be_asked_the_plan_is_blocked(world: AgentWorld, item: PlanFix) -> None:
    world.customer.can_ask = False
    async with world.session() as live:
        plan = await _plan(live, item)
    assert (plan.runnable, plan.steps[0].blocked) == (False, "needs root")


async def test_nobody_types_while_a_technicians_program_could_look_on(world: AgentWorld, item: PlanFix) -> None:
    world.customer.types = ["my own password"]
    async with world.session() as live:
        plan = await _plan(live, item)
        running = asyncio.create_task(live.ask(Run(argv=("sleep", "600"), folder="", stdin=False)))
        async with asyncio.timeout(30):
            while not any("runs sleep" in line for line in world.customer.lines):
                await asyncio.sleep(0.02)
        refused = (await live.ask(ApplyFix(plan=plan.digest))).refused
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert refused.reason == "terminal-open"
    assert world.customer.typed_questions == []


async def test_what_was_done_as_root_is_undone_as_root_at_the_next_start(item: PlanFix, tmp_path: Path) -> None:
    """The agent died in the middle: nothing is left of it but the undo file, which says how the change was made."""
    undo = UndoFile.beside(tmp_path, "a7", as_root=True)
    path = Path(item.parameters["path"])
    path.write_text("half done")
    record = {"verb": "file", "path": str(path), "existed": False}
    await undo.note("make it", record)
    (left,) = open_undo_files(tmp_path)
    assert (left.as_root, left.place, left.records) == (True, "", [("make it", record)])
    customer = Customer(types=["my own password"])
    async with root_again(customer, say("what.undo", fix="own.touch"), []) as reach:
        assert customer.typed_questions == []
        result = await undo_fix(left.records, await reach(), progress=lambda _: None)
    assert (result.status, path.exists()) == ("rolled-back", False)
    (question,) = customer.typed_questions
    assert question.secret
    assert "undoes the fix own.touch" in question.lines[0]
    async with root_again(Customer(), say("what.undo", fix="own.touch"), []) as reach:
        with pytest.raises(ConsentDenied, match="did not type their password"):
            await reach()

"""Files and commands in fixes: dry run, undo first, and back to the very same bytes."""

import os
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import PreparedPlan, apply_plan, plan_fix, undo_fix
from remote_assist.errors import RefusedError
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget

HEAD = """kind: Fix
metadata: {id: own.fix, version: 1, title: Own}
parameters: {keep: {type: size, default: 10M, max: 1G}}
consent: {text: 'Keep {params.keep}.'}
risk: {impact: none, downtime: none, reversible: full}
"""


class Fixing:
    """One fix of one's own, planned and applied in a folder."""

    def __init__(self, folder: Path, target: RealTarget, journal: Journal) -> None:
        self.folder, self.target, self.journal = folder, target, journal
        self.file = folder / "app.conf"

    def catalog(self, steps: str, verify: str = "true", head: str = HEAD) -> Catalog:
        path = self.folder / "own.yaml"
        path.write_text(head + f"steps:\n{steps}verify: [{{when: '{verify}'}}]\n")
        return load_catalog([path])

    async def plan(
        self,
        steps: str,
        verify: str = "true",
        *,
        head: str = HEAD,
        elevated: bool = False,
        can_ask: bool = False,
    ) -> PreparedPlan:
        catalog = self.catalog(steps, verify, head)
        return await plan_fix(catalog, "own.fix", {}, self.target, elevated=elevated, can_ask=can_ask, clock=now)


@pytest.fixture
def fixing(tmp_path: Path, target: RealTarget, journal: Journal) -> Fixing:
    return Fixing(tmp_path, target, journal)


def write(file: Path, content: str = "limit={params.keep}\\n") -> str:
    return f"  - {{name: write, file.write: {{path: {file}, mode: '0640', content: \"{content}\"}}}}\n"


async def test_a_new_file_is_written_whole_and_removed_again(fixing: Fixing) -> None:
    prepared = await fixing.plan(write(fixing.file))
    step = prepared.plan.steps[0]
    assert step.before == f"{fixing.file} does not exist"
    assert "+limit=10M" in step.after
    assert step.undo == f"removes {fixing.file}"
    assert not fixing.file.exists()
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert result.status == "resolved"
    assert fixing.file.read_text() == "limit=10M\n"
    assert fixing.file.stat().st_mode & 0o777 == 0o640
    await undo_fix(fixing.journal.records, fixing.target, progress=lambda _: None, clock=now)
    assert not fixing.file.exists()


async def test_a_failed_verify_restores_the_same_bytes_and_mode(fixing: Fixing) -> None:
    fixing.file.write_bytes(b"old\xff\n")
    fixing.file.chmod(0o604)
    prepared = await fixing.plan(write(fixing.file), verify='params.keep == "never"')
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert result.status == "rolled-back"
    assert "did not help" in result.sentence
    assert fixing.file.read_bytes() == b"old\xff\n"
    assert fixing.file.stat().st_mode & 0o777 == 0o604


async def test_a_verify_that_cannot_be_evaluated_is_not_a_success(fixing: Fixing) -> None:
    prepared = await fixing.plan(write(fixing.file), verify="memory.nope > 1")
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert result.status == "rolled-back"
    assert "cannot be checked" in result.sentence


async def test_text_is_replaced_exactly_once_or_not_at_all(fixing: Fixing) -> None:
    fixing.file.write_text("a=1\nb=2\n")
    steps = f"  - {{name: replace, file.replace: {{path: {fixing.file}, find: 'a=1', with: 'a={{params.keep}}'}}}}\n"
    prepared = await fixing.plan(steps)
    assert "-a=1" in prepared.plan.steps[0].after
    await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert fixing.file.read_text() == "a=10M\nb=2\n"
    fixing.file.write_text("a=1 a=1\n")
    assert "2 times, not once" in (await fixing.plan(steps)).plan.why_not


async def test_a_file_changed_since_the_plan_is_not_overwritten(fixing: Fixing) -> None:
    fixing.file.write_text("one\n")
    prepared = await fixing.plan(write(fixing.file))
    fixing.file.write_text("two\n")
    with pytest.raises(RefusedError, match="changed since the plan"):
        await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert fixing.file.read_text() == "two\n"


async def test_a_link_is_never_written_through(fixing: Fixing) -> None:
    elsewhere = fixing.folder / "elsewhere"
    elsewhere.write_text("keep\n")
    os.symlink(elsewhere, fixing.file)
    plan = (await fixing.plan(write(fixing.file))).plan
    assert not plan.runnable
    assert elsewhere.read_text() == "keep\n"


async def test_the_plan_shows_no_secret_that_stands_in_the_file(fixing: Fixing) -> None:
    fixing.file.write_text("password=hunter2-winter\n")
    plan = (await fixing.plan(write(fixing.file))).plan
    assert "hunter2" not in str(plan)
    assert "password=<secret:" in plan.steps[0].after


async def test_commands_are_checked_in_the_dry_run_and_undone_by_their_undo(fixing: Fixing) -> None:
    mark = fixing.folder / "mark"
    steps = (
        f"  - {{name: mark, command: {{argv: [touch, {mark}]}}, check: {{argv: [echo, would mark]}}, "
        f"undo: {{argv: [rm, {mark}]}}}}\n"
        "  - {name: look, command: {argv: [test, -e, " + str(mark) + "]}, readonly: true}\n"
        "  - {name: fail, command: {argv: ['false']}, check: skip, irreversible: it is only a test}\n"
    )
    prepared = await fixing.plan(steps)
    assert not mark.exists()
    assert prepared.plan.steps[0].before == "would mark"
    assert prepared.plan.steps[0].undo == f"runs rm {mark}"
    assert prepared.plan.steps[2].undo == "cannot be undone: it is only a test"
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert result.status == "failed"
    assert "fail cannot be undone" in result.sentence
    assert not mark.exists()
    assert "undone: mark" in result.steps


async def test_a_fix_that_needs_root_is_blocked_without_it(fixing: Fixing) -> None:
    head = HEAD + "elevation: required\n"
    assert (await fixing.plan(write(fixing.file), head=head)).plan.why_not == "write: needs root"
    assert (await fixing.plan(write(fixing.file), head=head, elevated=True)).plan.runnable


@pytest.mark.parametrize("argv", ["systemctl, stop, sshd", "service, ssh, stop", "pkill, sshd", "/bin/kill, dropbear"])
async def test_no_command_may_stop_remote_access(fixing: Fixing, argv: str) -> None:
    steps = f"  - {{name: cut, command: {{argv: [{argv}]}}, check: skip, undo: none}}\n"
    plan = (await fixing.plan(steps, elevated=True)).plan
    assert not plan.runnable
    assert "remote access" in plan.why_not


async def test_a_verb_of_another_system_is_blocked_and_said(fixing: Fixing) -> None:
    plan = (await fixing.plan("  - {name: set, registry: {key: HKLM, name: x, value: y}}\n")).plan
    assert plan.why_not == "set: the registry is Windows'"
    plan = (await fixing.plan("  - {name: do, powershell: Get-Date, undo: none, check: skip}\n")).plan
    assert plan.why_not == "do: PowerShell steps are for Windows"


async def test_waiting_is_a_step_with_nothing_to_undo(fixing: Fixing) -> None:
    prepared = await fixing.plan("  - {name: pause, wait: {for: 10ms}}\n")
    assert prepared.plan.steps[0].after == "waits 0.01 s"
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert (result.status, fixing.journal.records) == ("resolved", [])


async def test_an_undo_record_of_an_unknown_kind_is_a_failure_not_a_crash(fixing: Fixing) -> None:
    result = await undo_fix([("x", {"verb": "format"})], fixing.target, progress=lambda _: None, clock=now)
    assert result.status == "failed"
    assert "no undo of kind 'format'" in result.sentence


async def test_risk_follows_from_reversibility_and_downtime(fixing: Fixing) -> None:
    assert (await fixing.plan(write(fixing.file))).plan.risk == "low"
    partial = HEAD.replace("reversible: full", "reversible: partial")
    assert (await fixing.plan(write(fixing.file), head=partial)).plan.risk == "medium"
    none = HEAD.replace("reversible: full", "reversible: none")
    assert (await fixing.plan(write(fixing.file), head=none)).plan.risk == "high"

"""A real fault, found and mended: web-a holds the port that web-b needs. Real processes, no root."""

import os
import urllib.request
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import Finding, evaluate
from remote_assist.core.requests import Progress
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.fixes import PreparedPlan, apply_plan, plan_fix, undo_fix
from remote_assist.errors import RefusedError, UsageError
from tests.diagnostics.conftest import Journal, Services, now
from tests.diagnostics.real_target import RealTarget

FIX = "linux.service.free-port"


async def _finding(catalog: Catalog, target: RealTarget, services: Services) -> Finding:
    found = await collect_facts(
        catalog, ["services", "listening_ports"], target, clock=now, services_folder=str(services.folder)
    )
    findings = evaluate(catalog, found.facts, statuses=found.statuses)
    return next(each for each in findings if each.issue == "linux.service.port-taken")


async def _plan(
    catalog: Catalog, target: RealTarget, services: Services, *, elevated: bool = False, **parameters: str
) -> PreparedPlan:
    given = {"unit": "web-b", "holder": "web-a", "port": str(services.port), **parameters}
    return await plan_fix(
        catalog, FIX, given, target, elevated=elevated, services_folder=str(services.folder), clock=now
    )


async def test_a_service_whose_port_is_taken_is_found_with_the_holder_and_a_fix(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    finding = await _finding(catalog, target, port_taken)
    assert finding.outcome == "fail"
    assert finding.subject == "web-b"
    assert f"port {port_taken.port}" in finding.message
    assert "web-a" in finding.message
    assert finding.fix == FIX
    assert finding.fix_digest == catalog.fixes[FIX].digest
    assert finding.parameters == {"unit": "web-b", "holder": "web-a", "port": str(port_taken.port)}
    assert {each.collector for each in finding.evidence} == {"services", "listening_ports"}


async def test_planning_changes_nothing_and_says_before_after_and_undo(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    plan = (await _plan(catalog, target, port_taken)).plan
    assert plan.runnable, plan.why_not
    assert [step.before for step in plan.steps] == ["web-a is active", "web-b is failed"]
    assert [step.after for step in plan.steps] == ["web-a is inactive", "web-b is active"]
    assert [step.undo for step in plan.steps] == ["start web-a", "stop web-b"]
    assert plan.consent.startswith(f"Stop web-a, then start web-b on port {port_taken.port}.")
    assert not [act for act in target.log if act[0] in {"spawn", "signal", "replace_file", "remove_file"}]


async def test_the_fix_frees_the_port_and_the_service_answers(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    prepared = await _plan(catalog, target, port_taken)
    result = await apply_plan(prepared, target, progress=seen.append, undo=journal)
    assert result.status == "resolved", result
    with urllib.request.urlopen(f"http://127.0.0.1:{port_taken.port}/") as answer:
        assert answer.status == 200
    facts = await collect_facts(catalog, ["services"], target, clock=now, services_folder=str(port_taken.folder))
    states = {row["name"]: row["state"] for row in facts.facts["services"]}  # type: ignore[attr-defined]
    assert states == {"web-a": "inactive", "web-b": "active"}
    assert [(each.item, each.status) for each in seen][-1] == ("verify", "ok")


async def test_every_undo_record_is_noted_before_its_change(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    prepared = await _plan(catalog, target, port_taken)
    target.log.clear()
    await apply_plan(prepared, target, progress=seen.append, undo=journal)
    acts = [act[0] for act in target.log if act[0] in {"noted", "signal", "spawn"}]
    assert acts == ["noted", "signal", "noted", "spawn"]


async def test_no_change_is_made_when_its_undo_record_cannot_be_kept(
    catalog: Catalog, target: RealTarget, port_taken: Services, seen: list[Progress]
) -> None:
    class FullDisk:
        async def note(self, step: str, undo: dict[str, object]) -> None:
            raise RefusedError("the disk is full")

    prepared = await _plan(catalog, target, port_taken)
    target.log.clear()
    result = await apply_plan(prepared, target, progress=seen.append, undo=FullDisk())
    assert result.status == "rolled-back"
    assert "the disk is full" in result.sentence
    assert not [act for act in target.log if act[0] in {"signal", "spawn"}]


async def test_a_service_that_does_not_start_is_rolled_back_and_the_holder_runs_again(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    prepared = await _plan(catalog, target, port_taken)
    unit = port_taken.folder / "web-b.json"
    unit.write_text(unit.read_text().replace('"-c"', '"--no-such-option"'))
    result = await apply_plan(prepared, target, progress=seen.append, undo=journal)
    assert result.status == "rolled-back", result
    assert "every change was undone" in result.sentence
    os.kill(port_taken.pid("web-a"), 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port_taken.port}/") as answer:
        assert answer.status == 200


async def test_a_plan_is_refused_when_the_machine_changed_since(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    prepared = await _plan(catalog, target, port_taken)
    os.kill(port_taken.pid("web-a"), 9)
    target.log.clear()
    with pytest.raises(RefusedError, match="the machine changed since the plan") as caught:
        await apply_plan(prepared, target, progress=seen.append, undo=journal)
    assert caught.value.reason == "changed"
    assert not journal.records
    assert not [act for act in target.log if act[0] in {"signal", "spawn"}]


async def test_a_half_applied_fix_can_be_undone_from_its_records_alone(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    await apply_plan(await _plan(catalog, target, port_taken), target, progress=seen.append, undo=journal)
    result = await undo_fix(
        journal.records, target, progress=seen.append, services_folder=str(port_taken.folder), clock=now
    )
    assert result.status == "rolled-back"
    os.kill(port_taken.pid("web-a"), 0)


async def test_the_digest_covers_parameters_states_and_the_catalog_item(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    first = (await _plan(catalog, target, port_taken)).plan.digest
    assert (await _plan(catalog, target, port_taken)).plan.digest == first
    assert (await _plan(catalog, target, port_taken, port="1")).plan.digest != first
    assert (await _plan(catalog, target, port_taken, elevated=True)).plan.digest != first
    os.kill(port_taken.pid("web-a"), 9)
    assert (await _plan(catalog, target, port_taken)).plan.digest != first


@pytest.mark.parametrize("name", ["sshd", "ssh.service", "ssh@0.service", "remote-assist-agent", "dropbear"])
async def test_a_service_that_gives_remote_access_is_never_stopped(
    catalog: Catalog, target: RealTarget, port_taken: Services, name: str
) -> None:
    (port_taken.folder / "web-a.json").rename(port_taken.folder / f"{name}.json")
    plan = (await _plan(catalog, target, port_taken, holder=name)).plan
    assert not plan.runnable
    assert "remote access" in plan.why_not


async def test_a_failed_precheck_stops_the_fix_with_its_message(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    prepared = await _plan(catalog, target, port_taken, port="9")
    assert not prepared.plan.runnable
    assert prepared.plan.why_not == "the port is not held by web-a any more"
    with pytest.raises(RefusedError, match="cannot run"):
        await apply_plan(prepared, target, progress=seen.append, undo=journal)


async def test_a_precheck_that_cannot_be_evaluated_is_not_met(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    target.missing = {"ss", "cat"}
    plan = (await _plan(catalog, target, port_taken)).plan
    assert not plan.runnable
    assert "cannot be checked" in plan.why_not


async def test_an_unknown_fix_names_the_nearest(catalog: Catalog, target: RealTarget) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'linux\.service\.free-port'"):
        await plan_fix(catalog, "linux.service.freeport", {}, target, elevated=False)


async def test_a_unit_file_that_is_wrong_blocks_the_step_with_a_reason(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    Path(port_taken.folder / "web-b.json").write_text('{"argv": [], "pidfile": "x", "shell": "rm"}')
    plan = (await _plan(catalog, target, port_taken)).plan
    assert not plan.runnable
    assert any("unit file of 'web-b'" in step.blocked for step in plan.steps)


async def test_a_port_that_is_free_again_is_a_warning_whose_fix_starts_the_service(
    catalog: Catalog, target: RealTarget, port_taken: Services, journal: Journal, seen: list[Progress]
) -> None:
    port_taken.stop("web-a")
    finding = await _finding(catalog, target, port_taken)
    assert (finding.outcome, finding.fix) == ("warn", "linux.service.start-unit")
    prepared = await plan_fix(
        catalog,
        finding.fix,
        finding.parameters,
        target,
        elevated=False,
        services_folder=str(port_taken.folder),
        clock=now,
    )
    result = await apply_plan(prepared, target, progress=seen.append, undo=journal)
    assert result.status == "resolved", result


async def test_a_unit_whose_program_gives_remote_access_is_never_stopped(
    catalog: Catalog, target: RealTarget, port_taken: Services
) -> None:
    port_taken.write("web-a", argv=["/usr/sbin/sshd", "-D"])
    plan = (await _plan(catalog, target, port_taken)).plan
    assert "remote access" in plan.why_not


async def test_a_pidfile_of_another_process_is_not_believed(
    catalog: Catalog, target: RealTarget, services: Services
) -> None:
    services.write("web-a")
    pidfile = services.folder / "web-a.pid"
    pidfile.write_text(str(os.getpid()))
    os.utime(pidfile, (1_000_000, 1_000_000))
    found = await collect_facts(catalog, ["services"], target, clock=now, services_folder=str(services.folder))
    assert [row["state"] for row in found.facts["services"]] == ["inactive"]  # type: ignore[attr-defined]
    pidfile.write_text("")

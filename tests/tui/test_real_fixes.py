"""A fix from the screen on real services: plan, the customer's yes or no, steps, verify, undo; a file's diff."""

import json
from pathlib import Path

import pytest

from remote_assist.technician.evidence import catalog
from remote_assist.tui.messages import PlanFix
from remote_assist.tui.screens.plan import PlanScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.scenarios.world import TakenPort
from tests.tui.customer_world import WorldFinding
from tests.tui.real_world import RealStage, at_work, taken_port

SCOPES = ("diagnose", "fix")
pytestmark = pytest.mark.slow


async def plan(here: RealStage) -> None:
    """Look, and plan the first finding's fix."""
    await here.press("d")
    await here.see("linux.service.free-port")
    await here.press("enter")
    await here.see("[y] run exactly this plan")
    here.screen(PlanScreen)


async def test_a_plan_is_run_verified_and_told_everywhere(tmp_path: Path) -> None:
    with taken_port(tmp_path) as trouble:
        async with at_work(tmp_path, services=trouble.folder, scopes=SCOPES) as here:
            await plan(here)
            await here.see("risk ", "old-web", "→", "undo: ", "verify")
            assert trouble.holder() == "old-web", "a plan changes nothing"
            await here.press("y")
            await here.see("✔ resolved")
            assert trouble.holder() == "shop-web"
            await here.press("escape")
            here.screen(SessionScreen)
            await here.press("5")
            await here.see("✔ resolved")
            await here.press("7")
            await here.see("Applies a planned fix")
            await here.press("1", "d")
            await here.until(
                lambda: "free-port" not in here.text and "passed" in here.text, "a look without the finding"
            )


async def test_the_customer_is_asked_about_the_plan_and_their_no_changes_nothing(tmp_path: Path) -> None:
    with taken_port(tmp_path) as trouble:
        async with at_work(tmp_path, services=trouble.folder, scopes=SCOPES, ask_each=True) as here:
            customer = here.world.customer
            customer.types.append("")  # strikes nothing of the look they are asked about first
            await plan(here)
            asked_before = len(customer.plans)
            customer.decides.clear()
            customer.allows_plans = False
            await here.press("y")
            await here.until(lambda: len(customer.plans) > asked_before, "the customer's question")
            await here.see("is asked now")
            assert "old-web" in " ".join(str(step) for step in customer.plans[-1].steps)
            customer.decides.set()
            await here.see("✖ the customer")
            assert trouble.holder() == "old-web"
            await here.press("escape", "5")
            await here.see("✖ refused")


async def test_a_fix_that_does_not_help_is_rolled_back(tmp_path: Path) -> None:
    with taken_port(tmp_path) as trouble:
        never_starts(trouble)
        async with at_work(tmp_path, services=trouble.folder, scopes=SCOPES) as here:
            await plan(here)
            await here.press("y")
            await here.see("↶ rolled-back")
            assert trouble.holder() == "old-web"
            await here.press("escape", "5")
            await here.see("↶ rolled-back")


async def test_a_change_of_a_file_is_planned_as_a_diff(tmp_path: Path) -> None:
    """`linux.limits.more-tasks` of the catalog on this machine: nobody offers it here, so its offer is made."""
    async with at_work(tmp_path, scopes=SCOPES) as here:
        fix = catalog().fixes["linux.limits.more-tasks"]
        known = [int(Path("/proc/sys/kernel", name).read_text()) for name in ("pid_max", "threads-max")]
        values = dict(zip(("pids", "threads", "limit"), (*map(str, known), "4194304"), strict=True))
        offer = WorldFinding(
            "x", "x", "low", "x", "x", fix=fix.id, fix_version=fix.version, fix_digest=fix.digest, parameters=values
        )
        here.app.screen.post_message(PlanFix(offer))
        await here.see("keep it after restarts", "+kernel.threads-max = 4194304", "[y] run exactly this plan")


def never_starts(trouble: TakenPort) -> None:
    """The service that failed has another fault besides the port."""
    unit = trouble.folder / "shop-web.json"
    told = json.loads(unit.read_text())
    unit.write_text(json.dumps({**told, "argv": [*told["argv"], "--no-such-option"]}))

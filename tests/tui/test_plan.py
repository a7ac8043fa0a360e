"""A fix: nothing before `y`, exactly the plan on `y`, and the result as it was."""

from datetime import UTC, datetime

import msgspec
import pytest

from remote_assist.core.requests import Done, PlanStep
from remote_assist.errors import AuditUnavailable
from remote_assist.tui.screens.plan import PlanScreen, plan_text, short_digest
from remote_assist.tui.screens.session import SessionScreen
from tests.tui.customer_world import PLAN
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

pytestmark = pytest.mark.slow


async def open_plan(here: Stage) -> None:
    await here.press("d")
    await here.settle()
    await here.press("down", "enter")
    here.screen(PlanScreen)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_plan_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        await open_plan(here)
        here.compare("plan")


async def test_the_header_stays_visible_above_a_plan(world: World) -> None:
    async with stage(world, NARROW, session=SESSION) as here:
        await open_plan(here)
        assert "until 14:32" in here.text.splitlines()[0]


async def test_planning_names_the_catalog_s_version_and_changes_nothing(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        await here.press("enter", "space", "escape")
        here.screen(SessionScreen)
    assert world.asked_for("plan") == [("plan", "linux.service.free-port", "3")]
    assert world.asked_for("apply") == []


async def test_y_runs_exactly_this_plan_once(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        await here.press("y")
        assert "✔ resolved  port 80 is held by nginx.service" in here.text
        await here.pictures("plan-resolved")
        await here.press("y", "escape")
        here.screen(SessionScreen)
        assert "✔ fix linux.service.free-port  d looks again" in here.text
        await here.press("5")
        assert "✔ resolved" in here.text
        await here.pictures("session-fixes")
    assert world.asked_for("apply") == [("apply", PLAN.digest)]


async def test_progress_is_shown_while_it_runs_and_escape_stops_it(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        world.hold.clear()
        await here.press("y")
        await here.pilot.pause(0.1)
        assert "✔ ████████ service apache2.service" in here.text
        assert "[esc] stop" in here.text
        await here.press("escape")
        here.screen(PlanScreen)
        assert "stopped; the agent undoes" in here.text
        await here.press("escape")
        here.screen(SessionScreen)
        assert "– fix" in here.text


async def test_a_plan_that_was_rolled_back_says_so(world: World) -> None:
    world.apply_done = Done(action="a", status="rolled-back", sentence="port 80 is still held")
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        await here.press("y")
        assert "↶ rolled-back  port 80 is still held" in here.text


async def test_no_acknowledgement_no_action_is_told(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        world.failure = AuditUnavailable("the relay did not acknowledge", advice="Nothing was done.")
        await here.press("y")
        assert "the relay did not acknowledge" in here.text
        assert "Nothing was done." in here.text


async def test_a_blocked_plan_cannot_be_run(world: World) -> None:
    steps = (PlanStep(name="service x", before="a", after="b", undo="c", blocked="needs root"),)
    world.plan = msgspec.structs.replace(PLAN, runnable=False, why_not="a step is blocked", steps=steps)
    async with stage(world, session=SESSION) as here:
        await open_plan(here)
        assert "blocked: needs root" in here.text
        assert "cannot run: a step is blocked" in here.text
        assert "[y]" not in here.text
        await here.press("y")
    assert world.asked_for("apply") == []


async def test_a_finding_without_a_fix_plans_nothing(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("d")
        await here.settle()
        await here.press("enter")
        here.screen(SessionScreen)
    assert world.asked_for("plan") == []


async def test_the_fixes_tab_plans_too(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("d")
        await here.settle()
        await here.press("5", "enter")
        here.screen(PlanScreen)


def test_a_very_long_plan_is_bounded() -> None:
    step = PlanStep(name="s" * 9000, before="b" * 9000, after="a" * 9000, undo="u" * 9000)
    text = plan_text(msgspec.structs.replace(PLAN, steps=(step,) * 5000))
    assert len(text.plain) < 120_000
    assert "4900 more steps" in text.plain


def test_a_digest_is_short_enough_to_read_aloud() -> None:
    assert short_digest(PLAN.digest) == "9f2c61d0…a1e1"
    assert short_digest("abc") == "abc"


def test_the_world_s_clock_stands_still() -> None:
    assert World().clock() == datetime(2026, 3, 14, 14, 5, 11, tzinfo=UTC)

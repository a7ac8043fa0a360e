"""Looking at a real machine from the screen: a bundle with its progress, stopped and run; evidence, two bundles."""

from pathlib import Path

import pytest
from textual.widgets import Tree

from remote_assist.tui.screens.compare import BundlesScreen, ComparedScreen
from remote_assist.tui.widgets.table import FitTable
from tests.tui.real_world import RealStage, at_work, taken_port

pytestmark = pytest.mark.slow


async def look(here: RealStage) -> None:
    await here.press("d")
    await here.see("✔ first-look", "passed")


async def test_a_bundle_shows_each_collector_is_stopped_by_escape_and_runs_again(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        await here.press("d")
        await here.see("[esc] stop", "████████ ")
        await here.press("escape")
        await here.see("– first-look")
        assert not list(here.world.downloads.glob("*/*.tar.zst")), "nothing of a bundle that was stopped is kept"
        await look(here)
        statuses = [record.outcome.status for record in here.world.agent.journal() if record.outcome]
    assert [status for status in statuses if status in {"cancelled", "done"}][-2:] == ["cancelled", "done"]


async def test_a_finding_leads_to_its_evidence_and_a_search_to_a_fact(tmp_path: Path) -> None:
    with taken_port(tmp_path) as trouble:
        async with at_work(tmp_path, services=trouble.folder, scopes=("diagnose",)) as here:
            await look(here)
            await here.see("cannot bind", "linux.service.free-port")
            await here.press("v")
            await here.until(lambda: isinstance(here.app.focused, Tree))
            await here.see(f"port  {trouble.port}")
            await here.press("slash")
            await here.write("old-web")
            await here.press("enter")
            await here.see("found   enter shows it in the tree")
            await here.press("enter")
            await here.see("▼ services", "old-web")


async def test_two_bundles_of_a_machine_are_compared_side_by_side(tmp_path: Path) -> None:
    with taken_port(tmp_path) as trouble:
        async with at_work(tmp_path, services=trouble.folder, scopes=("diagnose",)) as here:
            await look(here)
            trouble.close()
            await here.until(lambda: trouble.holder() == "")
            await look(here)
            await here.press("escape")
            await here.press("c")
            here.screen(BundlesScreen)
            await here.until(lambda: here.app.screen.query_one(FitTable).row_count == 2)
            await here.see("Web server does")
            await here.press("space", "down", "space", "c")
            here.screen(ComparedScreen)
            await here.see(
                f"active {trouble.port}", f"inactive {trouble.port}", f"-  port     tcp 127.0.0.1 {trouble.port}"
            )

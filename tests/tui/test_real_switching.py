"""What takes long goes on while other screens are shown: a large file and a bundle at once, seen again after."""

from pathlib import Path

import pytest

from remote_assist.technician.transfers import Transfer
from remote_assist.tui.panes.files import FilesPane
from remote_assist.tui.screens.overview import OverviewScreen
from remote_assist.tui.screens.session import SessionScreen
from tests.tui.real_world import at_work
from tests.tui.test_real_files import show

LARGE_BYTES = 192 << 20

pytestmark = pytest.mark.slow


async def test_a_get_and_a_bundle_go_on_while_other_screens_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    with (folder / "disk.img").open("wb") as file:
        file.truncate(LARGE_BYTES)
    async with at_work(tmp_path, scopes=("diagnose", "files:read")) as here:
        session = here.screen(SessionScreen)
        await here.press("3")
        await show(here, "#remote", folder, "disk.img")
        await here.press("c", "d")
        await here.until(lambda: moving(session).done > 0 and "/24" in here.text, "a beginning of both")
        await here.press("o")
        await here.until(lambda: isinstance(here.app.screen, OverviewScreen), "the overview")
        before = moving(session).done
        await here.until(lambda: moving(session).done > before, "progress behind another screen")
        await here.press("question_mark", "escape", "escape", "3")
        assert here.screen(SessionScreen) is session
        await here.see("✔ ↓")
        await here.press("4")
        await here.see("✔ first-look", "✔ get ")
    assert (here.world.downloads / here.world.session / "files" / "disk.img").stat().st_size == LARGE_BYTES


def moving(session: SessionScreen) -> Transfer:
    queue = session.query_one(FilesPane)._queue
    assert queue is not None
    return queue.items[0]

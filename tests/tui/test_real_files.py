"""Files of a real machine from the screen: two panes, a look inside, several marked, a queue paused and gone on."""

from pathlib import Path

import pytest
from textual.widgets import Input

from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.widgets.folder import FolderList
from tests.tui.real_world import RealStage, at_work

LARGE_BYTES = 128 << 20

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder of the customer."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "access.log").write_text("".join(f"{number} GET /\n" for number in range(500)) + "501 the one ERROR\n")
    (folder / "notes.txt").write_text("call me\n")
    (folder / "site.conf").write_text("listen 80;\n")
    return folder


async def show(here: RealStage, side: str, folder: Path, name: str) -> None:
    """Type a folder into one of the panes and wait until `name` is listed there."""
    pane = here.app.screen.query_one(side, FolderList)
    pane.query_one(Input).focus()
    await here.press("home", "ctrl+k")
    await here.paste(str(folder))
    await here.press("enter")
    await here.until(lambda: pane.path == bytes(folder) and name in here.text, f"{name} in {folder}")


def fetched(here: RealStage) -> Path:
    return here.world.downloads / here.world.session / "files"


async def test_a_file_is_looked_into_searched_and_filtered_without_being_fetched(tmp_path: Path, shop: Path) -> None:
    async with at_work(tmp_path, scopes=("files:read",)) as here:
        await here.press("3")
        await show(here, "#remote", shop, "access.log")
        await here.press("v")
        await here.see("access.log", "0 GET /")
        here.screen(LogScreen)
        await here.press("slash")
        await here.write("ERROR")
        await here.press("enter")
        await here.see("1/1", "501 the one ERROR")
        await here.press("f")
        await here.gone("499 GET /")
        await here.see("501 the one ERROR")
        assert list(fetched(here).iterdir()) == []


async def test_a_whole_folder_comes_and_once_more_brings_what_is_new(tmp_path: Path, shop: Path) -> None:
    (shop / "deep" / "er").mkdir(parents=True)
    (shop / "deep" / "er" / "data").write_bytes(b"\x00\xff" * 4096)
    (shop / "latest").symlink_to("notes.txt")
    async with at_work(tmp_path, scopes=("files:read",)) as here:
        await here.press("3")
        await show(here, "#remote", tmp_path, "shop")
        pane = here.app.screen.query_one("#remote", FolderList)
        pane.focus_list()
        await here.press(*["down"] * [entry.name for entry in pane.entries].index(b"shop"), "c")
        await here.see("✔ ↓", "4 files")
        came = fetched(here) / "shop"
        for name in ("access.log", "notes.txt", "site.conf", "deep/er/data"):
            assert (came / name).read_bytes() == (shop / name).read_bytes()
        assert not (came / "latest").exists()
        (shop / "notes.txt").write_text("call me again\n")
        (shop / "new").write_text("new\n")
        await here.press("c")
        await here.see("✖ ↓", "1 left out; notes.txt")
        await here.press("w", "down", "r")
        await here.gone("left out")
        assert (came / "new").read_text() == "new\n"
        assert (came / "notes.txt").read_text() == "call me again\n"


async def test_marked_files_cross_in_both_directions(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "fixed.conf").write_text("listen 8080;\n")
    async with at_work(tmp_path) as here:
        await here.press("3")
        await show(here, "#remote", shop, "access.log")
        await here.press("space", "space", "c")
        await here.until(lambda: here.text.count("✔ ↓") == 2, "two files")
        for name in ("access.log", "notes.txt"):
            assert (fetched(here) / name).read_bytes() == (shop / name).read_bytes()
        await show(here, "#local", tmp_path / "ours", "fixed.conf")
        await here.press("tab", "c")
        await here.see("✔ ↑")
        assert (shop / "fixed.conf").read_text() == "listen 8080;\n"


async def test_a_large_file_is_paused_goes_on_where_it_stopped_and_is_whole(tmp_path: Path, shop: Path) -> None:
    with (shop / "disk.img").open("wb") as file:
        file.truncate(LARGE_BYTES)
        file.seek(LARGE_BYTES // 2)
        file.write(b"the middle")
    async with at_work(tmp_path, scopes=("files:read",)) as here:
        await here.press("3")
        await show(here, "#remote", shop, "disk.img")
        await here.press("down", "c")
        await here.until(lambda: part_size(here) > 0, "a beginning")
        await here.press("w", "space")
        await here.see("‖ ↓")
        held = part_size(here)
        assert 0 < held < LARGE_BYTES
        await here.press("space")
        await here.see("✔ ↓")
        whole = (fetched(here) / "disk.img").read_bytes()
        assert whole == (shop / "disk.img").read_bytes()


def part_size(here: RealStage) -> int:
    return sum(one.stat().st_size for one in fetched(here).glob("*part*"))

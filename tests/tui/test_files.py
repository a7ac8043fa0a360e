"""The files tab: two folders, marked files copied across in a queue that is paused and resumed, hostile names."""

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input

from remote_assist.core.requests import Entry
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.widgets.folder import FolderList, child_path
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

SIZES = [NARROW, WIDE]


@pytest.fixture
def here_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our side, with one file in it; its path is short, so that pictures agree."""
    folder = world.downloads / SESSION / "files"
    folder.mkdir(parents=True)
    (folder / "nginx.conf").write_text("listen 80;")
    return folder


async def field(here: Stage, side: str, value: str) -> None:
    box = here.app.screen.query_one(side).query_one(Input)
    box.value = value
    box.focus()
    await here.press("enter")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_two_folders_and_a_queue_as_a_picture(world: World, size: tuple[int, int]) -> None:
    world.hold.clear()
    world.entries = [*world.entries, Entry(name=b"syslog", kind="file", size=812, mode=0o640, modified=0.0)]
    async with stage(world, size, session=SESSION) as here:
        await here.press("3")
        await field(here, "#remote", "/var/log")
        await here.press("down", "space", "space", "c")
        async with asyncio.timeout(20):
            while "1.0 KiB/4.0 KiB" not in here.text:  # bytes are drawn a few times a second
                await asyncio.sleep(0.02)
        here.app.screen.query_one("#local").query_one(Input).value = "/home/alice/collected"
        await here.settle()
        here.compare("session-files")
        world.hold.set()
        await here.settle()
        assert here.text.count("✔ ↓") == 2


@pytest.mark.slow
async def test_a_folder_is_walked_by_keys_and_every_listing_is_an_action(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "enter", "backspace")
        assert world.asked_for("ls") == [("ls", "/var/log"), ("ls", "/var/log/nginx"), ("ls", "/var/log")]
        assert "ls /var/log" in here.text.splitlines()[-2]


@pytest.mark.slow
async def test_a_transfer_is_paused_resumed_replaced_and_dropped(world: World) -> None:
    world.hold.clear()
    world.here_already = {"dpkg.log"}
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "down", "down", "c", "w", "space")
        assert "‖ ↓" in here.text
        world.hold.set()
        await here.press("space")
        assert "is here already" in here.text and "✖ ↓" in here.text
        await here.press("r")
        assert "✔ ↓" in here.text
        assert world.asked_for("get")[-1] == ("get", "/var/log/dpkg.log", "force")
        await here.press("x")
        assert "✔ ↓" not in here.text


@pytest.mark.slow
async def test_a_file_is_put_where_the_customers_folder_is(world: World, here_folder: Path) -> None:
    world.scopes = (*world.scopes, "files:write")
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter")
        here.app.screen.query_one("#local").focus_list()  # type: ignore[attr-defined]  # a FolderList
        await here.press("c")
        assert world.asked_for("put") == [("put", "nginx.conf", "/var/log")]
        await here.press("v")
        assert "listen 80;" in here.text
        here.screen(LogScreen)


@pytest.mark.slow
async def test_what_the_customer_did_not_allow_says_what_to_ask_for(world: World, here_folder: Path) -> None:
    world.scopes = ("diagnose",)
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter")
        assert "did not allow files:read" in here.text and "Press p to ask" in here.text


@pytest.mark.slow
async def test_a_customers_file_is_looked_into_without_fetching_it(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "down", "v")
        here.screen(LogScreen)
        assert "second line" in here.text
        assert world.asked_for("get") == []


@pytest.mark.slow
async def test_a_name_that_is_not_utf_8_is_fetched_by_its_bytes(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("3", "enter", "down", "v")
        assert world.asked_for("peek") == [("peek", "/var/log/caf\\xe9.log")]
        await here.press("escape")
        assert "caf\\xe9.log" in here.text


@pytest.mark.slow
async def test_only_regular_files_and_folders_are_copied(world: World, here_folder: Path) -> None:
    (here_folder / "sub").mkdir()
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "down", "down", "down", "c")
        assert "Only regular files and folders" in here.text
        here.app.screen.query_one("#local").focus_list()  # type: ignore[attr-defined]  # a FolderList
        await here.press("space", "c")
        assert "Only regular files are" in here.text
    assert world.asked_for("get") == world.asked_for("get -r") == world.asked_for("put") == []


@pytest.mark.slow
async def test_marked_folders_and_files_cross_paused_and_resumed(world: World) -> None:
    world.hold.clear()
    world.entries = [*world.entries, Entry(name=b"apt", kind="folder", size=0, mode=0o755, modified=0.0)]
    world.left_out = [(b"a\x1b.log", "exists", "another file is there already")]
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("3", "enter", "space", "space", "down", "space")
        assert "3 marked" in here.text
        await here.press("c", "w", "down", "space")
        await here.press("up")
        assert "… ↓" in here.text and "‖ ↓" in here.text
        world.hold.set()
        await here.settle()
        assert world.asked_for("get") == [("get", "/var/log/dpkg.log")]
        assert "1 left out; a\\x1b.log: another file is there already" in here.text
        await here.press("down", "space")
        await here.press("r")
        await here.press("down", "r")
        assert {call[1] for call in world.asked_for("get -r")} == {"/var/log/apt", "/var/log/nginx"}
        assert here.text.count("2 files, 1 here already") >= 2
        assert here.text.count("✔ ↓") == 3


@pytest.mark.slow
async def test_a_listing_with_a_name_that_leads_out_is_not_followed(world: World) -> None:
    world.entries = [Entry(name=b"../../root", kind="folder", size=0, mode=0o755, modified=0.0)]
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "enter")
        assert "not followed" in here.text
    assert world.asked_for("ls") == [("ls", "/var/log")]


@pytest.mark.slow
async def test_a_listing_of_one_file_is_that_file(world: World) -> None:
    world.entries = [Entry(name=b"log", kind="file", size=1, mode=0o644, modified=0.0)]
    async with stage(world, session=SESSION) as here:
        await here.press("3", "enter", "c")
    assert world.asked_for("get") == [("get", "/var/log")]


@pytest.mark.parametrize("name", [b"..", b".", b"", b"../etc/passwd", b"/etc/passwd", b"a\x00b"])
def test_a_name_that_leads_out_of_the_folder_is_no_path(name: bytes) -> None:
    assert child_path(b"/var/log", name) is None


def test_the_root_folder_has_children_too() -> None:
    assert child_path(b"/", b"etc") == b"/etc"


@pytest.mark.slow
async def test_findings_that_arrive_while_a_path_is_typed_take_neither_keys_nor_tab(world: World) -> None:
    world.hold.clear()
    async with stage(world, session=SESSION) as here:
        await here.press("d", "3")
        box = here.app.screen.query_one("#remote").query_one(Input)
        await here.write("/srv")
        world.hold.set()
        await here.settle()
        await here.write("/shop")
        assert box.has_focus and box.value.endswith("/srv/shop")


@pytest.mark.slow
async def test_a_listing_that_arrives_while_the_next_path_is_typed_leaves_it_alone(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("3")
        side = here.app.screen.query_one("#remote", FolderList)
        await here.press("enter", "slash")
        await here.write("/shop")
        side.show_folder(b"/var/log", world.entries)
        assert side.query_one(Input).value.endswith("/shop") and side.query_one(Input).has_focus


@pytest.mark.slow
async def test_of_a_long_path_the_end_is_seen(world: World) -> None:
    deep = "/srv/" + "/".join(f"folder-{number}" for number in range(12))
    async with stage(world, session=SESSION) as here:
        await here.press("3")
        await field(here, "#remote", deep)
        assert "folder-11" in here.text

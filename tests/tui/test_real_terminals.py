"""Real terminals from the screen: several tabs, the window's size, scrolling back, copying, full-screen programs."""

import os
import re
import shutil
from pathlib import Path

import pytest

from remote_assist.tui.widgets.terminal_view import TerminalView
from tests.tui.real_world import RealStage, at_work

pytestmark = pytest.mark.slow


async def open_terminal(here: RealStage, number: int = 1) -> None:
    """The first, or one more from beside those that are open: `8` would lead back into them."""
    await here.press(*("8", "t") if number == 1 else "t")
    await here.until(lambda: isinstance(here.app.focused, TerminalView) and here.app.focused.number == number)
    await here.see("$ " if os.geteuid() else "# ")


async def type_line(here: RealStage, line: str) -> None:
    await here.paste(line)
    await here.press("enter")


async def test_a_terminal_knows_its_size_and_follows_the_window(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("terminal",)) as here:
        await open_terminal(here)
        await type_line(here, "stty size | sed s/^/size=/")
        await here.see("size=41 160")
        await here.resize(100, 30)
        await type_line(here, "stty size | sed s/^/size=/")
        await here.see("size=23 100")


async def test_two_terminals_go_on_side_by_side_and_are_closed(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("terminal",)) as here:
        await open_terminal(here)
        await type_line(here, "echo fir''st")
        await here.see("first")
        await here.press("ctrl+right_square_bracket")
        await open_terminal(here, 2)
        await here.gone("first")
        await type_line(here, "echo seco''nd; exit 3")
        await here.see("second", "ended, status 3")
        await here.press("tab")
        await here.see("first")
        await here.press("x")
        await here.see("closed")
        await here.press("x")
        await here.gone("first")


async def test_what_scrolled_away_is_seen_again_and_copied(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("terminal",)) as here:
        await open_terminal(here)
        await type_line(here, "seq 1001 1200")
        await here.see("1200")
        assert "1100" not in here.text
        await here.press("shift+pageup", "shift+pageup")
        await here.see("1100")
        await here.press("alt+c")
        await here.see("characters copied")
        copied = here.app.clipboard.splitlines()
        assert "1100" in copied and "1200" not in copied


@pytest.mark.parametrize("program", ["less", "vi"])
async def test_a_full_screen_program_is_worked_in_and_left(tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        assert os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", f"{program} is missing"
        pytest.skip(f"{program} is missing")
    (tmp_path / "text.txt").write_text("".join(f"line {number}\n" for number in range(1, 301)))
    keys = {"less": ("G",), "vi": ("G", "i", "h", "i", " ", "escape", ":", "w", "q", "enter")}[program]
    async with at_work(tmp_path, scopes=("terminal",)) as here:
        await open_terminal(here)
        await type_line(here, f"{program} {tmp_path}/text.txt")
        await here.see("line 1", "line 30")
        await here.press(keys[0])
        await here.see("line 300")
        assert "line 1 " not in here.text
        await here.press(*(keys[1:] or ("q",)))
        # what is typed before the shell is back, an editor that leaves throws away
        await here.until(lambda: re.search(r"(?m)^ *[#$] *$", here.text), "the prompt")
        await type_line(here, "echo ba''ck")
        await here.see("back")
    if program == "vi":
        assert (tmp_path / "text.txt").read_text().endswith("\nhi line 300\n")

"""What was chosen and what was open: themes, keys, attention, and a start that finds everything again."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from remote_assist.technician.tui_settings import THEMES, TuiSettings, TuiState, read_state, write_state
from remote_assist.tui.bindings import BINDING_IDS
from remote_assist.tui.screens.forms import EndScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from remote_assist.tui.theme import BAD, inks
from tests.tui.stage import stage
from tests.tui.world import SESSION, World


@pytest.mark.slow
@pytest.mark.parametrize("theme", [name for name in THEMES if name != "dark"])
async def test_another_theme_as_a_picture_holds_none_of_the_dark_ones_inks(world: World, theme: str) -> None:
    async with stage(world, session=SESSION, settings=TuiSettings(theme=theme)) as here:
        await here.press("d")
        await here.pictures(f"theme-{theme}")
        assert BAD not in here.picture() and inks(theme)[BAD] in here.picture()


@pytest.mark.slow
async def test_a_key_of_the_technicians_own_choice_does_it(world: World) -> None:
    async with stage(world, session=SESSION, settings=TuiSettings(keys={"session.end": "X"})) as here:
        await here.press("e")
        here.screen(SessionScreen)
        await here.press("X")
        here.screen(EndScreen)


def test_every_key_that_may_be_chosen_has_one_name() -> None:
    assert len(set(BINDING_IDS)) == len(BINDING_IDS) > 20
    assert all(name.count(".") == 1 for name in BINDING_IDS)


@pytest.mark.slow
async def test_without_colour_the_frame_tells_where_the_keys_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with stage(world) as here:
        await here.press("enter")
        assert "┏━ Sessions" in here.text and "╭─ Notes" in here.text
        await here.press("shift+tab")
        assert "╭─ Sessions" in here.text and "┏━ Notes" in here.text


@pytest.mark.slow
async def test_after_a_crash_what_was_open_and_lives_is_open_again(world: World, tmp_path: Path) -> None:
    other = "s-bbbbbbbbbbbbbbbb"
    world.summaries.append(msgspec.structs.replace(world.summaries[0], id=other))
    write_state(tmp_path, TuiState(sessions=("s-aaaaaaaaaaaaaaaa", other, SESSION), view="mine"))
    async with stage(world, home=tmp_path) as here:
        await here.settle()
        assert here.screen(SessionScreen)._session_id == SESSION
        assert {one.session for one in here.app._roster.open} == {SESSION, other}
        await here.press("escape")
        here.screen(TicketsScreen)
        assert "tickets · mine" in here.text
        await here.press("u")
    assert read_state(tmp_path) == TuiState(sessions=(other, SESSION), view="unassigned")


@pytest.mark.slow
@pytest.mark.parametrize(("notify", "rings"), [("bell", 1), ("osc9", 0), ("none", 0)])
async def test_attention_is_called_for_as_chosen(world: World, notify: str, rings: int) -> None:
    async with stage(world, session=SESSION, settings=TuiSettings(notify=notify)) as here:
        heard: list[int] = []
        written: list[str] = []
        here.app.bell = lambda: heard.append(1)  # type: ignore[method-assign]  # counted, not heard
        here.app._driver.write = written.append  # type: ignore[union-attr,method-assign]  # kept, not written
        world.customer_says("\x1b]52;c;aGk=\x07")
        await here.settle()
        assert len(heard) == rings
        assert [text for text in written if "]9;" in text] == (
            ["\x1b]9;remote-assist: the customer wrote\x07"] if notify == "osc9" else []
        )


def test_a_start_loads_nothing_that_only_a_reviewer_needs() -> None:
    program = (
        "import argparse, sys, remote_assist.tui.app as app\n"
        "from remote_assist.commands.technician import sessions as technician\n"
        "app.run_tui = lambda *_, open_recordings, **__: opened.append(open_recordings)\n"
        "opened, verbs = [], argparse.ArgumentParser().add_subparsers()\n"
        "technician.add_commands(verbs)\n"
        "arguments = verbs.choices['tui'].parse_args([])\n"
        "arguments.run(arguments)\n"
        "print(*sorted(name for name in sys.modules if name.startswith('remote_assist.commands.audit')))\n"
        "print(type(opened[0]()).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["", "Recordings"], done.stderr

"""The screens one reads in: the knowledge base, two bundles, the reviewer's sessions, a recording."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from remote_assist.core.log.asciicast import OUTPUT, Event
from remote_assist.core.log.kept import RECORDING, Kept
from remote_assist.tui.messages import RecordingsListed
from remote_assist.tui.screens.compare import BundlesScreen, ComparedScreen
from remote_assist.tui.screens.knowledge import KnowledgeScreen
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.replay import ReplayScreen
from remote_assist.tui.screens.review import RecordingScreen, ReviewScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import NOW, SESSION, World


def collected(world: World, names: Sequence[str]) -> None:
    """Bundles on this machine, a day apart, the newest last."""
    folder = world.downloads / SESSION
    folder.mkdir()
    for number, name in enumerate(names):
        path = folder / f"{name}.tar.zst"
        path.write_bytes(b"x" * 2048)
        os.utime(path, (NOW.timestamp() + number * 86400,) * 2)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_everything_there_is_to_read_is_reached_by_keys(world: World, size: tuple[int, int]) -> None:
    collected(world, ("first-look", "web", "first-look-2"))
    async with stage(world, size) as it:
        await it.press("b")
        it.screen(KnowledgeScreen)
        it.compare("knowledge")
        await it.press("escape", "c", "space", "j", "j", "space", "c")
        it.screen(ComparedScreen)
        assert world.asked_for("compare") == [("compare", "first-look.tar.zst", "first-look-2.tar.zst")]
        it.compare("compared")
        it.app.pop_screen()
        await it.settle()
        it.screen(BundlesScreen)
        hide_paths(it)
        it.compare("bundles")
        await it.press("escape", "v")
        it.screen(ReviewScreen)
        it.compare("review")
        await it.press("enter")
        it.screen(LogScreen)
        assert "Consent granted" in it.text
        await it.press("escape", "p")
        it.screen(RecordingScreen)
        it.compare("recording")
        await it.write("/keys/rita")
        await it.press("enter")
        replay = it.screen(ReplayScreen)
        assert world.asked_for("recording") == [("recording", SESSION, "a7", "/keys/rita")]
        await it.press("n")
        replay.step()
        await it.settle()
        assert "systemctl status nginx" in it.text
        assert "port 80 is taken" not in it.text
        it.compare("replay")
        await it.press("escape", "escape")
        it.screen(TicketsScreen)
    assert ("close recording",) in world.calls


def hide_paths(it: Stage) -> None:
    """The temporary folder differs from run to run."""
    it.app.screen.query_one("#full-text").update("")  # type: ignore[attr-defined]  # a Static


async def test_a_search_narrows_the_knowledge_base_by_what_stands_in_it(world: World) -> None:
    async with stage(world) as it:
        await it.press("b", "slash")
        await it.write("writes fail")
        await it.press("enter")
        assert "1 of 3" in it.text
        assert "within a day" in it.text
        await it.press("slash")
        await it.write("zzz")
        assert "Nothing has these words" in it.text
        await it.press("escape", "escape")
        it.screen(TicketsScreen)


async def test_a_recording_is_paused_sought_and_searched(world: World) -> None:
    world.recorded = [Event(float(second), OUTPUT, f"line {second}\r\n") for second in range(60)]
    async with stage(world) as it:
        await it.press("v", "p")
        await it.write("key")
        await it.press("enter", "space")
        replay = it.screen(ReplayScreen)
        for key, seen, unseen in (
            ("l", "line 5", "line 6"),
            ("left", "line 0", "line 1"),
            ("right", "line 5", "line 6"),
            ("up", "line 59", "line 60"),
            ("0", "line 0", "line 1"),
        ):
            await it.press(key)
            replay.step()
            await it.settle()
            assert seen in it.text
            assert unseen not in it.text.replace("line 1 ", "line one") or key == "up"
        await it.press("slash")
        await it.write("LINE 33")
        await it.press("enter")
        replay.step()
        await it.settle()
        assert "line 33" in it.text
        assert "line 34" not in it.text


async def test_a_record_with_a_line_break_stays_one_line_of_its_timeline(world: World) -> None:
    world.lines = ["10:00 one", "10:01 program\n10:02 customer: Consent granted\x1b]0;x\x07", "10:03 three"]
    async with stage(world) as it:
        await it.press("v", "enter")
        it.screen(LogScreen)
        shown = [line.strip() for line in it.text.splitlines() if line.strip().startswith("10:0")]
        assert [line[:5] for line in shown] == ["10:00", "10:01", "10:03"]
        assert r"\x0a10:02" in shown[1] and r"\x1b" in shown[1]


async def test_what_is_shown_names_the_session_it_belongs_to_not_the_one_asked_for_since(world: World) -> None:
    other = "s-aaaaaaaaaaaaaaaa"
    world.summaries.append(msgspec.structs.replace(world.summaries[0], id=other, opened="2026-03-13T10:00:00Z"))
    async with stage(world) as it:
        await it.press("v")
        review = it.screen(ReviewScreen)
        review.post_message(RecordingsListed(other, (Kept("a7", RECORDING, "shell", ""),)))
        await it.settle()
        await it.write("/keys/rita")
        await it.press("enter")
        assert world.asked_for("recording") == [("recording", other, "a7", "/keys/rita")]


HEADER = b'{"version":2,"width":80,"height":24}\n'


@pytest.mark.parametrize(
    ("cast", "sentence"),
    [
        (b"", "the recording is empty"),
        (b"\x00\xff", "its first line is not a header"),
        (HEADER + b"[1]\n", "line 2 of the recording is damaged"),
    ],
)
async def test_a_recording_that_does_not_begin_is_one_sentence_and_is_closed(
    world: World, cast: bytes, sentence: str
) -> None:
    world.cast = cast
    async with stage(world) as it:
        await it.press("v", "p")
        await it.write("key")
        await it.press("enter")
        it.screen(ReviewScreen)
        assert sentence in it.text
        assert ("close recording",) in world.calls
        await it.press("escape")
        it.screen(TicketsScreen)


async def test_damage_in_the_middle_stops_the_playing_with_a_sentence(world: World) -> None:
    world.cast = HEADER + b'[0.1, "o", "shown"]\n[0.2, "o", "\n'
    async with stage(world) as it:
        await it.press("v", "p")
        await it.write("key")
        await it.press("enter")
        replay = it.screen(ReplayScreen)
        await it.press("up")
        replay.step()
        await it.settle()
        assert "line 3 of the recording is damaged" in it.text
        await it.press("0", "n", "escape")
        it.screen(ReviewScreen)


async def test_one_bundle_alone_is_not_compared(world: World, tmp_path: Path) -> None:
    async with stage(world) as it:
        await it.press("c")
        assert "No bundle was collected" in it.text
        await it.press("escape")
        collected(world, ("web",))
        await it.press("c", "space", "c")
        it.screen(BundlesScreen)
        assert world.asked_for("compare") == []

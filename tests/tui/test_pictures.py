"""Every screen has its picture at both sizes; here those of the small forms and of help, which need no story."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from textual.screen import Screen

import remote_assist.tui.screens
from remote_assist.tui.screens.browse import BrowseScreen
from remote_assist.tui.screens.connected import ConnectedScreen
from remote_assist.tui.screens.forms import NewTicketScreen, NoteScreen, PassphraseScreen
from remote_assist.tui.screens.help import HelpScreen
from remote_assist.tui.screens.time_spent import TimeScreen
from tests.tui.stage import NARROW, SNAPSHOTS, WIDE, stage
from tests.tui.world import SESSION, World

PICTURES = {
    "AcceptScreen": "accept",
    "BundlesScreen": "bundles",
    "ComparedScreen": "compared",
    "DiscloseScreen": "disclose",
    "EndScreen": "end",
    "HelpScreen": "help-session",
    "InviteScreen": "invite",
    "KnowledgeScreen": "knowledge",
    "LogScreen": "log-found",
    "MachinesScreen": "machines",
    "NewTicketScreen": "new-ticket",
    "NoteScreen": "note",
    "OutboxScreen": "outbox",
    "OverviewScreen": "overview",
    "PassphraseScreen": "passphrase",
    "PlanScreen": "plan",
    "PreviewScreen": "disclose-preview",
    "RecordingScreen": "recording",
    "ReplayScreen": "replay",
    "ReviewScreen": "review",
    "ScopesScreen": "scopes",
    "SessionScreen": "session-findings",
    "ShareScreen": "share",
    "TimeScreen": "time-spent",
    "TicketScreen": "ticket",
    "TicketsScreen": "tickets",
}
"""Screen → one of its pictures."""

SHAPES = {BrowseScreen, ConnectedScreen}
"""What other screens are made of."""


def screens() -> Iterator[type[Screen[object]]]:
    """Every screen there is."""
    for found in pkgutil.iter_modules(remote_assist.tui.screens.__path__):
        module = importlib.import_module(f"remote_assist.tui.screens.{found.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Screen) and value.__module__ == module.__name__:
                yield value


def test_every_screen_has_a_picture_at_both_sizes() -> None:
    assert {screen.__name__ for screen in screens() if screen not in SHAPES} == set(PICTURES)
    sizes = [f"{width}x{height}" for width, height in (NARROW, WIDE)]
    wanted = {f"{name}-{size}.svg" for name in PICTURES.values() for size in sizes}
    assert wanted - {path.name for path in SNAPSHOTS.iterdir()} == set()


def test_a_picture_at_one_size_has_its_twin_at_the_other() -> None:
    narrow, wide = (
        {path.name.rpartition("-")[0] for path in SNAPSHOTS.glob(f"*-{w}x{h}.svg")} for w, h in (NARROW, WIDE)
    )
    assert narrow == wide != set()


@pytest.mark.slow
async def test_the_small_forms_as_pictures(world: World) -> None:
    async with stage(world) as it:
        await it.press("n")
        it.screen(NewTicketScreen)
        await it.press("enter")
        await it.pictures("new-ticket")
        await it.press("escape", "enter")
        await it.press("n")
        it.screen(NoteScreen)
        await it.pictures("note")
        await it.press("escape")
        await it.press("t")
        it.screen(TimeScreen)
        await it.pictures("time-spent")


@pytest.mark.slow
async def test_help_as_a_picture(world: World) -> None:
    async with stage(world) as it:
        await it.press("question_mark")
        it.screen(HelpScreen)
        await it.pictures("help-tickets")
    async with stage(world, session=SESSION) as it:
        await it.press("question_mark")
        it.screen(HelpScreen)
        await it.pictures("help-session")


@pytest.mark.slow
async def test_the_question_for_a_passphrase_as_a_picture(world: World) -> None:
    world.passphrase = b"secret"
    async with stage(world, session=SESSION) as it:
        await it.press("s")
        await it.write("/keys/bob-cert.pub")
        await it.press("ctrl+s")
        it.screen(PassphraseScreen)
        await it.write("sec")
        await it.pictures("passphrase")

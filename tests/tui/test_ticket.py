"""One ticket: the thread, its sessions, and the invitation with all its ends."""

import re
from datetime import timedelta

import msgspec
import pytest
import segno
from textual.events import MouseScrollUp

from remote_assist.core.api import TicketNote
from remote_assist.core.codes import QR_PREFIX, parse_code
from remote_assist.errors import ConsentDenied, RefusedError, UnreachableError
from remote_assist.tui.screens.forms import PassphraseScreen, ScopesScreen
from remote_assist.tui.screens.invite import InviteScreen, spaced_code
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.widgets.qr import QUIET, qr_text
from tests.tui.customer_world import rfc
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import NOW, World, summary

pytestmark = pytest.mark.slow


async def open_ticket(here: Stage) -> None:
    await here.press("enter")
    here.screen(TicketScreen)


async def open_invitation(here: Stage) -> None:
    await open_ticket(here)
    await here.press("i")
    here.screen(InviteScreen)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_ticket_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size) as here:
        await open_ticket(here)
        here.compare("ticket")


async def test_notes_and_who_sees_them(world: World) -> None:
    async with stage(world) as here:
        await open_ticket(here)
        assert "nginx fails after the update." in here.text
        assert "Since lunch the shop is down." in here.text
        assert "customer sees this" in here.text


def told(world: World, *numbers: int) -> None:
    """So many notes of two lines."""
    ticket = world.tickets[0]
    notes = [
        TicketNote(
            id=100 + number, time=rfc(NOW), author="Alice Example", text=f"note {number}\nends", visibility="internal"
        )
        for number in numbers
    ]
    world.tickets[0] = msgspec.structs.replace(ticket, notes=(*ticket.notes, *notes))


async def test_a_long_ticket_opens_at_its_newest_note_and_stays_there(world: World) -> None:
    told(world, *range(30))
    async with stage(world) as here:
        await open_ticket(here)
        assert "note 29" in here.text and "note 3\n" not in here.text
        told(world, 30, 31)
        await here.press("r")
        assert "note 31" in here.text


def notes_seen(here: Stage) -> list[str]:
    """Each line of the notes that is in view."""
    return re.findall(r"note \d+|ends", here.text)


@pytest.mark.parametrize(
    ("away", "back"),
    [("home", "end"), ("pageup", "pagedown"), ("up", "down"), ("k", "j"), ("g", "G"), ("ctrl+u", "ctrl+d")],
)
async def test_who_scrolled_away_stays_there_until_they_come_back(world: World, away: str, back: str) -> None:
    told(world, *range(30))
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("shift+tab", away, away)
        seen = notes_seen(here)
        assert seen[-2:] != ["note 29", "ends"]
        told(world, 30)
        await here.press("r")
        assert notes_seen(here) == seen
        await here.press(*[back] * 6)
        assert "note 30" in here.text
        told(world, 31)
        await here.press("r")
        assert "note 31" in here.text


async def test_the_wheel_scrolls_the_notes_and_new_ones_leave_the_place(world: World) -> None:
    told(world, *range(30))
    async with stage(world) as here:
        await open_ticket(here)
        for _ in range(3):
            await here.pilot._post_mouse_events([MouseScrollUp], "#thread")
        await here.settle()
        seen = notes_seen(here)
        assert "note 29" not in seen
        told(world, 30)
        await here.press("r")
        assert notes_seen(here) == seen


async def test_a_first_session_takes_the_keys_and_without_one_the_notes_have_them(world: World) -> None:
    sessions, world.summaries = world.summaries, []
    told(world, *range(30))
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("home")
        assert "Since lunch the shop is down." in here.text
        world.summaries = sessions
        await here.press("r", "enter")
        here.screen(SessionScreen)


async def test_enter_opens_a_live_session_and_escape_comes_back(world: World) -> None:
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("enter")
        here.screen(SessionScreen)
        await here.press("escape")
        here.screen(TicketScreen)
    assert ("close session",) in world.calls


async def test_an_ended_session_is_not_opened(world: World) -> None:
    world.summaries = [summary(NOW, state="ended")]
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("enter")
        here.screen(TicketScreen)
        assert "has ended" in here.text
    assert world.asked_for("connect") == []


async def test_a_session_id_that_is_a_path_is_not_opened(world: World) -> None:
    world.summaries = [msgspec.structs.replace(summary(NOW), id="../../etc")]
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("enter")
        here.screen(TicketScreen)
    assert world.asked_for("connect") == []


async def test_a_ticket_without_sessions_says_how_to_invite(world: World) -> None:
    world.summaries = []
    async with stage(world) as here:
        await open_ticket(here)
        assert "None yet. Press i" in here.text


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_an_invitation_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size) as here:
        await open_invitation(here)
        here.compare("invite")
        await here.press("q")
        here.compare("invite-qr")
        assert qr_text(f"{QR_PREFIX}417203-tulip-rocket-amber").plain.splitlines()[0] in here.text
        await here.press("q")
        assert "tulip   rocket" in here.text


def test_a_qr_code_holds_what_the_agent_takes() -> None:
    content = f"{QR_PREFIX}417203-tulip-rocket-amber"
    rows = qr_text(content).plain.splitlines()
    upper, lower = {"█": 0, "▀": 0, "▄": 1, " ": 1}, {"█": 0, "▀": 1, "▄": 0, " ": 1}
    drawn = [[side[sign] for sign in row] for row in rows for side in (upper, lower)]
    meant = [list(row) for row in segno.make_qr(content, error="l").matrix_iter(border=QUIET)]
    assert drawn[: len(meant)] == meant
    assert str(parse_code(content)) == "417203-tulip-rocket-amber"


async def test_the_code_is_spaced_spoken_and_explained(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        assert "4 1 7  2 0 3    tulip   rocket   amber" in here.text
        assert "four one seven, two zero three" in here.text
        assert "remote-assist join" in here.text
        assert "diagnose · files:read · fix   until 14:35" in here.text
        assert "9:41 left" in here.text


async def test_the_countdown_follows_the_clock(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        world.now += timedelta(minutes=9)
        here.screen(InviteScreen)._draw()
        await here.settle()
        assert "0:41 left" in here.text


async def test_the_customer_joins_and_the_session_opens(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        world.invitations[0].join()
        await here.pilot.pause()
        await here.settle()
        here.screen(SessionScreen)
    assert world.asked_for("burn") == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConsentDenied("the customer said no", reason="denied", advice="Speak with them."), "the customer said no"),
        (UnreachableError("the relay cannot be reached"), "the relay cannot be reached"),
        (None, "somebody typed wrong words; the code is burned"),
    ],
)
async def test_an_invitation_that_fails_says_why_and_offers_a_new_code(
    world: World, error: ConsentDenied | UnreachableError | None, sentence: str
) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        world.invitations[0].fail(error) if error else world.invitations[0].guess_wrong()
        await here.pilot.pause()
        await here.settle()
        assert sentence in here.text
        assert "[n] new code" in here.text
        assert "tulip" not in here.text
        await here.press("n")
        assert "amber   tulip   rocket" in here.text


async def test_escape_burns_the_code(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        await here.press("escape")
        here.screen(TicketScreen)
        await here.settle()
    assert world.asked_for("burn") == [("burn", "417203")]


async def test_a_code_is_not_burned_twice(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        world.invitations[0].guess_wrong()
        await here.pilot.pause()
        await here.settle()
        await here.press("escape")
    assert len(world.asked_for("burn")) == 1


async def test_other_scopes_make_another_code_and_burn_the_first(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        await here.press("s")
        here.screen(ScopesScreen)
        await here.pictures("scopes")
        await here.press("down", "down", "down", "down", "space", "ctrl+s")
        here.screen(InviteScreen)
        assert "terminal" in here.text
    assert world.asked_for("invite")[-1] == ("invite", "4711", "diagnose", "files:read", "fix", "terminal", "1800")
    assert ("burn", "417203") in world.calls


async def test_asking_for_nothing_or_for_ever_is_refused(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        await here.press("s", "space", "down", "space", "down", "down", "space", "ctrl+s")
        assert "at least one scope" in here.text
        await here.press("space", "tab", *["backspace"] * 3, "9", "h", "ctrl+s")
        assert "at most 8h" in here.text
        here.screen(ScopesScreen)
    assert len(world.asked_for("invite")) == 1


async def test_a_key_with_a_passphrase_asks_for_it_once(world: World) -> None:
    world.passphrase = b"opens the key"
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("i")
        here.screen(PassphraseScreen)
        await here.write("opens the key")
        assert "opens" not in here.text
        await here.press("enter")
        assert "4 1 7" in here.text
        await here.press("escape", "i")
        here.screen(InviteScreen)


async def test_a_wrong_passphrase_is_forgotten(world: World) -> None:
    world.passphrase = b"right"
    async with stage(world) as here:
        await open_ticket(here)
        await here.press("i")
        await here.write("wrong")
        await here.press("enter")
        assert "does not open the key" in here.text
        await here.press("n")
        here.screen(PassphraseScreen)


async def test_copying_says_so_and_only_happens_on_the_key(world: World) -> None:
    async with stage(world) as here:
        await open_invitation(here)
        assert here.app.clipboard == ""
        await here.press("y")
        assert here.app.clipboard == "417203-tulip-rocket-amber"
        assert "copied to the clipboard" in here.text


async def test_a_relay_that_gives_no_code_is_told(world: World) -> None:
    async with stage(world) as here:
        await open_ticket(here)
        world.failure = RefusedError("too many codes wait", reason="busy", advice="Burn one first.")
        await here.press("i")
        assert "too many codes wait" in here.text
        assert "Burn one first." in here.text


def test_a_code_of_other_length_is_spaced_too() -> None:
    assert spaced_code("4172034-tulip-rocket-amber").plain == "4 1 7  2 0 3  4    tulip   rocket   amber"

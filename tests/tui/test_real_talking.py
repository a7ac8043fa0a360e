"""People from the screen: the chat both ways and translated, a further scope, notes, a colleague, the end."""

import asyncio
import functools
from pathlib import Path

import pytest

from remote_assist.audit.journal_files import read_journal
from remote_assist.core.prompt import LineTyped
from remote_assist.core.records import decode_record
from remote_assist.technician.translation import translate
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from remote_assist.tui.screens.time_spent import TimeScreen
from tests.tui.real_world import PATIENCE_SECONDS, RealStage, at_work, real_stage, real_world

pytestmark = pytest.mark.slow


async def test_both_sides_write_and_the_customers_lines_are_translated(tmp_path: Path) -> None:
    loud = functools.partial(translate, ("tr", "a-z", "A-Z"))
    async with at_work(tmp_path, scopes=("diagnose",), translate=loud) as here:
        customer = here.world.customer
        customer.acts.put_nowait(LineTyped("the shop is closed"))
        await here.see("6 Chat 1")
        await here.press("6")
        await here.see("customer  the shop is closed", "⇢ THE SHOP IS CLOSED")
        await here.write("I see it too")
        await here.press("enter")
        await here.see("you       I see it too")
        assert any("I see it too" in line for line in customer.lines)
        await here.press("escape", "7")
        await here.see("Says a line")


async def test_a_further_scope_is_asked_for_granted_and_used(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        await here.press("3", "enter")
        await here.see("Press p to ask the customer for it")
        await here.press("escape")
        await here.press("p", "down", "space", "ctrl+s")
        await here.see("may: diagnose  files:read", "✔ ask the customer for more")
        question = here.world.customer.questions[-1]
        assert question.further and "files:read" in question.scopes
        await here.press("3", "enter")
        await here.see("✔ ls /var/log")


async def test_a_no_to_a_further_scope_is_said_and_changes_nothing(tmp_path: Path) -> None:
    async with at_work(tmp_path, scopes=("diagnose",)) as here:
        customer = here.world.customer
        customer.allows = ("diagnose",)
        customer.decides.clear()
        await here.press("p", "down", "space", "ctrl+s")
        await here.until(lambda: len(customer.questions) == 2, "the customer's question")
        screen, looks = here.screen(SessionScreen), 2
        for _ in range(looks):
            took = screen.state.seconds
            await here.until(lambda: screen.state.seconds != took, "a look at how it stands meanwhile")  # noqa: B023
        await here.see("… ask the customer for more")
        customer.decides.set()
        await here.see("✖ ask the customer for more  not allowed: files:read")
        assert "may: diagnose  files:read" not in here.text
        customer.allows = ()
        await here.press("p", "down", "space", "ctrl+s")
        await here.see("✖ ask the customer for more  the customer did not allow it")


async def test_the_whole_of_a_ticket_from_the_queue_to_its_closing_note(tmp_path: Path) -> None:
    async with real_world(tmp_path) as world, real_stage(world) as here:
        await here.see("No tickets yet")
        await here.press("n")
        await here.write("The shop does not start")
        await here.press("enter")
        await here.see("None yet")
        await here.press("i")
        await here.see("waiting …")
        world.join(shown_code(here))
        await here.see("▲ linked", "Nothing was looked at yet")
        here.screen(SessionScreen)
        await here.press("n")
        await here.write("Called back at noon.")
        await here.press("enter")
        await here.see("✔ write a note")
        await here.press("e")
        await here.write("Port freed and verified.")
        await here.press("tab")
        await here.write("solved")
        await here.press("tab")
        await here.write("20m")
        await here.press("enter")
        await here.see("The session has ended", "– ended")
        here.screen(TicketScreen)
        await here.press("t")
        await here.write("90m")
        await here.press("tab")
        await here.write("Wrote a report.")
        await here.press("enter")
        await here.until(lambda: not isinstance(here.app.screen, TimeScreen), "the end of the form")
        async with await world.desk() as desk:
            said: list[str] = []
            async with asyncio.timeout(PATIENCE_SECONDS):
                while "Wrote a report.\n\nTime spent: 1 h 30 min" not in said:
                    said = [note.text for note in (await desk.ticket("1001")).notes]
        assert "Called back at noon." in said and "Port freed and verified.\n\nTime spent: 20 min" in said
        (journal,) = (tmp_path / "customer-home" / "sessions").iterdir()
        last = decode_record(read_journal(journal).records[-1].record)
        assert last.code == "RA1990E" and last.outcome is not None and last.outcome.reason == "technician"
        await here.press("escape")
        here.screen(TicketsScreen)
        await here.see("closed")


def shown_code(here: RealStage) -> str:
    """The code as a person reads it off the screen."""
    line = next(
        line for line in here.text.splitlines() if "│" in line and sum(part.isdigit() for part in line.split()) == 6
    )
    parts = line.replace("│", " ").split()
    return "-".join(["".join(parts[:6]), *parts[6:9]])

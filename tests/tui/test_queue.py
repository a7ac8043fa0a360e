"""The queue's views and ages, as far as the ticket book knows."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from remote_assist.core.api import Ticket
from remote_assist.tui.queue import Desk, View, age, belongs, order
from remote_assist.tui.theme import BAD, FAINT, WARN
from tests.tui.customer_world import rfc
from tests.tui.stage import stage
from tests.tui.world import World, summary

NOW = datetime(2026, 3, 14, 14, 5, tzinfo=UTC)
ME = "Alice Example"


def ticket(**changes: object) -> Ticket:
    made = Ticket(id="1", subject="x", description="", state="open", opened=rfc(NOW), opened_by="Carol Example")
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize(
    ("state", "opened_by", "session", "views"),
    [
        ("open", "Carol Example", "", {View.UNASSIGNED}),
        ("open", ME, "", {View.MINE}),
        ("active", "Carol Example", "live", {View.MINE}),
        ("open", "Carol Example", "ended", {View.MINE, View.WAITING}),
        ("closed", ME, "ended", set()),
    ],
)
def test_each_view_shows_what_it_says(state: str, opened_by: str, session: str, views: set[View]) -> None:
    held = [msgspec.structs.replace(summary(NOW, state=session), ticket="1")] if session else []
    one, desk = ticket(state=state, opened_by=opened_by), Desk(ME, held)
    assert {view for view in View if belongs(one, view, desk)} == {View.ALL, *views}


@pytest.mark.parametrize(
    ("hours", "shown"),
    [
        (-1.0, ("0 min", FAINT)),
        (1.5, ("90 min", FAINT)),
        (5.0, ("5 h", WARN)),
        (30.0, ("30 h", BAD)),
        (72.0, ("3 d", BAD)),
    ],
)
def test_an_open_ticket_ages_in_words_and_colour(hours: float, shown: tuple[str, str]) -> None:
    assert age(ticket(opened=rfc(NOW - timedelta(hours=hours))), NOW) == shown


def test_a_closed_ticket_does_not_age_and_an_unreadable_time_is_no_crash() -> None:
    assert age(ticket(state="closed", opened=rfc(NOW - timedelta(hours=72))), NOW) == ("3 d", FAINT)
    assert age(ticket(opened="yesterday"), NOW) == ("?", FAINT)
    assert order(ticket(opened="yesterday")) == (False, 0.0)


@pytest.mark.slow
async def test_a_view_is_one_key_and_an_empty_one_says_so(world: World) -> None:
    async with stage(world) as here:
        await here.press("m")
        assert "tickets · mine" in here.text and "#4711" in here.text and "#4705" not in here.text
        await here.press("w")
        assert "No tickets here (waiting). Press a to see all." in here.text
        await here.press("a")
        assert "#4705" in here.text

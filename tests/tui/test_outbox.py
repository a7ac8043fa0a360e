"""The outbox on the screens, and what others write on a ticket in its own system."""

import msgspec
import pytest

from remote_assist.core.api import Delivery, Ticket, TicketReply
from remote_assist.errors import UnreachableError
from remote_assist.tui.job import Job
from remote_assist.tui.messages import JobFailed
from remote_assist.tui.problem import Problem
from remote_assist.tui.replies import ReplyWatch
from remote_assist.tui.screens.outbox import OutboxScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from tests.tui.customer_world import rfc
from tests.tui.stage import NARROW, WIDE, stage
from tests.tui.world import NOW, SESSION, World

REPLY = TicketReply(time=rfc(NOW), author="Carol Example", text="It fails \x1b[2Jagain.", visibility="customer")


def delivery(number: int, state: str, fault: str = "") -> Delivery:
    return Delivery(
        id=number, ticket=f"rt:{number}", kind="note", state=state, attempts=4, fault=fault,
        queued=rfc(NOW), due=rfc(NOW),
    )  # fmt: skip


def elsewhere(world: World, *replies: TicketReply, fault: str = "") -> None:
    """The first ticket is one of another system, with these replies."""
    world.tickets[0] = msgspec.structs.replace(
        world.tickets[0], id="rt:17", status="open", assignee="alice", replies=replies, fault=fault
    )


@pytest.mark.slow
async def test_dead_letters_are_counted_on_the_queue_shown_with_their_reason_and_tried_again(world: World) -> None:
    world.deliveries = [
        delivery(1, "waiting"),
        delivery(2, "dead", "rt: no ticket 2"),
        delivery(3, "dead", "rt says no"),
    ]
    world.resting = {"rt": "it does not answer"}
    async with stage(world, NARROW) as it:
        assert "2 not delivered (d)" in it.text
        await it.press("d")
        it.screen(OutboxScreen)
        assert it.text.index("#rt:2") < it.text.index("#rt:3") < it.text.index("#rt:1")
        assert "rt: no ticket 2" in it.text
        assert "left alone for now" in it.text
        await it.pictures("outbox")
        await it.press("t")
        assert world.asked_for("retry") == [("retry", "2")]
        assert "1 will be tried again" in it.text
        await it.press("T")
        assert world.asked_for("retry")[-1] == ("retry", "0")
        assert [one.state for one in world.deliveries] == ["waiting"] * 3
        await it.press("t", "T")
        assert len(world.asked_for("retry")) == 2
        await it.press("escape")
        it.screen(TicketsScreen)
        assert "not delivered" not in it.text


async def test_an_outbox_that_cannot_be_seen_hides_no_ticket_and_an_empty_one_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = world.check

    def without_outbox(*call: str) -> None:
        check(*call)
        if call[0] == "outbox":
            raise UnreachableError("the relay does not tell")

    monkeypatch.setattr(world, "check", without_outbox)
    async with stage(world) as it:
        assert "#4711" in it.text
        assert "not delivered" not in it.text
        await it.press("d")
        assert "the relay does not tell" in it.text
        monkeypatch.setattr(world, "check", check)
        await it.press("r")
        assert "Everything was delivered." in it.text


@pytest.mark.slow
async def test_what_the_customer_replies_appears_by_itself_in_the_session_and_on_the_ticket(world: World) -> None:
    elsewhere(world)
    async with stage(world, WIDE, session=SESSION) as it:
        elsewhere(world, REPLY)
        it.screen(SessionScreen).look_at_ticket()
        await it.settle()
        assert "Carol Example on the ticket:" in it.text
        await it.press("escape", "enter")
        assert "open · of alice" in it.text
        assert "wrote in the ticket's own system" in it.text
        assert "It fails" in it.text
        elsewhere(world, REPLY, msgspec.structs.replace(REPLY, author="Dan Example"))
        it.screen(TicketScreen).look_again()
        await it.settle()
        assert "Dan Example wrote on the ticket" in it.text
        elsewhere(world, fault="rt cannot be asked now")
        it.screen(TicketScreen).look_again()
        await it.settle()
        assert "rt cannot be asked now" in it.text


async def test_a_session_asks_for_its_own_ticket_alone_and_not_once_it_is_over(world: World) -> None:
    elsewhere(world)
    async with stage(world, session=SESSION) as it:
        screen = it.screen(SessionScreen)
        sessions, tickets = len(world.asked_for("sessions")), len(world.asked_for("ticket"))
        screen.look_at_ticket()
        await it.settle()
        assert len(world.asked_for("ticket")) == tickets + 1
        screen.post_message(JobFailed(Job.STATUS, Problem("the session is over", reason="ended")))
        await it.settle()
        screen.look_at_ticket()
        await it.settle()
        assert len(world.asked_for("ticket")) == tickets + 1
        assert len(world.asked_for("sessions")) == sessions


def test_only_what_was_not_there_before_is_news() -> None:
    watch, other = ReplyWatch(), msgspec.structs.replace(REPLY, text="Thanks.")
    empty = Ticket(id="rt:1", subject="", description="", state="open", opened="", opened_by="", replies=(REPLY,))
    both = msgspec.structs.replace(empty, replies=(REPLY, other))
    assert watch.news(empty) == ()
    assert watch.news(msgspec.structs.replace(empty, replies=(), fault="away")) == ()
    assert watch.news(both) == (other,)
    assert watch.news(both) == ()

"""A live session: the header's six answers, and every tab."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from textual.widgets import Input, Tree

from remote_assist.core.requests import Done, Participant
from remote_assist.core.resume import LinkNews
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.tui.screens.forms import EndScreen, ScopesScreen
from remote_assist.tui.screens.overview import OverviewScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from remote_assist.tui.widgets.tab_line import TabLine
from tests.tui.stage import NARROW, WIDE, Stage, stage
from tests.tui.world import SESSION, World

SIZES = [NARROW, WIDE]
pytestmark = pytest.mark.slow


async def poll(here: Stage) -> None:
    """What the timer does every few seconds."""
    here.screen(SessionScreen)._poll()
    await here.settle()


async def look(here: Stage) -> None:
    await here.press("d")
    await here.settle()


@pytest.mark.parametrize("size", SIZES)
async def test_an_untouched_session_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        here.compare("session-untouched")


@pytest.mark.parametrize("size", SIZES)
async def test_one_look_answers_who_what_until_recorded_and_link(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        head = "\n".join(here.text.splitlines()[:2])
    for answer in (
        "web-07",
        "#4711",
        "▲",
        "rec 12",
        "until 14:32 (27 min)",
        "diagnose  files:read  fix",
        "Alice Example",
    ):
        assert answer in head


@pytest.mark.parametrize(
    ("size", "others"), [((160, 48), " · watching: Bob Example · with: Carol Example"), ((80, 24), " · +2")]
)
async def test_who_else_is_there_stands_beside_you(world: World, size: tuple[int, int], others: str) -> None:
    until = "2026-03-01T15:00:00Z"
    people = {"Alice Example": "active", "Bob Example": "observer", "Carol Example": "active"}
    world.technicians = tuple(Participant(name=name, part=part, until=until) for name, part in people.items())
    async with stage(world, size, session=SESSION) as here:
        second = here.text.splitlines()[1]
        assert second.rstrip().endswith(f"Alice Example (you){others}")
        assert "may: diagnose  files:read  fix" in second


async def test_the_minutes_run_down_by_the_clock(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        world.failure = UnreachableError("gone")
        world.now += timedelta(minutes=26)
        await poll(here)
        assert "(60 s)" in here.text


async def test_an_answer_that_stays_away_is_told_with_since_when_and_not_asked_for_twice(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        world.answers.clear()
        await poll(here)
        asked = len(world.asked_for("status"))
        assert "▲" in here.text.splitlines()[0]
        for _ in range(2):
            await poll(here)
            assert f"△ no answer since {world.now.astimezone():%H:%M:%S}" in here.text
        assert len(world.asked_for("status")) == asked
        world.answers.set()
        await here.settle()
        assert "△" not in here.text and "▲" in here.text.splitlines()[0]


async def test_an_end_that_comes_near_is_told_once_and_when_it_is_there_nothing_is_allowed(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        world.failure = UnreachableError("gone")
        world.now += timedelta(minutes=23)
        await poll(here)
        assert "web-07 #4711: allowed until 14:32 only; p asks for more" in here.text
        here.app.clear_notifications()
        world.now += timedelta(minutes=1)
        await poll(here)
        assert "asks for more" not in here.text
        world.now += timedelta(minutes=4)
        await poll(here)
        assert "may: nothing: the time the customer allowed is over" in here.text


async def test_a_lost_link_is_said_and_found_again(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        world.cut()
        await poll(here)
        assert "▼ link down" in here.text
        await poll(here)
        world.mend()
        await poll(here)
        assert "▲ linked" in here.text
        assert world.asked_for("close session") == [("close session",)], "the connection that was lost is let go"


async def test_a_link_that_is_cut_says_since_when_and_is_left_to_come_back(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        world.tell_link(LinkNews.CUT, world.now)
        await here.settle()
        assert f"▼ reconnecting… since {world.now.astimezone():%H:%M:%S}" in here.text
        asked = len(world.calls)
        for _ in range(5):
            await poll(here)
        assert len(world.calls) == asked, "neither asked nor dialled: that would end what runs on the link"
        world.tell_link(LinkNews.BACK, world.now)
        await here.settle()
        assert "▲ linked" in here.text
        assert len(world.calls) > asked


async def test_a_link_that_was_given_up_is_dialled_anew(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        world.tell_link(LinkNews.CUT, world.now)
        world.tell_link(LinkNews.OVER, world.now)
        await here.settle()
        assert "▼ link down" in here.text
        await poll(here)
        assert len(world.asked_for("connect")) == 2
        assert "▲ linked" in here.text
        world.tell_link(LinkNews.OVER, world.now)
        await here.settle()
        assert "▲ linked" in here.text, "what is said of a connection that was replaced counts no more"


async def test_a_session_that_cannot_be_reached_at_first_is_tried_again(world: World) -> None:
    async with stage(world) as here:
        await here.press("enter")
        world.cut()
        await here.press("enter")
        assert "cannot be reached" in here.text
        world.mend()
        await poll(here)
        assert "web-07" in here.text
        assert "cannot be reached" not in here.text


async def test_a_revoked_session_is_over_and_asks_nothing_more(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        world.failure = RefusedError("the customer ended it", reason="revoked", advice="Invite anew.")
        await poll(here)
        assert "■ ended" in here.text
        assert "may: nothing" in here.text
        assert "the customer ended it" in here.text
        world.calls.clear()
        await poll(here)
        await here.press("d")
        assert world.calls == []


async def test_a_look_shows_a_bar_for_each_collector_and_can_be_stopped(world: World) -> None:
    world.hold.clear()
    async with stage(world, session=SESSION) as here:
        await here.press("d")
        await here.pilot.pause(0.1)
        assert "certificates" in here.text
        assert "4/8" in here.text
        assert "[esc] stop" in here.text
        await here.pictures("session-collecting")
        await here.press("escape")
        assert "– first-look" in here.text
        assert "Nothing was looked at yet" in here.text
        here.screen(SessionScreen)
    assert world.asked_for("findings") == []


async def test_the_screen_answers_keys_while_a_look_is_under_way(world: World) -> None:
    world.hold.clear()
    async with stage(world, session=SESSION) as here:
        await here.press("d", "7")
        assert "Session opened" in here.text
        await here.press("d")
        assert "One thing at a time" in here.text
        world.hold.set()
        await here.settle()
    assert len(world.asked_for("collect")) == 1


@pytest.mark.parametrize("size", SIZES)
async def test_findings_as_a_picture(world: World, size: tuple[int, int]) -> None:
    async with stage(world, size, session=SESSION) as here:
        await look(here)
        await here.press("down")
        here.compare("session-findings")


async def test_findings_stand_worst_first_and_what_passed_is_folded(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await look(here)
        text = here.text
        places = [text.index(words) for words in ("TLS certificate", "its port is", "/var fills", "SMART", "41 passed")]
        assert places == sorted(places)
        assert "1 Findings 4" in text
        assert "Check 11" not in text
        await here.press("a")
        assert "Check 11" in here.text


async def test_nothing_found_is_said_and_not_an_empty_page(world: World) -> None:
    passed = [finding for finding in world.findings if finding.outcome == "pass"]
    world.findings = [*passed, replace(passed[0], outcome="skipped", issue="skipped.1")]
    async with stage(world, WIDE, session=SESSION) as here:
        await look(here)
        assert "No known issue was found." in here.text
        assert "41 passed, 1 does not apply here" in here.text
        await here.press("a", "home")
        assert "✔ pass" in here.text
        assert "passed.0" in here.text


async def test_a_finding_shows_its_evidence_out_of_the_facts_and_leads_there(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await look(here)
        await here.press("down")
        assert "listening_ports#/1" in here.text
        assert "name=apache2 port=80 pid=812" in here.text
        await here.press("v")
        await here.pilot.pause(0.1)
        tree = here.app.screen.query_one(Tree)
        assert tree.cursor_node is not None
        assert str(tree.cursor_node.label) == "1  apache2"
        assert "pid  812" in here.text


async def test_a_bundle_already_here_is_evaluated_at_once(world: World) -> None:
    world.has_bundle = True
    async with stage(world, session=SESSION) as here:
        assert "its port is taken" in here.text
    assert world.asked_for("collect") == []


async def test_facts_open_branch_by_branch(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("2")
        assert "No bundle yet" in here.text
        await here.press("1")
        await look(here)
        await here.press("2", "down", "enter")
        assert "Debian GNU/Linux 12" in here.text
        await here.pictures("session-facts")


async def test_escape_leaves_the_search_in_the_facts_first_and_the_session_then(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await look(here)
        await here.press("2", "slash")
        await here.write("apache")
        await here.press("enter")
        assert "found" in here.text and "listening_ports#" in here.text
        await here.press("escape")
        assert "▶ services" in here.text and "found" not in here.text
        await here.press("slash", "x", "escape")
        assert "▶ services" in here.text and isinstance(here.app.focused, Tree)
        here.screen(SessionScreen)
        await here.press("escape")
        here.screen(TicketsScreen)


async def test_a_program_runs_and_its_output_is_shown(world: World) -> None:
    world.scopes = (*world.scopes, "terminal")
    async with stage(world, session=SESSION) as here:
        await here.press("4")
        await here.write("uname -a 'two words'")
        await here.press("enter")
        assert world.asked_for("run") == [("run", "uname", "-a", "two words")]
        assert "$ uname -a 'two words'" in here.text
        assert "Linux web-07" in here.text
        assert "a warning" in here.text
        assert "✖ exit 3" in here.text
        await here.pictures("session-actions")


async def test_an_open_quote_is_told_and_nothing_runs(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("4")
        await here.write("echo 'x")
        await here.press("enter")
        assert "a quote is not closed" in here.text
    assert world.asked_for("run") == []


async def test_a_running_program_is_stopped_by_escape(world: World) -> None:
    world.scopes = (*world.scopes, "terminal")
    world.hold.clear()
    async with stage(world, session=SESSION) as here:
        await here.press("4", "t", "o", "p", "enter")
        await here.press("escape")
        assert "– run top" in here.text
        here.screen(SessionScreen)


async def test_what_the_customer_did_not_allow_is_a_sentence_with_advice(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("4", "i", "d", "enter")
        assert "the customer did not allow terminal" in here.text
        assert "Press p to ask the customer for it." in here.text
        await here.pictures("session-refused")
        await here.press("escape", "3", "enter")
        assert "Press p" not in here.text


async def test_escape_leaves_the_field_before_the_screen(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("4")
        assert isinstance(here.app.focused, Input)
        await here.press("escape")
        here.screen(SessionScreen)
        await here.press("escape")
        here.screen(TicketsScreen)


async def test_more_is_asked_of_the_customer(world: World) -> None:
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("p")
        here.screen(ScopesScreen)
        await here.press("down", "down", "down", "down", "space")
        here.app.screen.query_one("#why", Input).value = "to see it"
        await here.press("ctrl+s")
        assert "fix  terminal" in here.text
        assert "allowed now: diagnose, files:read, fix, terminal" in here.text
    assert world.asked_for("request_scopes") == [
        ("request_scopes", "diagnose", "files:read", "fix", "terminal", "to see it")
    ]


async def test_the_log_shows_the_session_s_records(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("7")
        assert "Consent granted diagnose" in here.text
        world.lines.append("2026-03-14 14:06:00  →  Alice Example: Runs a program")
        await look(here)
        await here.press("7")
        assert "Runs a program" in here.text
        await here.pictures("session-log")


async def test_a_look_begun_in_another_tab_stays_with_its_findings(world: World) -> None:
    world.hold.clear()
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("3", "enter", "d")
        assert here.app.screen.query_one(TabLine).active == "findings"
        await here.press("o")
        here.screen(OverviewScreen)
        world.hold.set()


async def test_ending_needs_a_note_and_goes_back(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("e", "enter")
        here.screen(EndScreen)
        assert "needs a sentence" in here.text
        await here.pictures("end")
        await here.write("Port freed")
        await here.press("enter")
        here.screen(TicketsScreen)
        assert "The session has ended." in here.text
    assert world.asked_for("end") == [("end", "Port freed", "")]


async def test_the_time_spent_is_said_at_the_end_or_refused_in_a_sentence(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("e")
        await here.write("Port freed")
        await here.press("tab", "tab")
        await here.write("soon")
        await here.press("enter")
        assert "'soon' is not a time spent" in here.text
        await here.press("home", "ctrl+k")
        await here.write("1h")
        await here.press("enter")
        here.screen(TicketsScreen)
    assert world.asked_for("end") == [("end", "Port freed", "", "60")]


async def test_what_is_booked_by_itself_is_shown_before_the_end(world: World) -> None:
    world.tickets[0] = msgspec.structs.replace(world.tickets[0], id="rt:17", keeps_time=True, books_time=True)
    async with stage(world, session=SESSION) as here:
        await here.press("e")
        assert "27 min, booked by itself" in here.text


async def test_what_was_not_delivered_at_the_end_is_said(world: World) -> None:
    world.undelivered = "the closing note in the ticket book"
    async with stage(world, WIDE, session=SESSION) as here:
        await here.press("e", "x", "enter")
        assert "not delivered" in here.text
        assert "ticket book" in " ".join(here.text.split())


async def test_leaving_the_note_goes_on_working(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("e", "escape")
        here.screen(SessionScreen)
    assert world.asked_for("end") == []


async def test_a_fault_of_ours_is_a_sentence_and_not_the_end_of_the_screen(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        world.output = ((1, "not bytes"),)  # type: ignore[assignment]  # breaks our own code on purpose
        world.scopes = ("terminal",)
        await here.press("4", "x", "enter")
        assert "fault of this program" in here.text
        here.screen(SessionScreen)


async def test_a_program_that_ended_well_says_so(world: World) -> None:
    world.scopes = ("terminal",)
    world.run_done = Done(action="a", status="done", truncated=True, sentence="took 3 s")
    async with stage(world, session=SESSION) as here:
        await here.press("4", "x", "enter")
        assert "✔ exit 0  took 3 s  the output was cut" in here.text


async def test_a_finding_without_a_fix_says_so(world: World) -> None:
    async with stage(world, session=SESSION) as here:
        await here.press("d", "enter")
        here.screen(SessionScreen)
        assert "No fix is known for this one" in here.text
    assert world.asked_for("plan") == []

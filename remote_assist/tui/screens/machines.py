"""Machines nobody sits at: which are enrolled, which wait, and a session with one for a ticket."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType

from remote_assist.core.api import Ticket
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import machines
from remote_assist.tui.messages import JobCancelled, JobFailed, MachineAnswered, MachinesListed, OpenSession
from remote_assist.tui.ports import EnrolledPort
from remote_assist.tui.screens.browse import BrowseScreen, Item
from remote_assist.tui.screens.forms import DEFAULT_CONSENT_SECONDS, ScopesScreen, Wish
from remote_assist.tui.theme import FAINT, GOOD, WARN
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import day_and_time
from remote_assist.tui.work import Work

ASKED = ("diagnose",)
"""What is asked for unless more is ticked."""


class MachinesScreen(BrowseScreen):
    """Enter shows what will be asked; nothing is called before that was said yes to."""

    HEADING = "enrolled machines"
    NOTHING = "No machine is enrolled. `remote-assist invite --ticket ID --enroll` begins it."
    COLUMNS: ClassVar[tuple[str, ...]] = ("state", "name", "enrolled by", "seen")
    FLEXIBLE = 1
    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "call", "call", id="machines.call")]

    def __init__(self, work: Work, ticket: Ticket) -> None:
        super().__init__(work)
        self._ticket = ticket
        self._machines: dict[str, EnrolledPort] = {}
        self._calling = False

    @property
    def _title(self) -> Text:
        return joined(("remote-assist · enrolled machines · for #", "bold"), shown(self._ticket.id, max_chars=40))

    def action_load(self) -> None:
        machines.list_machines(self._work, self)

    @on(MachinesListed)
    def show_machines(self, listed: MachinesListed) -> None:
        self._machines = {one.machine.id: one for one in listed.machines}
        self.show_items([machine_item(one) for one in listed.machines])

    def choose(self, key: str) -> None:
        self.action_call()

    def action_call(self) -> None:
        if self._calling or not (item := self.selected):
            return
        one = self._machines[item.key]
        if not one.here:
            self.notify("This machine is away: it can be called while its `standby` runs.", markup=False)
            return
        name = shown(one.machine.enrolment.name, max_chars=60).plain
        remark = (
            "It answers by its standing consent, as far as that goes; each use is a record and a line on the ticket."
        )
        form = ScopesScreen(Wish(ASKED, DEFAULT_CONSENT_SECONDS), title=f"What to ask {name} for", remark=remark)
        self.app.push_screen(form, lambda wish: self._call(item.key, wish))

    def _call(self, machine: str, wish: Wish | None) -> None:
        if wish is not None:
            self._calling = True
            self.say("calling it … esc gives up")
            machines.call_machine(self._work, self, machine, self._ticket, wish.scopes, wish.seconds)

    @on(MachineAnswered)
    def enter(self, answered: MachineAnswered) -> None:
        self._stop()
        if self.is_current:
            self.app.pop_screen()
        self.app.post_message(OpenSession(answered.session))

    @on(JobFailed)
    @on(JobCancelled)
    def _stop(self) -> None:
        self._calling = False
        self.say(str(len(self._items)))

    def action_back(self) -> None:
        """Out of the call first."""
        if self._calling:
            self._work.cancel(self, Job.CALL)
        else:
            super().action_back()


def machine_item(one: EnrolledPort) -> Item:
    """One line of the list."""
    enrolment, by = one.machine.enrolment, one.machine.by.name
    state = ("● waits", GOOD) if one.here else ("○ away", WARN)
    seen = shown(day_and_time(one.seen), max_chars=40)
    return Item(
        one.machine.id,
        (joined(state), shown(enrolment.name, max_chars=100), shown(by, max_chars=80), seen),
        joined(
            shown(enrolment.name, "bold", max_chars=200),
            ("\nid        ", FAINT), shown(one.machine.id, max_chars=100),
            ("\nstate     ", FAINT), state,
            ("\nseen      ", FAINT), seen,
            ("\nenrolled  ", FAINT), shown(day_and_time(enrolment.issued), max_chars=40),
            (" by ", FAINT), shown(by, max_chars=80),
            ("\n\nenter: what to ask it for · its standing consent says how far that goes", FAINT),
        ),
        words=one.machine.id,
    )  # fmt: skip

"""The outbox: every note that has not reached its ticket system, why, and another try for those put aside."""

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from remote_assist.core.api import Delivery
from remote_assist.tui.jobs import outbox
from remote_assist.tui.messages import DeliveriesFreed, OutboxLoaded
from remote_assist.tui.screens.browse import BrowseScreen, Item
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import day_and_time

DEAD = "dead"
SIGNS = {DEAD: ("✖", BAD), "unclear": ("?", WARN)}
"""Sign and colour of a state; all others wait and need nobody."""


class OutboxScreen(BrowseScreen):
    """Dead letters first; `t` tries one again, `T` all of them."""

    HEADING = "outbox"
    NOTHING = "Everything was delivered."
    COLUMNS: ClassVar[tuple[str, ...]] = ("", "ticket", "what", "queued", "tries", "why")
    FLEXIBLE = 5
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "retry", "try again", id="outbox.retry"),
        Binding("T", "retry_all", "all again", id="outbox.retry_all"),
    ]

    def action_load(self) -> None:
        outbox.load(self._work, self)

    @on(OutboxLoaded)
    def show_outbox(self, loaded: OutboxLoaded) -> None:
        found = sorted(loaded.outbox.deliveries, key=lambda one: (one.state != DEAD, one.id))
        self.show_items([delivery_item(one, loaded.outbox.paused) for one in found])

    def action_retry(self) -> None:
        item = self.selected
        if item is None:
            return
        if item.words != DEAD:
            self.notify("This one is tried again by itself.", markup=False)
            return
        outbox.retry(self._work, self, int(item.key))

    def action_retry_all(self) -> None:
        if any(item.words == DEAD for item in self._items.values()):
            outbox.retry(self._work, self, 0)

    @on(DeliveriesFreed)
    def show_freed(self, freed: DeliveriesFreed) -> None:
        self.notify("1 will be tried again" if freed.count == 1 else f"{freed.count} will be tried again", markup=False)
        self.action_load()


def delivery_item(one: Delivery, paused: Mapping[str, str]) -> Item:
    """One line of the outbox. `paused`: systems that are left alone for now, and why."""
    sign, colour = SIGNS.get(one.state, ("·", FAINT))
    resting = paused.get(one.ticket.partition(":")[0], "")
    why = one.fault or (f"left alone for now: {resting}" if resting else "")
    return Item(
        str(one.id),
        (
            joined((f"{sign} ", colour), shown(one.state, colour, max_chars=10)),
            joined("#", shown(one.ticket, max_chars=40)),
            shown(one.kind, max_chars=10),
            shown(day_and_time(one.queued), FAINT, max_chars=20),
            shown(str(one.attempts), FAINT),
            shown(why, max_chars=200),
        ),
        joined(
            ("ticket   #", FAINT), shown(one.ticket, max_chars=80),
            ("\nwhat     ", FAINT), shown(one.kind, max_chars=20),
            ("\nstate    ", FAINT), shown(f"{one.state}, tried {one.attempts} times", colour, max_chars=60),
            ("\nqueued   ", FAINT), shown(day_and_time(one.queued), max_chars=40),
            ("\nnext try ", FAINT), shown(_next_try(one), max_chars=40),
            ("\nwhy      ", FAINT), shown(why or "its turn has not come", max_chars=2000),
        ),
        words=one.state,
    )  # fmt: skip


def _next_try(one: Delivery) -> str:
    return "none by itself" if one.state == DEAD else day_and_time(one.due)

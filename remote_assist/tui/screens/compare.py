"""Two bundles side by side: choose the older and the newer, then read what changed."""

import re
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType

from remote_assist.technician.bundle_shelf import ShelvedBundle
from remote_assist.tui.jobs import reading
from remote_assist.tui.messages import BundlesCompared, BundlesListed
from remote_assist.tui.ports import ChangePort
from remote_assist.tui.screens.browse import BrowseScreen, Item
from remote_assist.tui.theme import ACCENT, BAD, FAINT, GOOD, WARN
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import day_and_time_of, size
from remote_assist.tui.work import Work

_STAMP = re.compile(r"(-\d{8}T\d{6}Z)?\.tar\.zst$")
"""The end of a bundle file's name that says when, which has a column of its own."""

SIGNS = {"added": ("+", GOOD), "removed": ("-", BAD), "changed": ("~", WARN), "unknown": ("?", FAINT)}


class BundlesScreen(BrowseScreen):
    """The bundles of this machine; two that are marked are compared, the older one first."""

    HEADING = "bundles"
    NOTHING = "No bundle was collected to this machine yet. Press d in a session."
    COLUMNS: ClassVar[tuple[str, ...]] = ("", "collected", "customer", "ticket", "subject", "bundle", "size")
    FLEXIBLE, SPARE = 4, (6, 5)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", id="bundles.mark"),
        Binding("c", "compare", "compare", id="bundles.compare"),
    ]

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._bundles: dict[str, ShelvedBundle] = {}
        self._marked: list[str] = []

    def action_load(self) -> None:
        reading.list_bundles(self._work, self)

    @on(BundlesListed)
    def show_bundles(self, listed: BundlesListed) -> None:
        self._bundles = {str(one.path): one for one in listed.bundles}
        self._marked = [key for key in self._marked if key in self._bundles]
        self._show()

    def _show(self) -> None:
        self.show_items([_bundle_item(key, one, key in self._marked) for key, one in self._bundles.items()])

    def choose(self, key: str) -> None:
        if len(self._marked) == 2:
            self.action_compare()
        else:
            self.action_mark()

    def action_mark(self) -> None:
        if not (item := self.selected):
            return
        if item.key in self._marked:
            self._marked.remove(item.key)
        else:
            self._marked = [*self._marked[-1:], item.key]
        self._show()

    def action_compare(self) -> None:
        if len(self._marked) != 2:
            self.notify("Mark two bundles with space first.", severity="warning", markup=False)
            return
        older, newer = sorted(self._marked, key=lambda key: self._bundles[key].modified)
        self.app.push_screen(ComparedScreen(self._work, Path(older), Path(newer)))


class ComparedScreen(BrowseScreen):
    """What changed from one bundle to the other: before and after side by side."""

    HEADING = "two bundles"
    NOTHING = "Nothing changed between the two."
    COLUMNS: ClassVar[tuple[str, ...]] = ("", "kind", "name", "before", "after")
    FLEXIBLE = 2

    def __init__(self, work: Work, older: Path, newer: Path) -> None:
        super().__init__(work)
        self._older, self._newer = older, newer

    def action_load(self) -> None:
        reading.compare(self._work, self, self._older, self._newer)

    @on(BundlesCompared)
    def show_changes(self, compared: BundlesCompared) -> None:
        notes = Text("\n".join(shown(note, max_chars=300).plain for note in compared.notes), FAINT)
        self.show_items([_change_item(str(number), one, notes) for number, one in enumerate(compared.changes)])


def _bundle_item(key: str, bundle: ShelvedBundle, marked: bool) -> Item:
    when = day_and_time_of(bundle.modified)
    name = _STAMP.sub("", bundle.path.name)
    return Item(
        key,
        (
            joined(("◆" if marked else " ", ACCENT)),
            joined((when, "")),
            shown(bundle.host, max_chars=60),
            joined("#" if bundle.ticket else "", shown(bundle.ticket, max_chars=40)),
            shown(bundle.subject or bundle.session, "" if bundle.subject else FAINT, max_chars=200),
            shown(name, max_chars=80),
            joined((size(bundle.size), FAINT)),
        ),
        joined(
            shown(name, "bold", max_chars=80),
            (f"  {size(bundle.size)}, {when}\nsession ", FAINT),
            shown(bundle.session, max_chars=40),
            "\n\n",
            shown(str(bundle.path), FAINT, max_chars=400),
        ),
    )


def _change_item(key: str, change: ChangePort, notes: Text) -> Item:
    sign, colour = SIGNS.get(change.change, ("?", FAINT))
    full = joined(
        shown(f"{change.change} ", colour, max_chars=40),
        shown(f"{change.kind} {change.name}", "bold", max_chars=400),
        ("\n\nbefore\n", FAINT),
        shown(change.before or "—", lines=True, max_chars=4000),
        ("\n\nafter\n", FAINT),
        shown(change.after or "—", lines=True, max_chars=4000),
        "\n\n",
        notes,
    )
    return Item(
        key,
        (
            joined((sign, colour)),
            shown(change.kind, FAINT, max_chars=40),
            shown(change.name, max_chars=200),
            shown(change.before, max_chars=80),
            shown(change.after, max_chars=80),
        ),
        full,
    )

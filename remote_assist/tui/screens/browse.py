"""A list and what its line says in full: the shape of all screens one only reads in. `/` narrows the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static

from remote_assist.tui.messages import JobFailed
from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.hanging import HangingText
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import ProblemPanel, TwoEnds
from remote_assist.tui.widgets.table import FitTable, Row
from remote_assist.tui.widgets.text import joined
from remote_assist.tui.work import Work

MAX_WORD = 100


@dataclass(frozen=True, slots=True)
class Item:
    """One line. `words` are what a search looks in besides the cells; `full` is shown beside the list."""

    key: str
    cells: tuple[Text, ...]
    full: Text
    words: str = ""

    def holds(self, word: str) -> bool:
        """Whether every part of what is searched is in it, in any case."""
        hay = " ".join([*(cell.plain for cell in self.cells), self.words]).casefold()
        return all(part in hay for part in word.casefold().split())


class BrowseScreen(Screen[None]):
    """Subclasses say where the items come from (`load`) and what choosing one does (`choose`)."""

    HEADING: ClassVar[str] = ""
    NOTHING: ClassVar[str] = "Nothing here."
    COLUMNS: ClassVar[tuple[str, ...]] = ()
    FLEXIBLE: ClassVar[int] = 0
    SPARE: ClassVar[tuple[int, ...]] = ()
    """Columns left out where it is narrow: what they say stands beside the list too."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/"),
        Binding("r", "load", "reload"),
        Binding("escape", "back", "back", key_display="esc"),
    ]

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work
        self._items: dict[str, Item] = {}

    def compose(self) -> ComposeResult:
        yield TwoEnds(self._title, "loading …", id="top")
        yield ProblemPanel()
        yield Input(id="word", max_length=MAX_WORD, placeholder="words to look for")
        yield Static(id="empty", classes="empty")
        with Container(id="browse"):
            yield FitTable(self.COLUMNS, flexible=self.FLEXIBLE, spare=self.SPARE)
            with VerticalScroll(id="full", can_focus=True):
                yield HangingText(id="full-text")
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one("#empty").display = False
        self.query_one("#word").display = False
        self.query_one(FitTable).focus()
        self.action_load()

    # --- what subclasses say ------------------------------------------------------------------------

    def action_load(self) -> None:
        """Ask for the items; the answer calls `show_items`."""
        raise NotImplementedError

    def choose(self, key: str) -> None:
        """A line was chosen; by default its full text is read."""
        self.query_one("#full").focus()

    # --- what all do --------------------------------------------------------------------------------

    @property
    def _title(self) -> Text:
        return Text(f"remote-assist · {self.HEADING}", "bold", end="")

    @property
    def selected(self) -> Item | None:
        """The line under the cursor."""
        return self._items.get(self.query_one(FitTable).selected or "")

    def show_items(self, items: Sequence[Item]) -> None:
        """Replace the list."""
        self._items = {item.key: item for item in items}
        self.query_one(ProblemPanel).clear()
        self._draw()

    def _draw(self) -> None:
        word = self.query_one("#word", Input).value.strip()
        found = [item for item in self._items.values() if item.holds(word)]
        self.query_one(FitTable).show_rows([Row(item.key, item.cells) for item in found])
        self.query_one("#browse").display = bool(found)
        empty = self.query_one("#empty", Static)
        empty.update(Text(f"Nothing has these words: {word}" if word else self.NOTHING))
        empty.display = not found
        self.say(f"{len(found)} of {len(self._items)}" if word else str(len(found)))
        self._show_full()

    def say(self, words: str) -> None:
        """How it stands, at the end of the first line."""
        self.query_one("#top", TwoEnds).show(self._title, joined((words, FAINT)))

    def _show_full(self) -> None:
        item = self.selected
        self.query_one("#full-text", HangingText).show(item.full if item else Text())
        self.query_one("#full").scroll_home(animate=False)

    @on(DataTable.RowHighlighted)
    def show_highlighted(self) -> None:
        self._show_full()

    @on(DataTable.RowSelected)
    def choose_selected(self) -> None:
        if item := self.selected:
            self.choose(item.key)

    def action_search(self) -> None:
        field = self.query_one("#word", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#word")
    def narrow(self) -> None:
        if self._items:
            self._draw()

    @on(Input.Submitted, "#word")
    def leave_field(self) -> None:
        self.query_one(FitTable).focus()

    def action_back(self) -> None:
        """Out of the full text or the field first, then out of the screen."""
        field = self.query_one("#word", Input)
        if field.display and (field.has_focus or field.value):
            field.value, field.display = "", False
            self.query_one(FitTable).focus()
        elif self.query_one("#full").has_focus:
            self.query_one(FitTable).focus()
        else:
            self.app.pop_screen()

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        self.query_one(ProblemPanel).show(failed.problem, ("r", "try again"), ("esc", "back"))

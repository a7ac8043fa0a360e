"""A text on the whole screen: of a bundle, or a file that was fetched. Search, next, only the lines found."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from remote_assist.technician.log_file import MAX_HITS, MAX_NEEDLE_BYTES, LogFile
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import logs as jobs
from remote_assist.tui.messages import JobCancelled, JobFailed, SearchEnded, SearchMoved
from remote_assist.tui.theme import FAINT, WARN
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import TwoEnds
from remote_assist.tui.widgets.log_view import LogView
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import size
from remote_assist.tui.work import Work


class LogScreen(Screen[None]):
    """Owns `log` and closes it. `badge`: whose it is, always in view. `line`: where to begin, or -1."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask_word", "search", key_display="/", id="text.ask_word"),
        Binding("n", "hit(1)", "next"),
        Binding("N", "hit(-1)", "previous"),
        Binding("f", "only_hits", "only these", id="text.only_hits"),
        Binding("escape,q", "leave", "back", key_display="esc", id="text.leave"),
    ]

    def __init__(self, work: Work, log: LogFile, badge: Text, line: int = -1) -> None:
        super().__init__()
        self._work = work
        self._log = log
        self._badge = badge
        self._line = line
        self._word = ""
        self._hits: list[int] = []
        self._searched = -1
        self._only = False
        self._at = -1

    def compose(self) -> ComposeResult:
        yield TwoEnds("", "", id="top")
        yield LogView(self._log)
        yield Input(id="word", placeholder="search", max_length=MAX_NEEDLE_BYTES)
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self._view.focus()
        if self._line > 0:
            self.call_after_refresh(self._view.go, self._line, mark=True)
        self._draw_top()

    def on_unmount(self) -> None:
        self.workers.cancel_node(self)
        self._log.close()

    @property
    def _view(self) -> LogView:
        return self.query_one(LogView)

    def action_ask_word(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    @on(Input.Submitted)
    def begin(self, submitted: Input.Submitted) -> None:
        self.query_one(Input).display = False
        self._view.focus()
        self._word, self._hits, self._at, self._searched = submitted.value, [], -1, 0
        self._show_only(only=False)
        self._view.show_word(self._word)
        if self._word:
            jobs.search(self._work, self, self._log, self._word)
        self._draw_top()

    @on(SearchMoved)
    def take_hits(self, moved: SearchMoved) -> None:
        hits, self._searched = moved.board.take()
        if moved.word != self._word:
            return
        first = not self._hits and bool(hits)
        self._hits.extend(hits)
        if first:
            self._go_to_first()
        if self._only:
            self._view.show_only(self._hits)
        self._draw_top()

    @on(SearchEnded)
    def show_end(self, ended: SearchEnded) -> None:
        if ended.word == self._word:
            self._searched = self._log.size
            self._draw_top()

    @on(JobFailed)
    def show_failure(self, failed: JobFailed) -> None:
        self.notify(shown(failed.problem.sentence, max_chars=300).plain, severity="error", markup=False)

    @on(JobCancelled)
    def show_cancelled(self) -> None:
        self._draw_top()

    @on(LogView.Moved)
    def show_place(self) -> None:
        self._draw_top()

    def action_hit(self, step: int) -> None:
        if self._hits:
            self._at = (self._at + step) % len(self._hits)
            self._view.go(self._hits[self._at], mark=True)

    def action_only_hits(self) -> None:
        if self._word:
            self._show_only(only=not self._only)

    def action_leave(self) -> None:
        """Leave the field; else stop the search; else see all lines again; else leave."""
        if self.query_one(Input).display:
            self.query_one(Input).display = False
            self._view.focus()
        elif 0 <= self._searched < self._log.size and self._word:
            self._work.cancel(self, Job.SEARCH)
            self._searched = self._log.size
        elif self._only:
            self._show_only(only=False)
        else:
            self.dismiss(None)

    def _go_to_first(self) -> None:
        """The first hit at or after what is on the screen."""
        self._at = next((number for number, hit in enumerate(self._hits) if hit >= self._view.top), 0)
        self._view.go(self._hits[self._at], mark=True)

    def _show_only(self, *, only: bool) -> None:
        self._only = only
        self._view.show_only(self._hits if only else None)

    def _draw_top(self) -> None:
        share = 100 * self._view.top // self._log.size if self._log.size else 0
        left = joined(self._badge, " ", shown(self._log.name, "bold", max_chars=120))
        self.query_one("#top", TwoEnds).show(
            left, joined(self._search_words(), (f"{size(self._log.size)}  {share} %", FAINT))
        )

    def _search_words(self) -> Text:
        if not self._word:
            return Text(end="")
        more = "+" if len(self._hits) >= MAX_HITS else ""
        place = f"{self._at + 1}/" if self._hits else ""
        running = self._searched < self._log.size and len(self._hits) < MAX_HITS
        share = f" {100 * max(0, self._searched) // max(1, self._log.size)} %" if running else ""
        words = f"{place}{len(self._hits)}{more}{share}   " if self._hits or running else "not found   "
        return joined(shown(self._word, WARN, max_chars=40), "  ", (words, FAINT))

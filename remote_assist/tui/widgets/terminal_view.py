"""A remote terminal on the screen: draws cells, turns keys into bytes, scrolls back, copies what is selected."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import on
from textual.binding import Binding, BindingType
from textual.events import Key, MouseScrollDown, MouseScrollUp, Paste, Resize
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from remote_assist.tui.jobs.terminals import open_terminal
from remote_assist.tui.messages import JobCancelled, JobFailed, TerminalEnded, TerminalNews
from remote_assist.tui.pending import TerminalLine
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.terminal_keys import key_bytes, pasted_bytes
from remote_assist.tui.terminal_screen import Cell, TerminalScreen
from remote_assist.tui.widgets.text import shown
from remote_assist.tui.work import Work

FEED_BYTES = 4096
"""How much is shown between two looks at the keyboard: pyte takes a few milliseconds for it."""

MAX_PASTE = 64 << 10
WHEEL_LINES = 3
LEAST_COLUMNS, LEAST_ROWS = 20, 5

COLOURS = {
    "black": "#3a4048",
    "red": "#ee7a72",
    "green": "#86c98a",
    "brown": "#e0b45c",
    "blue": "#7fb4e6",
    "magenta": "#c6a0e8",
    "cyan": "#5ec8c0",
    "white": "#d6dbe1",
    "brightblack": "#8b95a1",
    "brightred": "#ff9a92",
    "brightgreen": "#a6e9aa",
    "brightbrown": "#ffd47c",
    "brightyellow": "#ffd47c",
    "brightblue": "#9fd4ff",
    "brightmagenta": "#e6c0ff",
    "bfightmagenta": "#e6c0ff",
    "brightcyan": "#7ee8e0",
    "brightwhite": "#ffffff",
}
"""pyte's names of the sixteen colours (one is spelled as pyte spells it); all others are six hex digits."""


class TerminalView(Widget, can_focus=True):
    """All keys go to the customer's terminal, but those below. `title` is what its tab says."""

    TAKES_EVERY_KEY = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+right_square_bracket", "release", "out of the terminal", key_display="^]", priority=True),
        Binding("shift+pageup", "scroll(-1)", "scroll back", show=False, priority=True),
        Binding("shift+pagedown", "scroll(1)", "scroll forward", show=False, priority=True),
        Binding("alt+c", "copy", "copy", key_display="alt+c", priority=True),
    ]

    class Released(Message):
        """The keys are wanted for something else."""

    class Over(Message):
        """The terminal ended."""

    def __init__(self, work: Work, session: SessionPort, number: int) -> None:
        super().__init__(id=f"terminal-{number}")
        self._work = work
        self._session = session
        self._line = TerminalLine(80, 24)
        self._opened = False
        self._back = 0
        self.number = number
        self.ended = ""
        self.screen_cells = TerminalScreen(80, 24)

    def on_resize(self, event: Resize) -> None:
        columns, rows = max(LEAST_COLUMNS, event.size.width), max(LEAST_ROWS, event.size.height)
        self.screen_cells.resize(columns, rows)
        if not self._opened:
            self._opened = True
            self._line.size = (columns, rows)
            open_terminal(self._work, self, self._session, self._line)
        elif (columns, rows) != self._line.size:
            self._line.resize(columns, rows)

    def close(self) -> None:
        """Close it at the customer's."""
        self.workers.cancel_node(self)

    # --- output -------------------------------------------------------------------------------------

    @on(TerminalNews)
    def show_output(self, news: TerminalNews) -> None:
        news.stop()
        self.screen_cells.feed(self._line.take(FEED_BYTES))
        if self._line.waiting:
            self.post_message(TerminalNews())
        self.refresh()

    @on(TerminalEnded)
    def show_end(self, ended: TerminalEnded) -> None:
        ended.stop()
        done = ended.done
        self._end("ended" if done is None else done.sentence or f"ended, status {done.exit}")

    @on(JobFailed)
    def show_failure(self, failed: JobFailed) -> None:
        failed.stop()
        problem = failed.problem
        advice = "Press p to ask the customer for it." if problem.reason == "out-of-scope" else problem.advice
        self._end(f"{problem.sentence}. {advice}")

    @on(JobCancelled)
    def show_closed(self, cancelled: JobCancelled) -> None:
        cancelled.stop()
        self._end("closed")

    def _end(self, words: str) -> None:
        while raw := self._line.take(FEED_BYTES):
            self.screen_cells.feed(raw)
        self.ended = words
        self.post_message(self.Over())
        self.refresh()

    # --- keys ---------------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        raw = key_bytes(event.key, event.character, application=self.screen_cells.wants_application_keys)
        if self.ended or not raw:
            return
        event.stop()
        event.prevent_default()
        self._type(raw)

    def on_paste(self, event: Paste) -> None:
        event.stop()
        self._type(pasted_bytes(event.text[:MAX_PASTE], bracketed=self.screen_cells.wants_bracketed_paste))

    def _type(self, raw: bytes) -> None:
        if self._back:
            self._back = 0
            self.refresh()
        if not self._line.type(raw):
            self.app.bell()

    def action_release(self) -> None:
        self.post_message(self.Released())

    def action_copy(self) -> None:
        """What is selected, else the lines on the screen; to the clipboard of the technician's own terminal."""
        text = self.screen.get_selected_text() or "\n".join(
            self.screen_cells.text(row - self._back) for row in range(self.screen_cells.rows)
        )
        self.app.copy_to_clipboard(text.strip("\n"))
        self.notify(f"{len(text)} characters copied", markup=False, timeout=2)

    def action_scroll(self, pages: int) -> None:
        self._scroll(pages * max(1, self.screen_cells.rows - 1))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self._scroll(WHEEL_LINES)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self._scroll(-WHEEL_LINES)

    def _scroll(self, lines: int) -> None:
        self._back = max(0, min(self.screen_cells.scrollback, self._back - lines))
        self.refresh()

    # --- drawing ------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        cells = self.screen_cells
        if y == cells.rows - 1 and self.ended:
            words = shown(f"  {self.ended}   x closes this tab", max_chars=400)
            return Strip([*words.render(self.app.console)]).adjust_cell_length(width).apply_style(self.rich_style)
        if y >= cells.rows:
            return Strip.blank(width, self.rich_style)
        row = y - self._back
        cursor = cells.cursor if self._back == 0 and self.has_focus and not self.ended else None
        at = cursor[0] if cursor is not None and cursor[1] == y else -1
        strip = cells_strip(cells.line(row), at).adjust_cell_length(width).apply_style(self.rich_style)
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(y)) is not None:
            strip = _selected(strip, span, width)
        return strip.apply_offsets(0, y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        rows = range(self.screen_cells.rows)
        spans = [(self.screen_cells.text(row - self._back), selection.get_span(row)) for row in rows]
        chosen = [text[span[0] : None if span[1] < 0 else span[1]] for text, span in spans if span is not None]
        return "\n".join(chosen), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self.refresh()


def cells_strip(line: Sequence[Cell], cursor: int) -> Strip:
    """A line of cells as it is drawn; `cursor` is the column it stands in, or -1."""
    return Strip([Segment(cell.text or "", _style(cell, here=x == cursor)) for x, cell in enumerate(line)]).simplify()


def _selected(strip: Strip, span: tuple[int, int], width: int) -> Strip:
    start, end = span[0], width if span[1] < 0 else min(span[1], width)
    marked = strip.crop(start, end).apply_style(Style(reverse=True))
    return Strip.join([strip.crop(0, start), marked, strip.crop(end, width)])


def _style(cell: Cell, *, here: bool) -> Style:
    return Style(
        color=_colour(cell.foreground),
        bgcolor=_colour(cell.background),
        bold=cell.bold or None,
        italic=cell.italic or None,
        underline=cell.underline or None,
        strike=cell.strike or None,
        reverse=(cell.reverse != here) or None,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    return COLOURS.get(name, f"#{name}" if len(name) == 6 else None)

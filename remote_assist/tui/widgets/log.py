"""The session's records as readable lines, as the relay holds them."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.widgets import RichLog

from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.text import shown

MAX_LINES = 2000


class LogPane(Container):
    """Newest line at the end, always in view."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield RichLog(max_lines=MAX_LINES, wrap=True, markup=False, highlight=False, min_width=20)

    def focus_list(self) -> None:
        self.screen.set_focus(self.query_one(RichLog))

    def show_lines(self, lines: Sequence[str]) -> None:
        """Draw again only when something is new."""
        if tuple(lines) == self._lines:
            return
        self._lines = tuple(lines)
        log = self.query_one(RichLog)
        log.clear()
        if len(lines) > MAX_LINES:
            log.write(Text(f"… {len(lines) - MAX_LINES} earlier records", FAINT))
        for line in lines[-MAX_LINES:]:
            log.write(shown(line, max_chars=1000))

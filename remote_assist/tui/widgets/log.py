"""The session's records as readable lines, as the relay holds them."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container

from remote_assist.tui.theme import FAINT
from remote_assist.tui.widgets.text import shown
from remote_assist.tui.widgets.wrapped_log import WrappedLog

MAX_LINES = 2000


class LogPane(Container):
    """Newest line at the end, always in view."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield WrappedLog(MAX_LINES)

    def focus_list(self) -> None:
        self.screen.set_focus(self.query_one(WrappedLog))

    def show_lines(self, lines: Sequence[str]) -> None:
        """Draw what is new: all of it only where it does not go on from what is here."""
        before, self._lines = self._lines, tuple(lines)
        log = self.query_one(WrappedLog)
        goes_on = len(lines) <= MAX_LINES and self._lines[: len(before)] == before
        if not goes_on:
            log.clear()
        if len(lines) > MAX_LINES:
            log.add(Text(f"… {len(lines) - MAX_LINES} earlier records", FAINT))
        new = self._lines[len(before) if goes_on else -MAX_LINES :]
        log.add(*(shown(line, max_chars=1000) for line in new))

"""Text in the width there is, whose lines go on below their own words: under the value, not under its label."""

import re

from rich.console import Console
from rich.text import Text
from textual.events import Resize
from textual.widgets import Static

_LABEL = re.compile(r" *(?:\S+(?: \S+){0,2} {2,})?")
"""What a line begins with: spaces, and up to three words with two spaces behind them."""

WIDEST_LABEL = 24
"""In characters; a longer beginning is no label."""
NARROWEST_VALUE = 20
"""Columns; where less would be left for the words, a line goes on at the left edge."""

_CONSOLE = Console(width=1000, color_system=None)
"""Rich wraps by a console; nothing is written to it."""


class HangingText(Static):
    """Shows a text; broken anew when the width changes."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Text()
        self._broken_to = 0

    def show(self, text: Text) -> None:
        self._text = text
        self._break()

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._broken_to:
            self._break()

    def _break(self) -> None:
        self._broken_to = self.content_size.width
        if self._broken_to:
            self.update(hanging(self._text, self._broken_to))


def hanging(text: Text, columns: int) -> Text:
    """The text in lines of at most so many columns."""
    lines = [part for line in text.split("\n", allow_blank=True) for part in _broken(line, columns)]
    return Text("\n", end="").join(lines)


def _broken(line: Text, columns: int) -> list[Text]:
    if line.cell_len <= columns:
        return [line]
    found = _LABEL.match(line.plain[: WIDEST_LABEL + 1])
    chars = found.end() if found and found.end() <= WIDEST_LABEL else 0
    if columns - line[:chars].cell_len < NARROWEST_VALUE:
        chars = 0
    label, value = line[:chars], line[chars:]
    indent = label.cell_len
    first, *rest = value.wrap(_CONSOLE, columns - indent)
    return [label + first, *(Text(" " * indent) + one for one in rest)]

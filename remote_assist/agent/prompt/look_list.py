"""The list of everything a look would read, in which the customer strikes what is not to be read. A value.

    [x] Services that run or failed (low)
          $ systemctl list-units --all …
    [ ] Latest logins (medium)                ← struck: nothing of it is read

Rule: only what is ticked is read; strikes count from the next look on.
"""

from dataclasses import dataclass, replace

from remote_assist.agent.prompt.columns import head
from remote_assist.agent.texts import say
from remote_assist.core.catalog.preview import PreviewItem

ROWS = 14
"""Rows shown at once: with the lines around them they fit a window of 24."""

ROW_COLUMNS = 72
"""A row is cut here, except the one under the cursor."""

CLOSING_KEYS = frozenset({"enter", "escape", "l", "L"})
STEPS = {"up": -1, "down": 1, "pageup": -ROWS, "pagedown": ROWS}


@dataclass(frozen=True, slots=True)
class LookList:
    """`cursor` is a row: an item, or one of the commands and files under it."""

    items: tuple[PreviewItem, ...]
    struck: frozenset[str] = frozenset()
    cursor: int = 0

    def after_key(self, key: str) -> "LookList":
        """The list once `key` was pressed; keys that mean nothing here change nothing."""
        rows = _rows(self.items)
        if key in STEPS and rows:
            return replace(self, cursor=min(len(rows) - 1, max(0, self.cursor + STEPS[key])))
        if key == " " and rows:
            return replace(self, struck=self.struck ^ {rows[self.cursor][0].collector})
        if key in {"n", "N"} and rows:
            return replace(self, cursor=_next_item(rows, self.cursor))
        return self

    def lines(self, deadline_seconds: int) -> list[str]:
        """What the customer reads: the rows around the cursor, and which keys there are."""
        rows = _rows(self.items)
        start = max(0, min(self.cursor - ROWS // 2, len(rows) - ROWS))
        shown = [
            self._line(rows[number], number == self.cursor) for number in range(start, min(start + ROWS, len(rows)))
        ]
        title = say("look.title", row=min(self.cursor + 1, len(rows)), rows=len(rows), struck=len(self.struck))
        return [title, "", *shown, "", say("look.keys", deadline=deadline_seconds)]

    def _line(self, row: tuple[PreviewItem, str], here: bool) -> str:
        item, read = row
        tick = " " if item.collector in self.struck else "x"
        text = f"      {read}" if read else f"[{tick}] {item.title} ({item.sensitivity})"
        line = f"{'>' if here else ' '}{say('ask.detail', detail=text)}"
        return line if here or len(line) <= ROW_COLUMNS else head(line, ROW_COLUMNS - 1) + "…"


def _rows(items: tuple[PreviewItem, ...]) -> list[tuple[PreviewItem, str]]:
    return [(item, read) for item in items for read in ("", *item.reads)]


def _next_item(rows: list[tuple[PreviewItem, str]], cursor: int) -> int:
    """The row of the item after the one the cursor is in, the first one after the last."""
    return next((number for number in range(cursor + 1, len(rows)) if not rows[number][1]), 0)

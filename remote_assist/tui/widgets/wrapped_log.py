"""Lines, newest at the end, broken to the width there is: also when they came while nobody looked, or it changes."""

from collections import deque
from collections.abc import Iterable

from rich.text import Text
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip


class WrappedLog(ScrollView, can_focus=True):
    """Keeps the last `max_lines` texts, and as many lines of them; draws those in view.

    Each text is broken once for a width, when it comes: a log that is brought to the front is drawn and no more.
    """

    DEFAULT_CSS = "WrappedLog { overflow-y: scroll; }"

    def __init__(self, max_lines: int, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._max_lines = max_lines
        self._texts: deque[Text] = deque(maxlen=max_lines)
        self._lines: list[Text] = []
        self._wrapped_to = 0
        """Columns; none as long as it was never shown."""

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines there are, in view or not."""
        return tuple(line.plain for line in self._lines)

    def add(self, *texts: Text) -> None:
        """More, below the others; who looks at the end goes on looking at the end."""
        self._texts.extend(texts)
        if self._wrapped_to:
            self._append(texts)

    def clear(self) -> None:
        """Forget all."""
        self._texts.clear()
        self._lines.clear()
        self._append(())

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        if width and width != self._wrapped_to:
            self._wrapped_to = width
            self._lines.clear()
            self._append(self._texts)

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        line = self._lines[number] if number < len(self._lines) else Text()
        strip = Strip([*line.render(self.app.console)])
        return strip.adjust_cell_length(self.scrollable_content_region.width).apply_style(self.rich_style)

    def _append(self, texts: Iterable[Text]) -> None:
        at_end = self.scroll_offset.y >= self.max_scroll_y
        for text in texts:
            self._lines.extend(text.wrap(self.app.console, self._wrapped_to))
        del self._lines[: -self._max_lines]
        self.virtual_size = Size(self._wrapped_to, len(self._lines))
        if at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()

"""Lines, newest at the end, broken to the width there is: also when they came while nobody looked, or it changes."""

from collections import deque
from typing import Self

from rich.text import Text
from textual.events import Resize
from textual.widgets import RichLog


class WrappedLog(RichLog):
    """Keeps the last `max_lines` texts."""

    def __init__(self, max_lines: int, *, id: str | None = None) -> None:
        super().__init__(max_lines=max_lines, wrap=True, markup=False, highlight=False, min_width=1, id=id)
        self._texts: deque[Text] = deque(maxlen=max_lines)
        self._wrapped_to = 0

    def add(self, text: Text) -> None:
        """One more, below the others."""
        self._texts.append(text)
        if self._wrapped_to and self._wrapped_to == self._room:
            self.write(text)
        else:
            self._wrapped_to = 0

    def clear(self) -> Self:
        """Forget all."""
        self._texts.clear()
        return super().clear()

    def on_show(self) -> None:
        self.call_after_refresh(self._wrap)

    def on_resize(self, _: Resize) -> None:
        self.call_after_refresh(self._wrap)

    @property
    def _room(self) -> int:
        """Columns there are; none while it is hidden."""
        return self.scrollable_content_region.width

    def _wrap(self) -> None:
        if self._room and self._room != self._wrapped_to:
            self._wrapped_to = self._room
            super().clear()
            for text in self._texts:
                self.write(text)

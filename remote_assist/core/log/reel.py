"""A recording as a player runs it: what comes next and when, forward, back, to the next marker, to a text.

Rule: times are the player's: a wait longer than `max_idle` seconds is cut to that. Pure; time is handed in.
"""

from collections.abc import Callable, Iterator

from remote_assist.core.log.asciicast import MARKER, OUTPUT, Event
from remote_assist.core.picture.terminal_filter import TerminalFilter

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How fast it may be played; 1 is as it was."""

MAX_IDLE_SECONDS = 2.0
"""Longer waits are cut to this, unless somebody says otherwise."""

KEPT_CHARS = 4096
"""How much shown text is remembered for a search that spans events."""


class Reel:
    """One recording; `open` begins it anew.

    `position`: seconds played; `next_at`: when the next event is due; `found`: whether the last search found its text.
    """

    def __init__(self, open: Callable[[], Iterator[Event]], *, max_idle: float) -> None:
        self._open = open
        self._max_idle = max_idle
        self.position = 0.0
        self.next_at: float | None = 0.0
        self.found = False
        self.rewind()

    def rewind(self) -> None:
        """Begin anew."""
        self.position, self._recorded, self._due = 0.0, 0.0, 0.0
        self._events = self._open()
        self._next: Event | None = None
        self._advance()

    def take(self) -> Event | None:
        """The next event; None at the end."""
        event = self._next
        if event is not None:
            self.position = self._due
            self._advance()
        return event

    def until(self, position: float) -> Iterator[Event]:
        """The events up to a position; it is reached even when nothing happens there."""
        while self.next_at is not None and self.next_at <= position:
            event = self.take()
            assert event is not None
            yield event
        self.position = max(self.position, position if self.next_at is not None else self.position)

    def until_marker(self) -> Iterator[Event]:
        """The events up to the next marker, or the end."""
        while (event := self.take()) is not None:
            yield event
            if event.kind == MARKER:
                return

    def until_text(self, text: str) -> Iterator[Event]:
        """The events until `text` (any case) is shown anew, or the end; `found` says which."""
        self.found = False
        plain, tail, wanted = TerminalFilter(plain=True), "", text.casefold()
        while (event := self.take()) is not None:
            yield event
            if event.kind == OUTPUT:
                tail = (tail + plain.feed(event.text).casefold())[-KEPT_CHARS - len(event.text) :]
                if wanted in tail:
                    self.found = True
                    return

    def _advance(self) -> None:
        self._next = next(self._events, None)
        if self._next is None:
            self.next_at = None
            return
        gap = max(0.0, self._next.seconds - self._recorded)
        self._recorded = max(self._recorded, self._next.seconds)
        self._due += min(gap, self._max_idle)
        self.next_at = self._due

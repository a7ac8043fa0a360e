"""What a technician's terminal shows, line by line on the customer's screen, as it happens.

Rule: a flood does not hold anybody up and does not drown the end key: so many lines a second, the rest is counted.
"""

import codecs
from collections.abc import Callable

from remote_assist.agent.texts import say
from remote_assist.core.hostile import SafeStr
from remote_assist.core.picture.terminal_filter import TerminalFilter

LINES_A_SECOND = 20
"""Lines shown within a second; further ones are only counted."""

MAX_LINE_CHARS = 400


class Mirror:
    """Shows the lines of one terminal. `clock` counts seconds."""

    def __init__(self, show: Callable[[SafeStr], None], clock: Callable[[], float]) -> None:
        self._show = show
        self._clock = clock
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._filter = TerminalFilter(plain=True)
        self._line = ""
        self._second = 0.0
        self._shown = 0
        self._left_out = 0

    def take(self, raw: bytes) -> None:
        """Show what became whole lines."""
        *whole, rest = (self._line + self._filter.feed(self._decoder.decode(raw))).split("\n")
        self._line = rest[-MAX_LINE_CHARS:]
        for line in whole:
            self._line_shown(line)

    def close(self) -> None:
        """Show what is left: a last line without its end, and how many were left out."""
        if self._line.strip():
            self._line_shown(self._line)
        self._tell_left_out()

    def _line_shown(self, line: str) -> None:
        text = line.rstrip("\r").rpartition("\r")[2].rstrip()
        if not text:
            return
        if self._clock() - self._second >= 1.0:
            self._tell_left_out()
            self._second, self._shown = self._clock(), 0
        if self._shown >= LINES_A_SECOND:
            self._left_out += 1
            return
        self._shown += 1
        self._show(say("live.shell-line", line=text))

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._show(say("live.shell-left-out", count=self._left_out))
            self._left_out = 0

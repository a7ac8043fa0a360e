"""What customer and technician write to each other in a session: the lines kept, their order, what may not be said.

Rule 1: a line has a number, rising from 1, so that whoever was away asks for what came after the last one seen.
Rule 2: a line that shows a support code is refused at both ends: codes are spoken.
"""

from collections import deque
from datetime import datetime

from remote_assist.core.codes import looks_like_code
from remote_assist.core.records import format_time
from remote_assist.core.requests import ChatLine
from remote_assist.errors import RefusedError, UsageError

CUSTOMER, TECHNICIAN = "customer", "technician"
"""Who wrote a line."""

MAX_CHARS = 2000
"""Longest line."""

MAX_LINES = 200
"""Lines a session keeps for whoever comes back; the records keep all."""


def checked_line(text: str) -> str:
    """`text` without the space around it. Raises UsageError (nothing, too long), RefusedError (a support code)."""
    line = text.strip()
    if not line:
        raise UsageError("there is nothing to say", advice="Write a sentence.")
    if len(line) > MAX_CHARS:
        raise UsageError(f"a chat line has at most {MAX_CHARS} characters", advice="Send it in several lines.")
    if looks_like_code(line):
        raise RefusedError(
            "this text contains a support code", reason="live-code", advice="Codes are spoken, never written down."
        )
    return line


class ChatBook:
    """The lines of one session, the oldest given up first."""

    def __init__(self) -> None:
        self._lines: deque[ChatLine] = deque(maxlen=MAX_LINES)
        self._count = 0

    @property
    def last(self) -> int:
        """Number of the newest line, 0 when nothing was said."""
        return self._count

    def add(self, author: str, text: str, at: datetime) -> ChatLine:
        """The line, now kept."""
        self._count += 1
        line = ChatLine(number=self._count, author=author, text=text, time=format_time(at))
        self._lines.append(line)
        return line

    def after(self, number: int) -> tuple[ChatLine, ...]:
        """What came after line `number` and is still kept."""
        return tuple(line for line in self._lines if line.number > number)

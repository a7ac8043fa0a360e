"""The last line of the customer's screen while a session runs: which keys there are, or the line being written.

A value turned by keys; it knows no terminal and no clock.
"""

from remote_assist.agent.prompt.columns import cells, head, tail
from remote_assist.agent.prompt.consent_screen import BACKSPACE, ENTER, ESCAPE
from remote_assist.agent.texts import say
from remote_assist.core.chat import MAX_CHARS
from remote_assist.core.prompt import CustomerAct, LineTyped, PausePressed

CHAT_KEYS, PAUSE_KEYS = frozenset("cC"), frozenset("pP")
CURSOR = "▏"
LEAST_TEXT_COLUMNS = 20


class LiveFoot:
    """`writing`: letters go into a line for the technician."""

    def __init__(self) -> None:
        self.writing = False
        self._text = ""
        self._paused = False

    def press(self, key: str) -> CustomerAct | None:
        """What the customer wants by this key, if it completes anything."""
        if self.writing:
            return self._write(key)
        if key in CHAT_KEYS:
            self.writing = True
        elif key in PAUSE_KEYS:
            self._paused = not self._paused
            return PausePressed(self._paused)
        return None

    def line(self, width: int) -> str:
        """What is shown, at most `width` columns."""
        if not self.writing:
            return head("  " + say("live.foot-paused" if self._paused else "live.foot"), width)
        prompt = head("  " + say("chat.prompt"), max(0, width - LEAST_TEXT_COLUMNS))
        return prompt + tail(self._text + CURSOR, max(1, width - cells(prompt)))

    def _write(self, key: str) -> CustomerAct | None:
        if key == ESCAPE:
            self.writing, self._text = False, ""
        elif key == BACKSPACE:
            self._text = self._text[:-1]
        elif key == ENTER:
            text, self._text = self._text.strip(), ""
            self.writing = False
            return LineTyped(text) if text else None
        elif len(key) == 1 and key.isprintable() and len(self._text) < MAX_CHARS:
            self._text += key
        return None

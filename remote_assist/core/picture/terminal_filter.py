"""What of a terminal's output may reach another person's terminal: text, colours, cursor; nothing that answers.

    printable, BEL BS TAB LF CR SO SI     pass
    ESC [ … letter                        the letters and private modes of the tables below pass
    ESC 7 8 D E M = > c, ESC ( B          pass
    OSC, DCS, APC, PM, SOS, ENQ, C1, other sequences      are dropped whole, however long

Rule 1: an allow-list: what is not known here is dropped. Rule 2: nothing that makes a terminal send bytes of its own
(reports, answerback), set a title, touch the clipboard or watch the mouse gets through. Rule 3: memory is bounded.
"""

import enum
import re

MAX_SEQUENCE_CHARS = 64
"""Longest control sequence that is passed on."""

PASSING_CONTROLS = frozenset("\a\b\t\n\v\f\r\x0e\x0f")

PASSING_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu")
"""Last letters of control sequences: cursor, erase, insert, delete, scroll, colours, margins, modes."""

PASSING_MODES = frozenset({"1", "3", "5", "6", "7", "12", "25", "47", "69", "1047", "1048", "1049", "2004"})
"""Private modes (ESC [ ? … h or l): cursor keys, width, wrap, cursor, other screen, bracketed paste."""

PASSING_ESCAPES = frozenset("78DEMH=>c")
_CHARSET = re.compile(r"[()][0AB]")
_PLAIN_SEQUENCE = re.compile(r"[0-9;:]*[ ]?[@-~]")
_PRIVATE_MODE = re.compile(r"\?([0-9;]*)([hl])")

_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\U000e0000-\U000e007f]")
"""Characters that change what others look like, or are controls of their own."""


class _State(enum.Enum):
    TEXT, ESCAPE, CHARSET, SEQUENCE, STRING, STRING_ESCAPE, SKIPPED = range(7)


class TerminalFilter:
    """Text in, safe text out; sequences may be cut anywhere. With `plain`, no sequence at all passes."""

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain
        self._state = _State.TEXT
        self._held = ""

    def feed(self, text: str) -> str:
        """What of `text` may be shown."""
        parts: list[str] = []
        at = 0
        while at < len(text):
            if self._state is _State.TEXT:
                end = text.find("\x1b", at)
                end = len(text) if end < 0 else end
                parts.append(_plain_text(text[at:end]))
                at = end + 1
                if end < len(text):
                    self._state, self._held = _State.ESCAPE, ""
                continue
            parts.append(self._inside(text[at]))
            at += 1
        return "".join(parts)

    def _inside(self, sign: str) -> str:
        """One character of a sequence; answers the sequence when it is whole and may pass."""
        if sign in "\x18\x1a" or (sign == "\x1b" and self._state is not _State.STRING):
            self._state, self._held = (_State.ESCAPE if sign == "\x1b" else _State.TEXT), ""
            return ""
        match self._state:
            case _State.ESCAPE:
                return self._after_escape(sign)
            case _State.CHARSET:
                return self._whole(sign, _CHARSET.fullmatch(self._held + sign) is not None)
            case _State.SEQUENCE | _State.SKIPPED:
                return self._in_sequence(sign)
            case _State.STRING if sign == "\x1b":
                self._state = _State.STRING_ESCAPE
            case _State.STRING if sign in "\a\x9c":
                self._state = _State.TEXT
            case _State.STRING_ESCAPE:
                self._state = _State.TEXT if sign == "\\" else _State.STRING
        return ""

    def _after_escape(self, sign: str) -> str:
        if sign == "[":
            self._state, self._held = _State.SEQUENCE, "["
        elif sign in "]PX^_":
            self._state = _State.STRING
        elif " " <= sign <= "/":
            self._state, self._held = _State.CHARSET, sign
        else:
            return self._whole(sign, sign in PASSING_ESCAPES)
        return ""

    def _in_sequence(self, sign: str) -> str:
        if not " " <= sign <= "~":
            return sign if sign in PASSING_CONTROLS and not self._plain else ""
        if "@" <= sign <= "~":
            return self._whole(sign, self._state is _State.SEQUENCE and _may_pass(self._held[1:] + sign))
        if len(self._held) >= MAX_SEQUENCE_CHARS:
            self._state = _State.SKIPPED
        else:
            self._held += sign
        return ""

    def _whole(self, sign: str, passes: bool) -> str:
        sequence = f"\x1b{self._held}{sign}"
        self._state, self._held = _State.TEXT, ""
        return sequence if passes and not self._plain else ""


def _plain_text(text: str) -> str:
    if text.isprintable() and text.isascii():
        return text
    text = _UNSEEN.sub("\ufffd", text)
    return "".join(sign for sign in text if sign >= " " or sign in PASSING_CONTROLS)


def _may_pass(body: str) -> bool:
    """Whether a control sequence may: `body` is what follows ESC [, its last letter included."""
    private = _PRIVATE_MODE.fullmatch(body)
    if private is not None:
        return all(mode in PASSING_MODES for mode in private[1].split(";"))
    if _PLAIN_SEQUENCE.fullmatch(body) is None:
        return body == "!p"
    return body[-1] in PASSING_FINALS or body.endswith(" q")

"""Small lines used everywhere: a line with a left and a right end, a problem with its advice, a bar."""

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget
from textual.widgets import Static

from remote_assist.tui.problem import Problem
from remote_assist.tui.theme import ACCENT, BAD, FAINT
from remote_assist.tui.widgets.text import cut, joined, shown

NAMES = {"esc": "escape", "^]": "ctrl+right_square_bracket", "⌫": "backspace"}
"""Key as it is written → as the toolkit names it, where that differs."""

PRESSES = "presses"
"""What words on the screen carry when a click on them is a key: only ours do, see `shown`."""

GAP = 2
"""Least cells between the two ends of a line."""


class TwoEnds(Widget):
    """One line; when both ends do not fit, the left one is cut: the right end is the one that must be read."""

    DEFAULT_CSS = "TwoEnds { height: 1; padding: 0 1; }"

    def __init__(self, left: Text | str = "", right: Text | str = "", *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left = joined(left)
        self._right = joined(right)

    def show(self, left: Text, right: Text) -> None:
        if (left, right) != (self._left, self._right):  # told again and again by clocks and players
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> RenderResult:
        return two_ends(self._left, self._right, self.content_size.width)


class ProblemPanel(Static):
    """An error's sentence, its advice, and the key that tries again. Hidden until there is one."""

    DEFAULT_CSS = "ProblemPanel { display: none; padding: 1 2; height: auto; }"

    def show(self, problem: Problem, *keys: tuple[str, str]) -> None:
        text = joined(("✖ ", BAD), shown(problem.sentence, BAD, max_chars=1000))
        if problem.advice:
            text.append("\n  ").append_text(shown(problem.advice, max_chars=1000))
        if keys:
            text.append("\n\n ")
            for key, label in keys:
                text.append(" ").append_text(key_text(key, label)).append(" ")
        self.update(text)
        self.display = True

    def clear(self) -> None:
        self.display = False


def two_ends(left: Text, right: Text, width: int) -> Text:
    """`left` and `right` on one line of `width` cells."""
    right = cut(right, width)
    room = width - right.cell_len - (GAP if right.cell_len else 0)
    if room < 1:
        return right
    left = cut(left, room)
    return joined(left, " " * (width - left.cell_len - right.cell_len), right)


def bar(fraction: float | None, width: int) -> Text:
    """`████░░░░`; all half-tone while nobody knows how much there is."""
    if fraction is None:
        return joined(("▒" * width, FAINT))
    full = round(fraction * width)
    return joined(("█" * full, ACCENT), ("░" * (width - full), FAINT))


def keys_line(*keys: tuple[str, str]) -> Text:
    """`[y] run   [esc] leave`, each of them a button too."""
    text = Text(end="")
    for number, (key, label) in enumerate(keys):
        text.append("   " if number else "").append_text(key_text(key, label))
    return text


def key_text(key: str, label: str) -> Text:
    """`[y] run`; a click presses the key. Both are our own words."""
    name = NAMES.get(key) or (f"ctrl+{key[1:]}" if key.startswith("^") else key)
    text = joined((f"[{key}]", ACCENT), f" {label}")
    text.stylize(Style(meta={PRESSES: name}))
    return text

"""A list of things to tick: `[x]` and `[ ]`, told apart without colour."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import OptionList

from remote_assist.tui.theme import ACCENT, FAINT
from remote_assist.tui.widgets.text import joined


class TickList(OptionList):
    """`choices` are our own words: name → what it means."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "select", "tick")]

    def __init__(self, choices: Mapping[str, str], ticked: Iterable[str]) -> None:
        self._choices = dict(choices)
        self._ticked = set(ticked) & set(choices)
        super().__init__(*(self._line(name) for name in self._choices))

    @property
    def ticked(self) -> tuple[str, ...]:
        """Names that are ticked, in the order they stand."""
        return tuple(name for name in self._choices if name in self._ticked)

    def action_select(self) -> None:
        """Tick or untick at once: a key typed right after must find it done."""
        if self.highlighted is not None:
            name = list(self._choices)[self.highlighted]
            self._ticked ^= {name}
            self.replace_option_prompt_at_index(self.highlighted, self._line(name))

    def _line(self, name: str) -> Text:
        mark = ("[x]", f"bold {ACCENT}") if name in self._ticked else ("[ ]", FAINT)
        return joined(mark, f" {name:<12}", (self._choices[name], FAINT))

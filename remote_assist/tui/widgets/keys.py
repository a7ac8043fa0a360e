"""The last line: what the keys do here. As many as have room, each whole; all of them stand in the help."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.screen import Screen
from textual.widget import Widget

from remote_assist.tui.focus import takes_every_key
from remote_assist.tui.theme import ACCENT
from remote_assist.tui.widgets.lines import PRESSES
from remote_assist.tui.widgets.text import joined

HELP, PALETTE = "help", "command_palette"
STAY = frozenset({HELP, "app.help", PALETTE, "app.command_palette"})
"""What these keys do is shown however narrow it is."""

AROUND = 3
"""Columns a key takes besides its own words."""


@dataclass(frozen=True, slots=True)
class KeyWords:
    """One key. `display`: how it is written; `words`: what it does."""

    key: str
    display: str
    words: str
    action: str
    enabled: bool = True

    @property
    def is_palette(self) -> bool:
        return self.action.endswith(PALETTE)

    @property
    def width(self) -> int:
        """In columns."""
        return cell_len(self.display) + cell_len(self.words) + AROUND


class KeysFooter(Widget):
    """Leaves out what does not fit; the key that shows the help is always there. Each is a button too.

    One widget that draws a line: one for each key would be made and laid out anew whenever the focus moves.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--edge"}
    DEFAULT_CSS = """
    KeysFooter { dock: bottom; height: 1; background: $footer-background; }
    KeysFooter > .keys--edge { color: $foreground 20%; }
    """

    _keys: Sequence[KeyWords] = ()
    _outdated = True

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._look_again)

    @property
    def shown(self) -> Sequence[KeyWords]:
        """The keys that have room. A screen below another keeps those it had."""
        if self._outdated and self.screen.is_current:
            self._keys, self._outdated = tuple(self._active()), False
        return tuple(fitting(self._keys, self.size.width))

    def render(self) -> RenderResult:
        shown = self.shown
        gap = " " * (self.size.width - sum(one.width for one in shown))
        return joined(*(self._palette(gap, one) if one.is_palette else _key(one) for one in shown))

    def _palette(self, gap: str, one: KeyWords) -> Text:
        """`▏^p all `, at the right end."""
        edge = Text("▏", self.get_component_rich_style("keys--edge"), end="")
        return joined(gap, edge, _button(one, one.display, f" {one.words}"), " ")

    def _look_again(self, screen: Screen[object]) -> None:
        if screen.app.app_focus:
            self._outdated = True
            self.refresh()

    def _active(self) -> Iterator[KeyWords]:
        """What the keys do; inside a remote terminal only those that do not go to the program there."""
        done: set[str] = set()
        active = self.screen.active_bindings
        alone = self.screen.focused if takes_every_key(self.screen.focused) else None
        for node, binding, enabled, _ in active.values():
            if binding.show and binding.action not in done and (alone is None or node is alone):
                done.add(binding.action)
                display = self.app.get_key_display(binding)
                yield KeyWords(binding.key, display, binding.description, binding.action, enabled)
        if (palette := active.get(self.app.COMMAND_PALETTE_BINDING)) is not None:
            binding = palette.binding
            display = self.app.get_key_display(binding)
            yield KeyWords(binding.key, display, "all", binding.action, palette.enabled)


def _key(one: KeyWords) -> Text:
    """` d look `"""
    return _button(one, f" {one.display} ", f"{one.words} ")


def _button(one: KeyWords, key: str, words: str) -> Text:
    """A click presses the key."""
    text = joined((key, f"bold {ACCENT}"), words)
    text.stylize(Style(meta={PRESSES: one.key}) if one.enabled else Style(dim=True))
    return text


def fitting(keys: Sequence[KeyWords], columns: int) -> Iterator[KeyWords]:
    """Those that have room, in their order."""
    room = columns - sum(one.width for one in keys if one.action in STAY)
    for one in keys:
        if one.action in STAY:
            yield one
        elif one.width <= room:
            room -= one.width
            yield one

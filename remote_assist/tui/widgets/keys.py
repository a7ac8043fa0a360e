"""The last line: what the keys do here. As many as have room, each whole; all of them stand in the help."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer
from textual.widgets._footer import FooterKey  # a footer's keys have no public name

from remote_assist.tui.focus import takes_every_key

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


class KeysFooter(Footer):
    """Leaves out what does not fit; the key that shows the help is always there."""

    _shown: Sequence[KeyWords] = ()

    def compose(self) -> ComposeResult:
        if self._bindings_ready and self.screen.is_current:
            self._shown = list(self._active())
        for one in fitting(self._shown, self.app.size.width):
            side = "-command-palette" if one.is_palette else ""
            key = FooterKey(one.key, one.display, one.words, one.action, disabled=not one.enabled, classes=side)
            yield key if one.is_palette else key.data_bind(compact=Footer.compact)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """A screen below another keeps the keys it had: what is mounted there is laid out late."""
        if screen.is_current:
            super().bindings_changed(screen)

    def on_resize(self, _: Resize) -> None:
        if self.screen.is_current:
            self.call_after_refresh(self.recompose)

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


def fitting(keys: Sequence[KeyWords], columns: int) -> Iterator[KeyWords]:
    """Those that have room, in their order."""
    room = columns - sum(one.width for one in keys if one.action in STAY)
    for one in keys:
        if one.action in STAY:
            yield one
        elif one.width <= room:
            room -= one.width
            yield one

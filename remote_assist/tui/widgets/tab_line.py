"""The tabs of a screen in two lines: their names, and a bar under the one that is shown.

One widget that draws, where the toolkit's tabs are a widget for each name inside four others: each is laid out and
drawn again whenever a tab is chosen.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from remote_assist.tui.widgets.text import cut, joined

TAB = "tab"
"""What a name carries on the screen: the tab that a click on it chooses."""


class TabLine(Widget, can_focus=True):
    """Knows the names and which is shown; who shows the panes is told by `Chosen`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", "previous tab", show=False),
        Binding("right", "step(1)", "next tab", show=False),
    ]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"tabs--name", "tabs--active", "tabs--bar", "tabs--under"}
    DEFAULT_CSS = """
    TabLine { height: 2; }
    TabLine > .tabs--name { color: $foreground 50%; }
    TabLine > .tabs--active { color: $foreground; }
    TabLine:nocolor > .tabs--active { text-style: reverse; }
    TabLine > .tabs--bar { color: $block-cursor-background; }
    TabLine > .tabs--under { color: $foreground 10%; }
    TabLine:focus > .tabs--active { color: $block-cursor-foreground; background: $block-cursor-background; }
    TabLine:focus > .tabs--under { color: $foreground 30%; }
    """

    class Chosen(Message):
        """By mouse or arrows."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names`: tab → what it is called, a digit first. The first one is shown."""
        super().__init__()
        self._names = dict(names)
        self._active = next(iter(names))

    @property
    def active(self) -> str:
        """The tab that is shown."""
        return self._active

    def show(self, tab: str) -> None:
        self._active = tab
        self.refresh()

    def rename(self, tab: str, name: str) -> None:
        self._names[tab] = name
        self.refresh()

    def action_step(self, step: int) -> None:
        tabs = list(self._names)
        self.post_message(self.Chosen(tabs[(tabs.index(self._active) + step) % len(tabs)]))

    def on_click(self, click: Click) -> None:
        if tab := click.style.meta.get(TAB):
            self.post_message(self.Chosen(tab))

    def render(self) -> RenderResult:
        line, start = Text(end=""), 0
        for tab, words in self._words(self.size.width):
            if tab == self._active:
                start = line.cell_len
            style = self.get_component_rich_style("tabs--active" if tab == self._active else "tabs--name")
            line.append(words, style + Style(meta={TAB: tab}))
        return joined(cut(line, self.size.width), "\n", self._bar(start + 1, len(self._names[self._active])))

    def _words(self, width: int) -> list[tuple[str, str]]:
        """The widest way to write the names that fits; else only the digits of those that are not shown."""
        for words in self._ways():
            if sum(len(one) for one in words) <= width:
                break
        return list(zip(self._names, words, strict=True))

    def _ways(self) -> Iterator[list[str]]:
        yield [f" {name} " for name in self._names.values()]
        yield [f" {name}" for name in self._names.values()]
        yield [f" {name if tab == self._active else name[0]}" for tab, name in self._names.items()]

    def _bar(self, start: int, length: int) -> Text:
        under = self.get_component_rich_style("tabs--under")
        bar = Text("━" * (start - 1) + "╸", under, end="")
        bar.append("━" * length, self.get_component_rich_style("tabs--bar"))
        bar.append("╺" + "━" * self.size.width, under)
        bar.truncate(self.size.width)
        return bar

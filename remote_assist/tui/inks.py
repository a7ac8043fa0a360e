"""Drawn in the dark theme's inks, shown in the chosen theme's: the last step before the terminal."""

from collections.abc import Mapping

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as ScreenColor
from textual.filter import LineFilter


class Inks(LineFilter):
    """Replaces the colours of letters, one by one as `inks` says; backgrounds come from the theme itself."""

    def __init__(self, inks: Mapping[str, str]) -> None:
        super().__init__()
        self._inks = {Color.parse(old).triplet: Color.parse(new) for old, new in inks.items()}
        self._styles: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], background: ScreenColor) -> list[Segment]:
        """The same text in the chosen inks."""
        return [Segment(text, self._shown(style), control) for text, style, control in segments]

    def _shown(self, style: Style | None) -> Style | None:
        if style is None or style.color is None or style.color.triplet not in self._inks:
            return style
        if style not in self._styles:
            self._styles[style] = style + Style(color=self._inks[style.color.triplet])
        return self._styles[style]

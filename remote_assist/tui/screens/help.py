"""Which keys this screen has, and what the scopes mean.

A screen may have `MORE_KEYS`: key and words of what its line at the bottom does not name.
"""

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from remote_assist.tui.theme import ACCENT, FAINT
from remote_assist.tui.widgets.text import joined
from remote_assist.tui.words import SCOPE_WORDS

EVERYWHERE = (
    ("↑ ↓ ← →", "move; also k j h l"),
    ("PgUp PgDn", "a page; also ^u ^d"),
    ("Home End", "first, last; also g G"),
    ("tab", "next field or list; shift+tab the one before"),
    ("^p", "everything by its name"),
    ("^q", "leave; sessions go on"),
)
"""What no line at the bottom tells."""


class HelpScreen(ModalScreen[None]):
    """Keys and words; any of the closing keys leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "close", key_display="esc")]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Static(self._keys())
            yield Static(_lines("Keys everywhere", EVERYWHERE))
            yield Static(_scopes())

    def _keys(self) -> Text:
        """Each key once, however many parts of the screen have it."""
        bindings = (active.binding for active in self._about.active_bindings.values())
        here = {(self.app.get_key_display(one), one.description): None for one in bindings if one.show or one.id}
        more = getattr(self._about, "MORE_KEYS", ())
        return _lines("Keys here", [*((key, words) for key, words in here if words), *more])


def _lines(title: str, pairs: Iterable[tuple[str, str]]) -> Text:
    text = joined((f"{title}\n", "bold"))
    for name, words in pairs:
        text.append(f"  {name:<14}", ACCENT).append(f"{words}\n")
    return text


def _scopes() -> Text:
    return _lines("What a customer can allow", SCOPE_WORDS.items()).append(
        "Only the customer's own act grants; silence is a no.", FAINT
    )

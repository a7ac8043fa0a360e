"""Which keys this screen has, and what the scopes mean."""

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


class HelpScreen(ModalScreen[None]):
    """Keys and words; any of the closing keys leaves."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "close", key_display="esc")]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Static(self._keys())
            yield Static(_scopes())

    def _keys(self) -> Text:
        text = joined(("Keys here\n", "bold"))
        for active in self._about.active_bindings.values():
            if active.binding.show and active.binding.description:
                key = self.app.get_key_display(active.binding)
                text.append(f"  {key:<10}", ACCENT).append(f"{active.binding.description}\n")
        return text.append("  tab       ", ACCENT).append("next field or list\n")


def _scopes() -> Text:
    text = joined(("What a customer can allow\n", "bold"))
    for scope, words in SCOPE_WORDS.items():
        text.append(f"  {scope:<12}", ACCENT).append(f"{words}\n")
    return text.append("Only the customer's own act grants; silence is a no.", FAINT)

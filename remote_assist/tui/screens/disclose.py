"""What of a session goes onto its ticket: chosen here, then shown as it would go, then sent or not."""

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from remote_assist.core.disclosure import BUNDLE, CUSTOMER, FILE, FINDINGS, INTERNAL, TEXT
from remote_assist.tui.choices import Chosen
from remote_assist.tui.ports import PreviewPort
from remote_assist.tui.screens.forms import LEAVE
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.ticks import TickList
from remote_assist.tui.words import MAX_PATH, size

KINDS = {
    FINDINGS: "the findings of the last look that fail or warn",
    TEXT: "a text (type it below)",
    FILE: "a file of this machine (its path below)",
    BUNDLE: "the last bundle, as a file",
}
VISIBLE = "visible"
READERS = {INTERNAL: "the organisation alone", CUSTOMER: "the customer and the organisation"}
MAX_SHOWN_CHARS = 20_000


class DiscloseScreen(ModalScreen[Chosen | None]):
    """Nothing goes anywhere from here: what is chosen is shown first."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE, Binding("ctrl+s", "accept", "look at it first", key_display="^s")]

    def __init__(self, ticket: str) -> None:
        super().__init__()
        self._ticket = ticket

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(joined("Put onto ticket #", shown(self._ticket, max_chars=40)), classes="title")
            yield OptionList(*(Option(words, id=kind) for kind, words in KINDS.items()), id="kinds")
            yield Input(id="words", max_length=MAX_PATH, placeholder="a text, or the path of a file")
            yield TickList({VISIBLE: "the customer may read it too"}, ())
            yield Static(id="fault")
            yield Static(keys_line(("^s", "look at it first"), ("tab", "next"), ("space", "tick"), ("esc", "leave")))

    def on_mount(self) -> None:
        self.query_one("#kinds", OptionList).highlighted = 0
        self.query_one(TickList).highlighted = 0

    @on(OptionList.OptionSelected, "#kinds")
    @on(Input.Submitted)
    def submit(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        kind = list(KINDS)[self.query_one("#kinds", OptionList).highlighted or 0]
        words = self.query_one("#words", Input).value.strip()
        if kind in {TEXT, FILE} and not words:
            sentence = "Type the text." if kind == TEXT else "Name the file."
            self.query_one("#fault", Static).update(joined((sentence, BAD)))
            self.query_one("#words", Input).focus()
            return
        self.dismiss(Chosen(kind, CUSTOMER if self.query_one(TickList).ticked else INTERNAL, words))


class PreviewScreen(ModalScreen[bool | None]):
    """Exactly what goes, byte for byte where it is text, and who will read it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "send exactly this"),
        Binding("escape", "dismiss(None)", "send nothing", key_display="esc"),
    ]

    def __init__(self, preview: PreviewPort) -> None:
        super().__init__()
        self._preview = preview

    def compose(self) -> ComposeResult:
        with Vertical(classes="box plan"):
            yield Static(joined("Onto ticket #", shown(self._preview.ticket, max_chars=40)), classes="title")
            yield Static(preview_head(self._preview))
            with VerticalScroll(can_focus=True):
                text = self._preview.text
                yield Static(shown(text or "(no text: the file goes as it is)", lines=True, max_chars=MAX_SHOWN_CHARS))
            yield Static(keys_line(("y", "send exactly this"), ("esc", "send nothing")), id="keys")


def preview_head(preview: PreviewPort) -> Text:
    """What it is, who reads it, and a warning where it holds what should not leave."""
    what = preview.what
    text = joined(
        ("to be read by ", FAINT), (READERS.get(what.readers, "?"), "bold"), "\n",
        shown(what.kind, max_chars=20), ": ", shown(what.name, max_chars=200),
        (f", {size(len(what.raw))}, SHA-256 {what.sha256[:16]}…", FAINT),
    )  # fmt: skip
    if preview.private:
        text.append("\n! it holds what looks like ", WARN).append_text(shown(preview.private, WARN, max_chars=200))
    return text.append("\n")

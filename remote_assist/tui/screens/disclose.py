"""What of a session goes onto its ticket: chosen here, then shown as it would go, then sent or not."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from remote_assist.core.disclosure import BUNDLE, CUSTOMER, FILE, FINDINGS, INTERNAL, SCREENSHOT, TEXT
from remote_assist.errors import UsageError
from remote_assist.technician.disclosure_choice import FILES, Choice
from remote_assist.tui.ports import PreviewPort
from remote_assist.tui.screens.forms import LEAVE
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.ticks import TickList
from remote_assist.tui.words import MAX_PATH, size

KINDS = {
    FINDINGS: "the findings of the last look that fail or warn",
    TEXT: "a text",
    FILE: "a file of this machine",
    SCREENSHOT: "a picture of this machine",
    BUNDLE: "the last bundle, as a file",
}
PLACEHOLDERS = {TEXT: "the text", FILE: "the path of the file", SCREENSHOT: "the path of the picture"}
SEAL = "a file, sealed: the path of the public key (X25519, PEM)"
VISIBLE, DIGEST = "visible", "digest only"
TICKS = {
    VISIBLE: "the customer may read it too",
    DIGEST: "of a file: its name, size and SHA-256; it stays here",
}
READERS = {INTERNAL: "the organisation alone", CUSTOMER: "the customer and the organisation"}
NO_TEXT = {False: "(no text: the file goes as it is)", True: "(sealed: it cannot be shown any more)"}
MAX_SHOWN_CHARS = 20_000


class DiscloseScreen(ModalScreen[Choice | None]):
    """Nothing goes anywhere from here: what is chosen is shown first. Only the fields that belong to it take words."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE, Binding("ctrl+s", "accept", "look at it first", key_display="^s")]

    def __init__(self, ticket: str) -> None:
        super().__init__()
        self._ticket = ticket

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(joined("Put onto ticket #", shown(self._ticket, max_chars=40)), classes="title")
            yield OptionList(*(Option(words, id=kind) for kind, words in KINDS.items()), id="kinds")
            yield Input(id="words", max_length=MAX_PATH)
            yield TickList(TICKS, ())
            yield Input(id="key", max_length=MAX_PATH, placeholder=SEAL)
            yield Static(id="fault")
            yield Static(keys_line(("^s", "look at it first"), ("tab", "next"), ("space", "tick"), ("esc", "leave")))

    def on_mount(self) -> None:
        kinds = self.query_one("#kinds", OptionList)
        kinds.highlighted = 0
        self.query_one(TickList).highlighted = 0
        self.watch(kinds, "highlighted", self._show_fields)  # at once: a key typed right after must find the field

    @property
    def _kind(self) -> str:
        return list(KINDS)[self.query_one("#kinds", OptionList).highlighted or 0]

    def _show_fields(self) -> None:
        """What does not belong to the kind keeps its place: a field that came and went would lose keys typed ahead."""
        words = self.query_one("#words", Input)
        words.disabled = self._kind not in PLACEHOLDERS
        words.placeholder = PLACEHOLDERS.get(self._kind, "")
        self.query_one("#key").disabled = self._kind not in FILES

    @on(OptionList.OptionSelected, "#kinds")
    @on(Input.Submitted)
    def submit(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        try:
            choice = self._choice()
            choice.check()
        except UsageError as error:
            self.query_one("#fault", Static).update(shown(f"{error.message}. {error.advice}", BAD, max_chars=200))
            if not self.query_one("#words").disabled:
                self.query_one("#words").focus()
            return
        self.dismiss(choice)

    def _choice(self) -> Choice:
        kind, ticked = self._kind, self.query_one(TickList).ticked
        key = self.query_one("#key", Input).value.strip()
        return Choice(
            kind,
            CUSTOMER if VISIBLE in ticked else INTERNAL,
            self.query_one("#words", Input).value.strip() if kind in PLACEHOLDERS else "",
            seal_to=Path(key) if key and kind in FILES else None,
            digest_only=DIGEST in ticked,
        )


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
                text = self._preview.text or NO_TEXT[bool(self._preview.sealed_to)]
                yield Static(shown(text, lines=True, max_chars=MAX_SHOWN_CHARS))
            yield Static(keys_line(("y", "send exactly this"), ("esc", "send nothing")), id="keys")


def preview_head(preview: PreviewPort) -> Text:
    """What it is, who reads it, and a warning where it holds what should not leave."""
    what = preview.what
    text = joined(
        ("to be read by ", FAINT), (READERS.get(what.readers, "?"), "bold"), "\n",
        shown(what.kind, max_chars=20), ": ", shown(what.name, max_chars=200),
        (f", {size(len(what.raw))}, SHA-256 {what.sha256[:16]}…", FAINT),
    )  # fmt: skip
    if preview.sealed_to is not None:
        text.append("\nsealed: only the holder of the private key of ", FAINT)
        text.append_text(shown(str(preview.sealed_to), max_chars=200)).append(" can read it", FAINT)
    if preview.private:
        text.append("\n! it holds what looks like ", WARN).append_text(shown(preview.private, WARN, max_chars=200))
    return text.append("\n")

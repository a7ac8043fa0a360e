"""A colleague for this session: who (their certificate), as what, for how long."""

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from remote_assist.core.agreements.sharing import Part
from remote_assist.tui.choices import Colleague
from remote_assist.tui.screens.forms import DEFAULT_CONSENT_SECONDS, LEAVE, MAX_CONSENT_SECONDS
from remote_assist.tui.theme import BAD, FAINT
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import MAX_PATH, duration, parse_duration

PARTS = {
    Part.ACTIVE: "works beside me",
    Part.OBSERVER: "only watches: status and log, no action at all",
    Part.SUCCESSOR: "takes over: my own access ends when they are in",
}


class ShareScreen(ModalScreen[Colleague | None]):
    """Nothing is asked of the customer before ctrl+s or enter."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE, Binding("ctrl+s", "accept", "ask the customer", key_display="^s")]

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(joined("Let a colleague in on ", shown(self._host, max_chars=60)), classes="title")
            yield Static("Their certificate (NAME-cert.pub)", markup=False)
            yield Input(id="certificate", max_length=MAX_PATH, placeholder="/home/you/bob-cert.pub")
            yield OptionList(*(Option(words, id=part.value) for part, words in PARTS.items()))
            yield Static("For how long (30m, 2h; at most 8h)", markup=False)
            yield Input(duration(DEFAULT_CONSENT_SECONDS), id="until", max_length=6)
            yield Static(joined(("The customer is asked and sees both names; silence is a no.", FAINT)))
            yield Static(id="fault")
            yield Static(keys_line(("^s", "ask the customer"), ("tab", "next"), ("esc", "leave")))

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = 0

    @on(Input.Changed)
    def clear_fault(self) -> None:
        self.query_one("#fault", Static).update("")

    @on(Input.Submitted)
    def submit(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        path = self.query_one("#certificate", Input).value.strip()
        seconds = parse_duration(self.query_one("#until", Input).value)
        if not path:
            self._complain("Name the file of their certificate.")
        elif seconds is None or seconds > MAX_CONSENT_SECONDS:
            self._complain("Say how long like 30m or 2h, at most 8h.")
        else:
            part = list(PARTS)[self.query_one(OptionList).highlighted or 0]
            self.dismiss(Colleague(Path(path).expanduser(), part, seconds))

    def _complain(self, sentence: str) -> None:
        self.query_one("#fault", Static).update(joined((sentence, BAD)))

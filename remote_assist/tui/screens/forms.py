"""Small questions: a new ticket, the closing note, which scopes and for how long. Modals that return values."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from remote_assist.core.time_spent import parse_minutes, spent_words
from remote_assist.errors import UsageError
from remote_assist.tui.theme import BAD, FAINT
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.ticks import TickList
from remote_assist.tui.words import SCOPE_WORDS, duration, parse_duration

MAX_SUBJECT, MAX_DESCRIPTION, MAX_NOTE, MAX_REASON = 200, 2000, 2000, 200
DEFAULT_CONSENT_SECONDS, MAX_CONSENT_SECONDS = 30 * 60, 8 * 3600
"""What the customer is asked for when nobody says otherwise, and at most."""

MAX_TIME = 6
LEAVE = Binding("escape", "dismiss(None)", "leave", key_display="esc")


@dataclass(frozen=True, slots=True)
class TicketDraft:
    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What to ask the customer for, for how many seconds, and why (shown to them)."""

    scopes: tuple[str, ...]
    seconds: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """The note for the ticket, and in a word why the session ends (for the record)."""

    note: str
    reason: str
    minutes: int | None = None
    """Time spent; None: as the relay's settings say."""


class NewTicketScreen(ModalScreen[TicketDraft | None]):
    """Subject and description."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Label("New ticket", classes="title", markup=False)
            yield Label("Subject")
            yield Input(id="subject", max_length=MAX_SUBJECT, placeholder="Web server does not start")
            yield Label("Description (may stay empty)")
            yield Input(id="description", max_length=MAX_DESCRIPTION)
            yield Static(id="fault")
            yield Static(keys_line(("enter", "open it"), ("esc", "leave")))

    @on(Input.Submitted)
    def accept(self) -> None:
        subject = self.query_one("#subject", Input).value.strip()
        if not subject:
            self.query_one("#fault", Static).update(joined(("A ticket needs a subject.", BAD)))
            self.query_one("#subject", Input).focus()
            return
        self.dismiss(TicketDraft(subject, self.query_one("#description", Input).value.strip()))


class EndScreen(ModalScreen[Closing | None]):
    """Ends the session for everybody, with a note for the ticket."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def __init__(self, ticket: str, host: str, booked: int | None = None) -> None:
        """`booked`: minutes that the relay books by itself when nothing else is said; None: it books none."""
        super().__init__()
        self._ticket = ticket
        self._host = host
        self._booked = "" if booked is None else spent_words(booked)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(joined("End the session on ", shown(self._host, max_chars=60)), classes="title")
            yield Static(joined("Closing note, written on #", shown(self._ticket, max_chars=40)))
            yield Input(id="note", max_length=MAX_NOTE, placeholder="What was wrong, what was done, how it was checked")
            yield Static("Why it ends now (may stay empty; goes into the record)", markup=False)
            yield Input(id="reason", max_length=MAX_REASON, placeholder="solved / handed over / customer has to go")
            yield Static("Time spent (15m, 2h; 0 for none)", markup=False)
            said = f"{self._booked}, booked by itself" if self._booked else "stays unsaid"
            yield Input(id="time", max_length=MAX_TIME, placeholder=said)
            yield Static(id="fault")
            yield Static(keys_line(("enter", "end the session"), ("tab", "next"), ("esc", "go on working")))

    @on(Input.Submitted)
    def accept(self) -> None:
        note = self.query_one("#note", Input).value.strip()
        spent = self.query_one("#time", Input).value.strip()
        if not note:
            complain(self, "The ticket needs a sentence.", "#note")
            return
        try:
            minutes = parse_minutes(spent) if spent else None
        except UsageError as error:
            complain(self, f"{error.message}. {error.advice}", "#time")
            return
        self.dismiss(Closing(note, self.query_one("#reason", Input).value.strip(), minutes))


class NoteScreen(ModalScreen[str | None]):
    """Words for the ticket: a disclosure of exactly what is typed here."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def __init__(self, ticket: str, text: str = "") -> None:
        super().__init__()
        self._ticket = ticket
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(joined("Note on #", shown(self._ticket, max_chars=40)), classes="title")
            yield Input(self._text[:MAX_NOTE], id="note", max_length=MAX_NOTE)
            yield Static(joined(("Exactly this text is written on the ticket, for everybody who reads it.", FAINT)))
            yield Static(keys_line(("enter", "write it"), ("esc", "leave")))

    @on(Input.Submitted)
    def accept(self, submitted: Input.Submitted) -> None:
        self.dismiss(submitted.value.strip() or None)


class PassphraseScreen(ModalScreen[str | None]):
    """The passphrase of the technician's key; never shown, never stored."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Static(shown(self._question, max_chars=300), classes="title")
            yield Input(id="passphrase", password=True, max_length=1024)
            yield Static(keys_line(("enter", "unlock the key"), ("esc", "leave")))

    @on(Input.Submitted)
    def accept(self, submitted: Input.Submitted) -> None:
        self.dismiss(submitted.value)


class ScopesScreen(ModalScreen[Wish | None]):
    """Which scopes, and for how long."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE, Binding("ctrl+s", "accept", "ask for these", key_display="^s")]

    def __init__(self, wish: Wish, *, title: str, remark: str, asks_why: bool = False) -> None:
        super().__init__()
        self._wish = wish
        self._asks_why = asks_why
        self._title = title
        self._remark = remark

    def compose(self) -> ComposeResult:
        with Vertical(classes="box form"):
            yield Label(self._title, classes="title", markup=False)
            yield TickList(SCOPE_WORDS, self._wish.scopes)
            yield Label("For how long (30m, 2h; at most 8h)", markup=False)
            yield Input(duration(self._wish.seconds), id="until", max_length=6)
            if self._asks_why:
                yield Label("Why (the customer reads it; may stay empty)", markup=False)
                yield Input(id="why", max_length=MAX_REASON)
            yield Static(joined((self._remark, FAINT)))
            yield Static(id="fault")
            yield Static(keys_line(("space", "tick"), ("tab", "next"), ("^s", "ask for these"), ("esc", "leave")))

    @on(Input.Submitted)
    def submit(self) -> None:
        self.action_accept()

    def action_accept(self) -> None:
        scopes = self.query_one(TickList).ticked
        seconds = parse_duration(self.query_one("#until", Input).value)
        if not scopes:
            self._complain("Tick at least one scope.")
        elif seconds is None or seconds > MAX_CONSENT_SECONDS:
            self._complain("Say how long like 30m or 2h, at most 8h.")
        else:
            why = self.query_one("#why", Input).value.strip() if self._asks_why else ""
            self.dismiss(Wish(scopes, seconds, why))

    def _complain(self, sentence: str) -> None:
        self.query_one("#fault", Static).update(joined((sentence, BAD)))


def complain(form: Widget, sentence: str, field: str) -> None:
    """Say below the fields what is wrong, and go to the one it is about."""
    form.query_one("#fault", Static).update(shown(sentence, BAD, max_chars=300))
    form.query_one(field).focus()

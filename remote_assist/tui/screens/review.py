"""A reviewer's desk: every session that may be seen, its timeline, and what was recorded of it, played here."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from remote_assist.core.api import SessionSummary
from remote_assist.core.hostile import safe_text
from remote_assist.core.log.kept import RECORDING, Kept
from remote_assist.technician.log_file import LogFile
from remote_assist.tui.jobs import reading, recordings
from remote_assist.tui.messages import JobFailed, RecordingFetched, RecordingsListed, SessionsLoaded, TimelineRead
from remote_assist.tui.pace import Pace
from remote_assist.tui.screens.browse import BrowseScreen, Item
from remote_assist.tui.screens.forms import LEAVE
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.replay import ReplayScreen
from remote_assist.tui.theme import FAINT, SESSION_STATE
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import MAX_PATH, day_and_time
from remote_assist.tui.work import Work


class ReviewScreen(BrowseScreen):
    """Sessions, newest first; enter reads the timeline, `p` plays a recording."""

    HEADING = "review"
    NOTHING = "There is no session you may see."
    COLUMNS: ClassVar[tuple[str, ...]] = ("state", "opened", "technician", "ticket", "subject", "records")
    FLEXIBLE, SPARE = 4, (5, 2)
    BINDINGS: ClassVar[list[BindingType]] = [Binding("p", "play", "play a recording", id="review.play")]

    def __init__(self, work: Work, pace: Pace) -> None:
        super().__init__(work)
        self._pace = pace

    def action_load(self) -> None:
        self._work.load_sessions(self)

    @on(SessionsLoaded)
    def show_sessions(self, loaded: SessionsLoaded) -> None:
        newest = sorted(loaded.sessions, key=lambda one: one.opened, reverse=True)
        self.show_items([session_item(one) for one in newest])

    def choose(self, key: str) -> None:
        reading.read_timeline(self._work, self, key)

    @on(TimelineRead)
    def show_timeline(self, read: TimelineRead) -> None:
        if self.is_current:  # a second enter, or whoever went on meanwhile, gets no further screen
            lines = "\n".join(safe_text(line) for line in read.lines)
            log = LogFile(f"timeline of {read.session}", lines.encode())
            self.app.push_screen(LogScreen(self._work, log, joined(("review ", "bold"))))

    def action_play(self) -> None:
        if item := self.selected:
            recordings.list_of(self._work, self, item.key)

    @on(RecordingsListed)
    def ask_which(self, listed: RecordingsListed) -> None:
        playable = [one for one in listed.recordings if one.kind == RECORDING]
        if not playable:
            self.notify("No terminal was recorded in this session.", markup=False)
            return
        if self.is_current:
            self.app.push_screen(RecordingScreen(playable), functools.partial(self._fetch, listed.session))

    def _fetch(self, session: str, chosen: tuple[str, Path] | None) -> None:
        if chosen is not None:
            self.say("fetching it, and checking it against the log …")
            recordings.fetch(self._work, self, session, *chosen)

    @on(RecordingFetched)
    def play(self, fetched: RecordingFetched) -> None:
        self.say(str(len(self._items)))
        self.app.push_screen(ReplayScreen(self._pace, fetched.recording))

    @on(JobFailed)
    def show_standing(self) -> None:
        self.say(str(len(self._items)))


class RecordingScreen(ModalScreen[tuple[str, Path] | None]):
    """Which recording, and whose key opens it."""

    BINDINGS: ClassVar[list[BindingType]] = [LEAVE]

    def __init__(self, recordings: Sequence[Kept]) -> None:
        super().__init__()
        self._recordings = recordings

    def compose(self) -> ComposeResult:
        options = (
            joined(shown(day_and_time(one.began), FAINT, max_chars=20), "  ", shown(one.what, max_chars=200))
            for one in self._recordings
        )
        with Vertical(classes="box form"):
            yield Static("Play a recording", classes="title", markup=False)
            yield OptionList(*(Option(words, id=f"n{number}") for number, words in enumerate(options)))
            yield Static("The file of your reviewers' key: recordings are sealed for it", markup=False)
            yield Input(id="key", max_length=MAX_PATH, placeholder="/home/you/reviewer.key")
            yield Static(keys_line(("enter", "play"), ("tab", "next"), ("esc", "leave")))

    def on_mount(self) -> None:
        options = self.query_one(OptionList)
        options.highlighted = 0
        self.set_focus(options if len(self._recordings) > 1 else self.query_one("#key"))  # before any key is read

    @on(OptionList.OptionSelected)
    def ask_key(self) -> None:
        self.query_one("#key").focus()

    @on(Input.Submitted)
    def accept(self, submitted: Input.Submitted) -> None:
        number = self.query_one(OptionList).highlighted or 0
        if submitted.value.strip():
            self.dismiss((self._recordings[number].name, Path(submitted.value.strip()).expanduser()))


def session_item(session: SessionSummary) -> Item:
    """One line of the list of sessions."""
    sign, colour = SESSION_STATE.get(session.state, ("?", FAINT))
    opened = day_and_time(session.opened)
    return Item(
        session.id,
        (
            joined((f"{sign} ", colour), shown(session.state, colour, max_chars=20)),
            shown(opened, max_chars=20),
            shown(session.technician, max_chars=80),
            joined("#", shown(session.ticket, max_chars=40)),
            shown(session.subject, max_chars=300),
            shown(str(session.records), FAINT),
        ),
        joined(
            shown(session.subject, "bold", max_chars=400),
            ("\nsession     ", FAINT), shown(session.id, max_chars=40),
            ("\nticket      #", FAINT), shown(session.ticket, max_chars=40),
            ("\ntechnician  ", FAINT), shown(f"{session.technician}  {session.technician_key}", max_chars=300),
            ("\ncustomer    ", FAINT), shown(session.host_key, max_chars=200),
            ("\nopened      ", FAINT), shown(opened, max_chars=40),
            ("\nrecords     ", FAINT), str(session.records),
            ("\n\nenter reads the timeline · p plays a recording · `remote-assist audit verify` proves it", FAINT),
        ),
        words=session.id,
    )  # fmt: skip

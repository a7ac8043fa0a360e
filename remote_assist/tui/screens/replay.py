"""A terminal's recording, played: the same player core as `audit replay`, drawn in cells like a live terminal."""

from collections.abc import Iterator
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from remote_assist.core.log.asciicast import MARKER, OUTPUT, RESIZE, Event
from remote_assist.core.log.reel import MAX_IDLE_SECONDS, SPEEDS, Reel
from remote_assist.errors import ContentError
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import RecordingPort
from remote_assist.tui.theme import BAD, FAINT, WARN
from remote_assist.tui.widgets.keys import KeysFooter
from remote_assist.tui.widgets.lines import TwoEnds
from remote_assist.tui.widgets.replay_view import ReplayView
from remote_assist.tui.widgets.text import joined, shown

STEP_SECONDS = 0.05
"""Between two drawings."""

STEP_CHARS = 64 << 10
"""Most that is drawn in one step: a seek over a flood takes several, and keys are read between them."""


class ReplayScreen(Screen[None]):
    """Owns the recording and closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause", id="replay.pause"),
        Binding("plus,equals_sign", "speed(1)", "faster", key_display="+"),
        Binding("minus", "speed(-1)", "slower", key_display="-"),
        Binding("right", "seek(5)", "5 s on", key_display="→"),
        Binding("left", "seek(-5)", "5 s back", key_display="←"),
        Binding("up", "seek(60)", "60 s on", show=False),
        Binding("down", "seek(-60)", "60 s back", show=False),
        Binding("n", "next", "next mark", id="replay.next"),
        Binding("slash", "search", "search", key_display="/", id="replay.search"),
        Binding("0", "seek(-1000000000)", "begin anew", show=False),
        Binding("escape,q", "leave", "back", key_display="esc", id="replay.leave"),
    ]

    def __init__(self, pace: Pace, recording: RecordingPort) -> None:
        super().__init__()
        self._pace = pace
        self._recording = recording
        self._reel = Reel(lambda: recording.open()[1], max_idle=MAX_IDLE_SECONDS)
        self._scene: Iterator[Event] | None = None
        self._speed = 1.0
        self._paused = False
        self._note = ""
        self._looked_at = pace.stopwatch()

    def compose(self) -> ComposeResult:
        header, _ = self._recording.open()
        yield TwoEnds("", "", id="top")
        yield ReplayView(header.width, header.height)
        yield Input(id="word", placeholder="a text that is shown", max_length=100)
        yield KeysFooter()

    def on_mount(self) -> None:
        self.query_one(Input).display = False
        self.query_one(ReplayView).focus()
        self.set_interval(STEP_SECONDS, self.step)
        self._draw_top()

    def on_unmount(self) -> None:
        self._recording.close()

    # --- playing ------------------------------------------------------------------------------------

    def step(self) -> None:
        """Show what is due since the last step, or the next piece of a seek."""
        now = self._pace.stopwatch()
        passed, self._looked_at = now - self._looked_at, now
        if self._scene is None and not self._paused:
            self._scene = self._reel.until(self._reel.position + passed * self._speed)
        if self._scene is not None:
            self._show_some(self._scene)
            self._draw_top()

    def _show_some(self, events: Iterator[Event]) -> None:
        view, shown_chars = self.query_one(ReplayView), 0
        try:
            for event in events:
                shown_chars += len(event.text)
                self._show(view, event)
                if shown_chars >= STEP_CHARS:
                    return
        except ContentError as error:
            self._note, self._paused = error.message, True
        self._scene = None

    def _show(self, view: ReplayView, event: Event) -> None:
        if event.kind == OUTPUT:
            view.feed(event.text)
        elif event.kind == RESIZE:
            view.resize_to(event.text)
        elif event.kind == MARKER:
            self._note = event.text

    # --- keys ---------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        self._paused = not self._paused
        self._draw_top()

    def action_speed(self, step: int) -> None:
        at = SPEEDS.index(self._speed) + step
        self._speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]
        self._draw_top()

    def action_seek(self, seconds: int) -> None:
        wanted = max(0.0, self._reel.position + seconds)
        if seconds < 0:
            self._reel.rewind()
            self.query_one(ReplayView).clear()
        self._scene = self._reel.until(wanted)

    def action_next(self) -> None:
        self._scene, self._paused = self._reel.until_marker(), True

    def action_search(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    @on(Input.Submitted)
    def begin_search(self, submitted: Input.Submitted) -> None:
        self._close_field()
        if submitted.value:
            self._note = f"search: {submitted.value}"
            self._scene, self._paused = self._reel.until_text(submitted.value), True

    def action_leave(self) -> None:
        if self.query_one(Input).display:
            self._close_field()
        else:
            self.dismiss(None)

    def _close_field(self) -> None:
        self.query_one(Input).display = False
        self.query_one(ReplayView).focus()

    def _draw_top(self) -> None:
        state = "end" if self._reel.next_at is None else "paused" if self._paused else "playing"
        minutes, seconds = divmod(int(self._reel.position), 60)
        faults = self._recording.faults
        self.query_one("#top", TwoEnds).show(
            joined(("replay ", "bold"), shown(self._recording.title, max_chars=100)),
            joined(
                (f"✖ {len(faults)} chunks do not hold   " if faults else "", BAD),
                shown(self._note, WARN, max_chars=60),
                (f"   {state}  {minutes}:{seconds:02d}  ×{self._speed:g}", FAINT),
            ),
        )

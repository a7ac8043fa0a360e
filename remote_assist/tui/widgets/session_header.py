"""Two lines that never go away: who, which ticket, what is allowed, until when, recorded, and the link."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from rich.text import Text
from textual.app import RenderResult
from textual.widget import Widget

from remote_assist.core.requests import Status
from remote_assist.tui.link_state import LinkState
from remote_assist.tui.theme import ACCENT, BAD, FAINT, WARN
from remote_assist.tui.widgets.lines import two_ends
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.words import clock_time, minutes_left, parse_time

WIDE_COLUMNS = 96
"""From here on the link and other people are named in words."""

SOON_SECONDS = 5 * 60
"""From here on the time left is shown as a warning."""


@dataclass(frozen=True, slots=True)
class HeaderState:
    """What the header shows. `colour` is the customer's, `seconds` the last round trip, `cut_at` when the link went,
    or what was asked last and not answered yet.

    `status` is None until the agent spoke; `elsewhere`: lines nobody read yet in other sessions.
    """

    technician: str
    colour: str = ACCENT
    ticket: str = ""
    subject: str = ""
    link: LinkState = LinkState.CONNECTING
    seconds: float = 0.0
    cut_at: datetime | None = None
    status: Status | None = None
    elsewhere: int = 0

    @property
    def until(self) -> datetime | None:
        """When the last grant ends, or the session if that is earlier."""
        if self.status is None:
            return None
        times = [time for grant in self.status.grants if (time := parse_time(grant.until)) is not None]
        ends = parse_time(self.status.ends)
        last = max(times, default=None)
        return min(last, ends) if last and ends else last or ends

    @property
    def scopes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(grant.scope for grant in self.status.grants)) if self.status else ()


class SessionHeader(Widget):
    """Draws a `HeaderState`; a clock is handed in for the minutes left."""

    def __init__(self, state: HeaderState, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._state = state
        self._clock = clock

    @property
    def state(self) -> HeaderState:
        return self._state

    def show(self, state: HeaderState) -> None:
        self._state = state
        self.refresh()

    def render(self) -> RenderResult:
        width = self.content_size.width
        wide = width >= WIDE_COLUMNS
        first = two_ends(self._who(), self._how(wide=wide), width)
        waits = self._state.elsewhere
        you = joined(shown(self._state.technician, max_chars=40), (" (you)", FAINT), self._others(wide=wide))
        second = two_ends(self._may(), joined((f"✉ {waits} elsewhere   " if waits else "", WARN), you), width)
        return joined(first, "\n", second)

    @property
    def badge(self) -> Text:
        """The customer's machine on the customer's colour."""
        host = self._state.status.host_name if self._state.status else "…"
        return shown(f" {host} ", f"bold #12161b on {self._state.colour}", max_chars=62)

    def _who(self) -> Text:
        state = self._state
        return joined(
            ("● ", state.link.value[2]),
            self.badge,
            ("  #", FAINT),
            shown(state.ticket, max_chars=30),
            " ",
            shown(state.subject, FAINT, max_chars=200),
        )

    def _how(self, *, wide: bool) -> Text:
        state = self._state
        sign, words, colour = state.link.value
        trip = f" {state.seconds * 1000:.0f} ms" if state.link is LinkState.UP else ""
        if state.link in {LinkState.RECONNECTING, LinkState.SILENT} and state.cut_at is not None:
            words = f"{words} since {state.cut_at.astimezone():%H:%M:%S}"
        text = joined((f"{sign} {words if wide or not trip else ''}".rstrip() + trip, colour))
        if state.status is not None:
            text.append("  ◉ ", BAD).append(f"rec {state.status.recorded}")
        if state.until is not None and state.link is not LinkState.OVER:
            text.append_text(self._until(state.until))
        return text

    def _until(self, until: datetime) -> Text:
        now = self._clock()
        soon = (until - now).total_seconds() < SOON_SECONDS
        return joined(f"  until {clock_time(until)} ", (f"({minutes_left(until, now)})", WARN if soon else FAINT))

    def _others(self, *, wide: bool) -> Text:
        """Who else is in the session, and whether they may act; where it is narrow, how many."""
        told = self._state.status.technicians if self._state.status else msgspec.UNSET
        others = () if told is msgspec.UNSET else tuple(one for one in told if one.name != self._state.technician)
        text = Text(f" · +{len(others)}" if others and not wide else "", end="")
        for one in others if wide else ():
            text.append(" · watching: " if one.part == "observer" else " · with: ", FAINT)
            text.append_text(shown(one.name, max_chars=30))
        return text

    def _may(self) -> Text:
        text = joined(("may: ", FAINT))
        if self._state.status is None:
            return text.append("…", FAINT)
        if not self._state.scopes or self._state.link is LinkState.OVER:
            return text.append("nothing", WARN)
        if self._state.until is not None and self._clock() >= self._state.until:
            return text.append("nothing: the time the customer allowed is over", WARN)
        if self._state.status.paused:
            return text.append("nothing: the customer has paused the session", WARN)
        for scope in self._state.scopes:
            text.append_text(shown(scope, ACCENT, max_chars=20)).append("  ")
        return text

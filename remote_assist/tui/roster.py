"""Which sessions are open in this program: their colours, what is new in them, the order of the keys that switch.

Rule: a customer keeps their colour while the session is open here, and no two of the first eight share one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remote_assist.tui.link_state import LinkState

HUES = ("#5aa9e6", "#e0a15c", "#7fc97f", "#d58ad0", "#5ec8c0", "#e27d7d", "#b0a7f0", "#c9c25a")
"""Colours of customers: told apart at a glance, and by their number where there is no colour."""


@dataclass(frozen=True, slots=True)
class Presence:
    """One open session as the other screens see it. `unread` chat lines, `doing`: the job that runs, or empty."""

    session: str
    place: int
    ticket: str = ""
    subject: str = ""
    host: str = ""
    link: LinkState = LinkState.CONNECTING
    until: datetime | None = None
    unread: int = 0
    doing: str = ""

    @property
    def colour(self) -> str:
        return HUES[self.place % len(HUES)]


class Roster:
    """The open sessions, in the order they were opened."""

    def __init__(self) -> None:
        self._open: dict[str, Presence] = {}

    def enter(self, session: str) -> Presence:
        """Take a session in, with the lowest place nobody has."""
        if session not in self._open:
            taken = {presence.place for presence in self._open.values()}
            place = next(number for number in range(len(taken) + 1) if number not in taken)
            self._open[session] = Presence(session, place)
        return self._open[session]

    def change(self, session: str, **changes: object) -> None:
        """Note what is new in an open session."""
        if session in self._open:
            self._open[session] = replace(self._open[session], **changes)  # type: ignore[arg-type]  # Presence's own

    def leave(self, session: str) -> None:
        self._open.pop(session, None)

    def of(self, session: str) -> Presence | None:
        """A session that is open here, or None."""
        return self._open.get(session)

    @property
    def open(self) -> Sequence[Presence]:
        return tuple(self._open.values())

    def beside(self, session: str, step: int) -> str:
        """The session `step` places after this one, round and round; itself when it is alone."""
        names = list(self._open)
        return names[(names.index(session) + step) % len(names)] if session in names else session

"""Which sessions are open in this program: their colours, what is new in them, the order of the keys that switch.

Rule: a customer keeps their colour while the session is open here, and no two of the first eight share one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from remote_assist.core.api import SessionSummary
from remote_assist.core.codes import is_session_id
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
        self._told: tuple[SessionSummary, ...] = ()

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

    def note(self, told: Iterable[SessionSummary]) -> None:
        """What the relay said of the sessions last."""
        self._told = tuple(told)

    @property
    def live(self) -> Sequence[SessionSummary]:
        """Sessions that are not over, as the relay told last, and all those open here.

        Those open here first, in their order; then the others, oldest first.
        """
        told = {one.id: one for one in self._told if is_session_id(one.id)}
        others = [one for one in told.values() if one.id not in self._open and one.state != "ended"]
        return [*(told.get(one.session) or _untold(one) for one in self._open.values()), *sorted(others, key=_opened)]

    def of(self, session: str) -> Presence | None:
        """A session that is open here, or None."""
        return self._open.get(session)

    @property
    def open(self) -> Sequence[Presence]:
        return tuple(self._open.values())

    def unread_beside(self, session: str) -> int:
        """Lines nobody read yet in the other sessions."""
        return sum(one.unread for one in self._open.values() if one.session != session)

    def beside(self, session: str, step: int) -> str:
        """The session `step` places after this one, round and round; itself when it is alone."""
        names = list(self._open)
        return names[(names.index(session) + step) % len(names)] if session in names else session


def _opened(summary: SessionSummary) -> str:
    return summary.opened


def _untold(presence: Presence) -> SessionSummary:
    return SessionSummary(
        id=presence.session, ticket=presence.ticket, subject=presence.subject, technician="", technician_key="",
        host_key="", opened="", state="", records=0,
    )  # fmt: skip

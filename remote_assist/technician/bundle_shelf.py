"""The bundles that were collected to this machine, and whose they are.

HOME/collected/SESSION/*.tar.zst      what the screens and `diagnose` keep
HOME/sessions/SESSION/session.json    see technician/session_folder.py; it stays when the session is over
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remote_assist.errors import AssistError

MAX_BUNDLES = 2000


@dataclass(frozen=True, slots=True)
class ShelvedBundle:
    """`modified`: seconds since the epoch. Ticket, subject and host are empty where nothing is known of the session."""

    path: Path
    session: str
    size: int
    modified: float
    ticket: str = ""
    subject: str = ""
    host: str = ""


def bundles_in(collected: Path) -> Sequence[ShelvedBundle]:
    """All of them, newest first. A folder that is not there holds none."""
    whose: dict[str, tuple[str, str, str]] = {}
    found = []
    for path in collected.glob("*/*.tar.zst"):
        known, session = path.stat(), path.parent.name
        if session not in whose:
            whose[session] = _whose(collected.parent / "sessions" / session)
        found.append(ShelvedBundle(path, session, known.st_size, known.st_mtime, *whose[session]))
    return sorted(found, key=lambda one: one.modified, reverse=True)[:MAX_BUNDLES]


def _whose(folder: Path) -> tuple[str, str, str]:
    from remote_assist.technician.session_folder import SessionFolder  # loads the keys' library

    with contextlib.suppress(AssistError, OSError):
        facts = SessionFolder(folder).facts()
        return facts.ticket, facts.subject, facts.host_name
    return "", "", ""

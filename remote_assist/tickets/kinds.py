"""Which kinds of ticket system there are, and how each one takes its credential.

Rule: a kind is a row of this table; `open_system` is the only place that makes a connector.
"""

import base64
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from remote_assist.errors import ContentError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.http import Http
from remote_assist.tickets.redmine import Redmine
from remote_assist.tickets.request_tracker import RequestTracker
from remote_assist.tickets.system import TicketSystem

Maker = Callable[[str, TicketSystemSettings, str], TicketSystem]
"""(name, settings, credential) → connector."""


def open_system(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    """The connector of one configured system. Raises ContentError for a kind or an address that cannot be."""
    return KINDS[check_kind(name, settings.kind)](name, settings, credential)


def check_kind(name: str, kind: str) -> str:
    """The kind, if there is one of this name. Raises ContentError with the nearest."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.0)[0]
        raise ContentError(
            f"ticket system {name}: there is no kind '{kind}'; the nearest is '{near}'",
            advice="docs/tickets.md lists them all.",
        )
    return kind


def _request_tracker(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    http = _http(settings, {"Authorization": f"token {credential}"})
    return RequestTracker(name, http, queue=settings.queue, token=credential, closed_status=settings.closed_status)


def _redmine(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    http = _http(settings, {"X-Redmine-API-Key": credential})
    return Redmine(name, http, project=settings.queue, closed_status=settings.closed_status)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for a user and a password or key."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _http(settings: TicketSystemSettings, headers: Mapping[str, str]) -> Http:
    ca: Path | None = settings.tls_ca or None
    return Http(settings.url, headers=headers, deadline_seconds=settings.deadline_seconds, tls_ca_file=ca)


KINDS: dict[str, Maker] = {
    "request-tracker": _request_tracker,
    "redmine": _redmine,
}

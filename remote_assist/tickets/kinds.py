"""Which kinds of ticket system there are, and how each one takes its credential.

Rule: a kind is a row of this table; `open_system` is the only place that makes a connector, and loads it then:
most programs ask only whether a kind exists.
"""

import base64
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.errors import ContentError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.system import TicketSystem

if TYPE_CHECKING:
    from remote_assist.tickets.http import Http

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
    from remote_assist.tickets.request_tracker import RequestTracker

    http = _http(settings, {"Authorization": f"token {credential}"})
    return RequestTracker(name, http, queue=settings.queue, token=credential, closed_status=settings.closed_status)


def _redmine(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.redmine import Redmine

    http = _http(settings, {"X-Redmine-API-Key": credential})
    return Redmine(name, http, project=settings.queue, closed_status=settings.closed_status)


def _zammad(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.zammad import Zammad

    made = Zammad(name, _http(settings, {"Authorization": f"Token token={credential}"}))
    made.group = settings.queue or made.group
    return made


def _jira_service(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.jira_service import JiraService

    made = JiraService(name, _http(settings, {"Authorization": basic(settings.user, credential)}))
    made.queue = settings.queue or made.queue
    return made


def _zendesk(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.zendesk import Zendesk

    return Zendesk(name, _http(settings, {"Authorization": basic(f"{settings.user}/token", credential)}))


def _freshdesk(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.freshdesk import Freshdesk

    return Freshdesk(name, _http(settings, {"Authorization": basic(credential, "X")}))


def _servicenow(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.servicenow import ServiceNow

    http = _http(settings, {"Authorization": basic(settings.user, credential)})
    return ServiceNow(name, http, user=settings.user, group=settings.queue)


def _glpi(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.glpi import Glpi

    user_token, _, app_token = credential.partition(" ")
    return Glpi(name, _http(settings, {"App-Token": app_token} if app_token else {}), user_token=user_token)


def _github(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.github_issues import GithubIssues

    headers = {"Authorization": f"Bearer {credential}", "X-GitHub-Api-Version": "2022-11-28"}
    return GithubIssues(name, _http(settings, headers), repository=settings.queue)


def _mail(name: str, settings: TicketSystemSettings, credential: str) -> TicketSystem:
    from remote_assist.tickets.mail import Mail, Server

    login = settings.user if credential else ""
    server = Server(settings.url, login, credential, settings.tls_ca, settings.deadline_seconds)
    return Mail(name, server, sender=settings.user, recipient=settings.queue, subject=settings.subject)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for a user and a password or key."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _http(settings: TicketSystemSettings, headers: Mapping[str, str]) -> "Http":
    from remote_assist.tickets.http import Http

    ca: Path | None = settings.tls_ca or None
    return Http(settings.url, headers=headers, deadline_seconds=settings.deadline_seconds, tls_ca_file=ca)


KINDS: dict[str, Maker] = {
    "request-tracker": _request_tracker,
    "redmine": _redmine,
    "zammad": _zammad,
    "jira-service": _jira_service,
    "zendesk": _zendesk,
    "freshdesk": _freshdesk,
    "servicenow": _servicenow,
    "glpi": _glpi,
    "github": _github,
    "mail": _mail,
}

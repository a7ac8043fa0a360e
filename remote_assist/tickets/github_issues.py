"""GitHub Issues (docs.github.com, REST). Not run against the live service.

Traps: a comment is as public as the repository: there are no internal notes, so `events_to` must be `customer`, and
nobody should do that on a public repository; there is no API for files; secondary limits are 403 with Retry-After.
"""

import re

import msgspec

from remote_assist.errors import ContentError
from remote_assist.tickets.http import Http
from remote_assist.tickets.marks import key_in, mark_of
from remote_assist.tickets.system import CUSTOMER, Capabilities, Draft, RemoteNote, RemoteTicket, check_visible
from remote_assist.tickets.thin import MAX_PAGES, Thin, number

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


class _User(msgspec.Struct):
    login: str


class _Issue(msgspec.Struct):
    number: int
    title: str
    state: str
    html_url: str = ""
    body: str | None = None
    user: _User | None = None
    assignee: _User | None = None


class _Found(msgspec.Struct):
    items: list[_Issue]


class _Comment(msgspec.Struct):
    id: int
    body: str
    created_at: str = ""
    user: _User | None = None


class GithubIssues(Thin):
    """`TicketSystem` on the issues of one repository."""

    able = Capabilities(internal_note=False)

    def __init__(self, name: str, http: Http, *, repository: str) -> None:
        if not _REPOSITORY.fullmatch(repository) or ".." in repository:
            raise ContentError(f"ticket system {name}: queue is OWNER/REPOSITORY, not {repository!r}")
        super().__init__(name, http)
        self._repository = repository
        self._place = f"/repos/{repository}/issues"

    async def verify(self) -> str:
        return (await self._http.call("GET", "/user")).read(_User).login

    async def get(self, ticket: str) -> RemoteTicket:
        return _ticket((await self._http.call("GET", f"{self._place}/{number(ticket)}")).read(_Issue))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        return await self._query(f'"{text.replace(chr(34), " ")}" in:title' if text else "state:open")

    async def create(self, draft: Draft) -> RemoteTicket:
        there = await self._query(f'"{draft.key}" in:body')
        if there:
            return there[0]
        body = {"title": draft.subject, "body": f"{fenced(draft.text)}\n\n{mark_of(draft.key)}"}
        return _ticket((await self._http.call("POST", self._place, body=body)).read(_Issue))

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        found: list[_Comment] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"per_page": "100", "page": str(page)}
            place = f"{self._place}/{number(ticket)}/comments"
            some = (await self._http.call("GET", place, query=query)).read(list[_Comment])
            found += some
            if len(some) < 100:
                break
        return tuple(
            RemoteNote(
                id=str(one.id),
                time=one.created_at,
                author="" if one.user is None else one.user.login,
                text=one.body,
                visibility=CUSTOMER,
                mark=key_in(one.body),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        place = f"{self._place}/{number(ticket)}/comments"
        return str((await self._http.call("POST", place, body={"body": fenced(text)})).read(_Comment).id)

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed != closed:
            body = {"state": "closed" if closed else "open"}
            await self._http.call("PATCH", f"{self._place}/{number(ticket)}", body=body)

    async def _query(self, words: str) -> tuple[RemoteTicket, ...]:
        query = {"q": f"{words} repo:{self._repository} type:issue", "sort": "created", "per_page": "50"}
        return tuple(
            _ticket(one) for one in (await self._http.call("GET", "/search/issues", query=query)).read(_Found).items
        )


def fenced(text: str) -> str:
    """Text in a code block whose fence cannot stand in it: no markup, no mentions, no images of others."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _ticket(found: _Issue) -> RemoteTicket:
    return RemoteTicket(
        id=str(found.number),
        subject=found.title,
        status=found.state,
        closed=found.state == "closed",
        url=found.html_url,
        requester="" if found.user is None else found.user.login,
        assignee="" if found.assignee is None else found.assignee.login,
    )

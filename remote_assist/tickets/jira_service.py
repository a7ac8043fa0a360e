"""Jira Service Management Cloud (developer.atlassian.com). Not run against the live service.

Traps: a comment is public unless `public` is false; attaching is two steps with a header against cross-site posting;
each issue has a write limit of its own, told by 429 and Retry-After; `queue` is SERVICE-DESK/REQUEST-TYPE by id.
"""

import re

import msgspec

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.http import FilePart
from remote_assist.tickets.marks import key_in, mark_of
from remote_assist.tickets.system import (
    CUSTOMER,
    INTERNAL,
    Attachment,
    Capabilities,
    Draft,
    RemoteNote,
    RemoteTicket,
    check_attachment,
    check_visible,
)
from remote_assist.tickets.thin import MAX_PAGES, Thin

_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,31}-[1-9][0-9]{0,11}")
PAGE = 50


class _Person(msgspec.Struct, rename="camel"):
    display_name: str = ""


class _Category(msgspec.Struct):
    key: str = ""


class _Status(msgspec.Struct, rename="camel"):
    name: str = ""
    status_category: _Category = msgspec.field(default_factory=_Category)


class _Fields(msgspec.Struct):
    summary: str = ""
    status: _Status = msgspec.field(default_factory=_Status)
    assignee: _Person | None = None
    reporter: _Person | None = None


class _Issue(msgspec.Struct):
    key: str
    fields: _Fields


class _Issues(msgspec.Struct):
    issues: list[_Issue]


class _Created(msgspec.Struct, rename="camel"):
    issue_key: str


class _Date(msgspec.Struct):
    iso8601: str = ""


class _Comment(msgspec.Struct):
    id: str
    body: str
    public: bool
    author: _Person = msgspec.field(default_factory=_Person)
    created: _Date = msgspec.field(default_factory=_Date)


class _Comments(msgspec.Struct, rename="camel"):
    values: list[_Comment]
    is_last_page: bool = True


class _Temporary(msgspec.Struct, rename="camel"):
    temporary_attachment_id: str


class _Temporaries(msgspec.Struct, rename="camel"):
    temporary_attachments: list[_Temporary]


class _Transition(msgspec.Struct):
    id: str
    to: _Status


class _Transitions(msgspec.Struct):
    transitions: list[_Transition]


class JiraService(Thin):
    """`TicketSystem` on a request type of a service desk."""

    able = Capabilities(
        attach_internal=True,
        attach_customer=True,
        max_attachment_bytes=10 << 20,
        max_note_chars=30_000,
        time=True,
        link=True,
    )
    queue = "1/1"

    async def verify(self) -> str:
        return (await self._http.call("GET", "/rest/api/3/myself")).read(_Person).display_name

    async def get(self, ticket: str) -> RemoteTicket:
        query = {"fields": "summary,status,assignee,reporter"}
        return self._ticket(
            (await self._http.call("GET", f"/rest/api/3/issue/{_key(ticket)}", query=query)).read(_Issue)
        )

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        return await self._query(f"summary ~ {_quoted(text)}" if text else "statusCategory != Done")

    async def create(self, draft: Draft) -> RemoteTicket:
        there = await self._query(f"description ~ {_quoted(draft.key)}")
        if there:
            return there[0]
        desk, _, kind = self.queue.partition("/")
        values = {"summary": draft.subject, "description": f"{draft.text}\n\n{mark_of(draft.key)}"}
        body = {"serviceDeskId": desk, "requestTypeId": kind, "requestFieldValues": values}
        created = (await self._http.call("POST", "/rest/servicedeskapi/request", body=body)).read(_Created)
        return await self.get(created.issue_key)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        found: list[_Comment] = []
        for page in range(MAX_PAGES):
            query = {"start": str(page * PAGE), "limit": str(PAGE)}
            place = f"/rest/servicedeskapi/request/{_key(ticket)}/comment"
            some = (await self._http.call("GET", place, query=query)).read(_Comments)
            found += some.values
            if some.is_last_page:
                break
        return tuple(
            RemoteNote(
                id=one.id,
                time=one.created.iso8601,
                author=one.author.display_name,
                text=one.body,
                visibility=CUSTOMER if one.public else INTERNAL,
                mark=key_in(one.body),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        body = {"body": _literal(text), "public": visibility == CUSTOMER}
        place = f"/rest/servicedeskapi/request/{_key(ticket)}/comment"
        return (await self._http.call("POST", place, body=body)).read(_Comment).id

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        desk = self.queue.partition("/")[0]
        part = FilePart("file", attachment.name, attachment.content, attachment.media_type)
        uploaded = await self._http.call(
            "POST",
            f"/rest/servicedeskapi/servicedesk/{desk}/attachTemporaryFile",
            parts=({}, (part,)),
            headers={"X-Atlassian-Token": "no-check"},
        )
        body = {
            "temporaryAttachmentIds": [
                one.temporary_attachment_id for one in uploaded.read(_Temporaries).temporary_attachments
            ],
            "public": attachment.visibility == CUSTOMER,
            "additionalComment": {"body": f"{attachment.text or attachment.name}\n{mark_of(attachment.key)}"},
        }
        await self._http.call("POST", f"/rest/servicedeskapi/request/{_key(ticket)}/attachment", body=body)
        return ""

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed == closed:
            return
        place = f"/rest/api/3/issue/{_key(ticket)}/transitions"
        for one in (await self._http.call("GET", place)).read(_Transitions).transitions:
            if (one.to.status_category.key == "done") == closed:
                await self._http.call("POST", place, body={"transition": {"id": one.id}})
                return
        raise TicketSystemError(f"Jira's workflow has no such step from {ticket}", fault=Fault.REJECTED)

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        words = {"type": "text", "text": f"{text} {mark_of(key)}"}
        comment = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [words]}]}
        body = {"timeSpentSeconds": minutes * 60, "comment": comment}
        await self._http.call("POST", f"/rest/api/3/issue/{_key(ticket)}/worklog", body=body)

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        body = {"globalId": url, "object": {"url": url, "title": title}}  # the same globalId is updated, not added
        await self._http.call("POST", f"/rest/api/3/issue/{_key(ticket)}/remotelink", body=body)

    async def _query(self, jql: str) -> tuple[RemoteTicket, ...]:
        query = {
            "jql": f"{jql} ORDER BY created DESC",
            "fields": "summary,status,assignee,reporter",
            "maxResults": "50",
        }
        found = (await self._http.call("GET", "/rest/api/3/search/jql", query=query)).read(_Issues)
        return tuple(self._ticket(one) for one in found.issues)

    def _ticket(self, found: _Issue) -> RemoteTicket:
        fields = found.fields
        return RemoteTicket(
            id=found.key,
            subject=fields.summary,
            status=fields.status.name,
            closed=fields.status.status_category.key == "done",
            url=f"{self._http.url}/browse/{found.key}",
            requester="" if fields.reporter is None else fields.reporter.display_name,
            assignee="" if fields.assignee is None else fields.assignee.display_name,
        )


def _key(ticket: str) -> str:
    if not _KEY.fullmatch(ticket):
        raise TicketSystemError("Jira's issues are named PROJECT-NUMBER", fault=Fault.ABSENT)
    return ticket


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(text: str) -> str:
    """Text that wiki markup leaves alone; the block's own end cannot stand in it."""
    return f"{{noformat}}\n{text.replace('{noformat}', '{ noformat}')}\n{{noformat}}"

"""Redmine 5, over its REST API. Tried against the real server of Debian 12.

Traps: a private note with an upload makes two journals and the file's is public, so files for the organisation alone
are refused; without the permission for private notes Redmine makes the note public without a word, so each one is
read back; a wrong key is answered 200 where anonymous may read, so `verify` asks who we are; a change that the
workflow forbids is answered 204 and left out; REST is off until an administrator turns it on.
"""

import re
from collections.abc import Mapping

import msgspec

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.http import Http
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

ABLE = Capabilities(attach_customer=True, max_attachment_bytes=5 << 20, time=True, fields=True, link=True)
"""5 MiB is Redmine's default `attachment_max_size`."""

_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


class _Named(msgspec.Struct):
    id: int = 0
    name: str = ""


class _User(msgspec.Struct):
    login: str


class _UserAnswer(msgspec.Struct):
    user: _User


class _Status(msgspec.Struct):
    id: int
    name: str
    is_closed: bool = False


class _Statuses(msgspec.Struct):
    issue_statuses: list[_Status]


class _Journal(msgspec.Struct):
    id: int
    user: _Named = msgspec.field(default_factory=_Named)
    notes: str = ""
    created_on: str = ""
    private_notes: bool = False


class _File(msgspec.Struct):
    id: int
    description: str = ""


class _Field(msgspec.Struct):
    id: int
    name: str
    value: object = None


class _Issue(msgspec.Struct):
    id: int
    status: _Named
    subject: str = ""
    description: str = ""
    author: _Named = msgspec.field(default_factory=_Named)
    assigned_to: _Named = msgspec.field(default_factory=_Named)
    journals: list[_Journal] = msgspec.field(default_factory=list)
    attachments: list[_File] = msgspec.field(default_factory=list)
    custom_fields: list[_Field] = msgspec.field(default_factory=list)


class _IssueAnswer(msgspec.Struct):
    issue: _Issue


class _Issues(msgspec.Struct):
    issues: list[_Issue]


class _Upload(msgspec.Struct):
    token: str


class _UploadAnswer(msgspec.Struct):
    upload: _Upload


class _Entry(msgspec.Struct):
    id: int
    comments: str = ""


class _Entries(msgspec.Struct):
    time_entries: list[_Entry]


class _Activity(msgspec.Struct):
    id: int
    is_default: bool = False


class _Activities(msgspec.Struct):
    time_entry_activities: list[_Activity]


class Redmine:
    """`TicketSystem` on a project of Redmine."""

    def __init__(self, name: str, http: Http, *, project: str, closed_status: str = "") -> None:
        self.name = name
        self._http = http
        self._project = project
        self._closed_status = closed_status
        self._statuses: dict[int, _Status] = {}

    def capabilities(self) -> Capabilities:
        return ABLE

    async def verify(self) -> str:
        return (await self._http.call("GET", "/users/current.json")).read(_UserAnswer).user.login

    async def get(self, ticket: str) -> RemoteTicket:
        return await self._ticket(await self._issue(ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        wanted = {"status_id": "open"} if not text else {"status_id": "*", "subject": f"~{text}"}
        return await self._query(wanted)

    async def create(self, draft: Draft) -> RemoteTicket:
        mark = mark_of(draft.key)
        asked = {"set_filter": "1", "f[]": "description", "op[description]": "~", "v[description][]": mark}
        there = await self._query({**asked, "status_id": "*"}, mark)
        if there:
            return there[0]
        issue: dict[str, object] = {
            "project_id": self._project,
            "subject": draft.subject[:255],
            "description": f"{draft.text}\n\n{mark}",
        }
        answer = (await self._http.call("POST", "/issues.json", body={"issue": issue})).read(_IssueAnswer)
        return await self._ticket(answer.issue)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        return tuple(_note(one) for one in (await self._issue(ticket)).journals if one.notes)

    async def find(self, ticket: str, key: str) -> str | None:
        issue = await self._issue(ticket)
        found = [str(one.id) for one in issue.journals if key_in(one.notes) == key]
        found += [str(one.id) for one in issue.attachments if key_in(one.description) == key]
        if found:
            return found[0]
        for entry in await self._time_entries(ticket):
            if key_in(entry.comments) == key:
                return str(entry.id)
        return None

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(ABLE, visibility, self.name)
        private = visibility == INTERNAL
        await self._change(ticket, {"notes": _literal(text), "private_notes": private})
        # Answered 204 without an id, and without a word about a privacy it did not keep.
        for one in (await self._issue(ticket)).journals:
            if key_in(one.notes) == key:
                self._check_private(one, private)
                return str(one.id)
        raise TicketSystemError("Redmine took a note and does not show it", fault=Fault.UNCLEAR)

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(ABLE, attachment, self.name)
        uploaded = (
            await self._http.call(
                "POST",
                "/uploads.json",
                query={"filename": attachment.name},
                raw=attachment.content,
                headers={"Content-Type": "application/octet-stream"},
            )
        ).read(_UploadAnswer)
        file = {
            "token": uploaded.upload.token,
            "filename": attachment.name,
            "content_type": attachment.media_type,
            "description": mark_of(attachment.key),
        }
        await self._change(ticket, {"notes": attachment.text or attachment.name, "uploads": [file]})
        return await self.find(ticket, attachment.key) or ""

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed == closed:
            return
        statuses = (await self._all_statuses()).values()
        fitting = [one for one in statuses if one.is_closed == closed]
        named = [one for one in fitting if one.name == self._closed_status]
        for status in named if closed and named else fitting:
            await self._change(ticket, {"status_id": status.id})
            if (await self.get(ticket)).closed == closed:
                return
        raise TicketSystemError(
            f"Redmine left ticket {ticket} as it was",
            fault=Fault.REJECTED,
            advice="Allow the connector's role this step of the workflow.",
        )

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        found = (await self._http.call("GET", "/enumerations/time_entry_activities.json")).read(_Activities)
        activities = sorted(found.time_entry_activities, key=lambda one: not one.is_default)
        if not activities:
            raise TicketSystemError("Redmine has no activity to book time on", fault=Fault.REJECTED)
        entry = {
            "activity_id": activities[0].id,
            "issue_id": _number(ticket),
            "hours": round(minutes / 60, 2),
            "comments": f"{text[:200]} {mark_of(key)}",
        }
        await self._http.call("POST", "/time_entries.json", body={"time_entry": entry})

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        known = {one.name: one.id for one in (await self._issue(ticket)).custom_fields}
        missing = [name for name in fields if name not in known]
        if missing:
            raise TicketSystemError(f"Redmine's issue has no field {missing[0]!r}", fault=Fault.REJECTED)
        values = [{"id": known[name], "value": value} for name, value in fields.items()]
        await self._change(ticket, {"custom_fields": values})

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        if all(url not in one.notes for one in (await self._issue(ticket)).journals):
            await self._change(ticket, {"notes": f"{title}: {url}", "private_notes": True})

    async def close(self) -> None:
        await self._http.close()

    def _check_private(self, journal: _Journal, private: bool) -> None:
        if private and not journal.private_notes:
            raise TicketSystemError(
                f"Redmine made note {journal.id} public although it was to be private",
                fault=Fault.CREDENTIAL,
                advice="Give the connector's role `Set notes as private`, then look at that note.",
            )

    async def _issue(self, ticket: str) -> _Issue:
        query = {"include": "journals,attachments"}
        answer = await self._http.call("GET", f"/issues/{_number(ticket)}.json", query=query)
        return answer.read(_IssueAnswer).issue

    async def _change(self, ticket: str, change: Mapping[str, object]) -> None:
        await self._http.call("PUT", f"/issues/{_number(ticket)}.json", body={"issue": change})

    async def _query(self, wanted: Mapping[str, str], mark: str = "") -> tuple[RemoteTicket, ...]:
        query = {"project_id": self._project, "sort": "id:desc", "limit": "50", **wanted}
        found = (await self._http.call("GET", "/issues.json", query=query)).read(_Issues).issues
        return tuple([await self._ticket(one) for one in found if mark in one.description])

    async def _time_entries(self, ticket: str) -> list[_Entry]:
        query = {"issue_id": _number(ticket), "limit": "100"}
        answer = await self._http.call("GET", "/time_entries.json", query=query, allow=(403,))
        return answer.read(_Entries).time_entries if answer.status == 200 else []

    async def _all_statuses(self) -> dict[int, _Status]:
        if not self._statuses:
            found = (await self._http.call("GET", "/issue_statuses.json")).read(_Statuses)
            self._statuses = {one.id: one for one in found.issue_statuses}
        return self._statuses

    async def _ticket(self, issue: _Issue) -> RemoteTicket:
        status = (await self._all_statuses()).get(issue.status.id)
        return RemoteTicket(
            id=str(issue.id),
            subject=issue.subject,
            status=issue.status.name,
            closed=status is not None and status.is_closed,
            url=f"{self._http.url}/issues/{issue.id}",
            requester=issue.author.name,
            assignee=issue.assigned_to.name,
        )


def _note(journal: _Journal) -> RemoteNote:
    return RemoteNote(
        id=str(journal.id),
        time=journal.created_on,
        author=journal.user.name,
        text=journal.notes,
        visibility=INTERNAL if journal.private_notes else CUSTOMER,
        mark=key_in(journal.notes),
    )


def _literal(text: str) -> str:
    """Text that Textile and Markdown leave alone: no macros, no images of others; its own end cannot stand in it."""
    return f"<pre>\n{text.replace('</pre', '< /pre')}\n</pre>"


def _number(ticket: str) -> str:
    if not _NUMBER.fullmatch(ticket):
        raise TicketSystemError("Redmine's issues are numbers", fault=Fault.ABSENT)
    return ticket

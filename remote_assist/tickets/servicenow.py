"""ServiceNow incidents, over the Table API (docs of the platform). Not run against the live service.

Traps: internal and customer's notes are two journal *fields*; `[code]` in a journal turns HTML on, so it is broken up;
files of an incident are seen in the customer's portal, so none for the organisation alone is attached.
"""

import re
from urllib.parse import quote

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
from remote_assist.tickets.thin import Thin

CLOSED = frozenset({"6", "7", "8"})
"""Resolved, Closed, Canceled of the incident table."""

FIELDS = {INTERNAL: "work_notes", CUSTOMER: "comments"}
_NUMBER = re.compile(r"[A-Z]{2,8}[0-9]{3,12}")
_TABLE = "/api/now/table/incident"
WANTED = "sys_id,number,short_description,state,assigned_to.user_name,caller_id.user_name"


class _Incident(msgspec.Struct):
    sys_id: str
    number: str
    short_description: str = ""
    state: str = ""
    assigned: str = msgspec.field(name="assigned_to.user_name", default="")
    caller: str = msgspec.field(name="caller_id.user_name", default="")


class _One(msgspec.Struct):
    result: _Incident


class _Many(msgspec.Struct):
    result: list[_Incident]


class _User(msgspec.Struct):
    user_name: str


class _Users(msgspec.Struct):
    result: list[_User]


class _Entry(msgspec.Struct):
    sys_id: str
    element: str
    value: str
    sys_created_on: str = ""
    sys_created_by: str = ""


class _Entries(msgspec.Struct):
    result: list[_Entry]


class ServiceNow(Thin):
    """`TicketSystem` on the incident table of an instance."""

    able = Capabilities(attach_customer=True, max_attachment_bytes=20 << 20, fields=True)

    def __init__(self, name: str, http: Http, *, user: str, group: str) -> None:
        super().__init__(name, http)
        self._user = user
        self._group = group

    async def verify(self) -> str:
        query = {
            "sysparm_query": f"user_name={_value(self._user)}",
            "sysparm_fields": "user_name",
            "sysparm_limit": "1",
        }
        found = (await self._http.call("GET", "/api/now/table/sys_user", query=query)).read(_Users).result
        if not found:
            raise TicketSystemError(f"ServiceNow shows us no user {self._user}", fault=Fault.CREDENTIAL)
        return found[0].user_name

    async def get(self, ticket: str) -> RemoteTicket:
        return self._ticket(await self._incident(ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        query = f"short_descriptionLIKE{_value(text)}" if text else "active=true"
        found = await self._query(f"{query}^ORDERBYDESCsys_created_on", 50)
        return tuple(self._ticket(one) for one in found)

    async def create(self, draft: Draft) -> RemoteTicket:
        there = await self._query(f"correlation_id={draft.key}", 1)
        if there:
            return self._ticket(there[0])
        body = {"short_description": draft.subject, "description": draft.text, "correlation_id": draft.key}
        if self._group:
            body["assignment_group"] = self._group
        answer = await self._http.call("POST", _TABLE, query={"sysparm_fields": WANTED}, body=body)
        return self._ticket(answer.read(_One).result)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        incident = await self._incident(ticket)
        query = {
            "sysparm_query": f"element_id={incident.sys_id}^elementINwork_notes,comments^ORDERBYsys_created_on",
            "sysparm_fields": "sys_id,element,value,sys_created_on,sys_created_by",
            "sysparm_limit": "5000",
        }
        found = (await self._http.call("GET", "/api/now/table/sys_journal_field", query=query)).read(_Entries).result
        return tuple(
            RemoteNote(
                id=one.sys_id,
                time=one.sys_created_on,
                author=one.sys_created_by,
                text=one.value,
                visibility=INTERNAL if one.element == "work_notes" else CUSTOMER,
                mark=key_in(one.value),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        await self._change(ticket, {FIELDS[visibility]: text.replace("[code]", "[ code]")})
        return ""

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        incident = await self._incident(ticket)
        query = {"table_name": "incident", "table_sys_id": incident.sys_id, "file_name": attachment.name}
        headers = {"Content-Type": attachment.media_type}
        await self._http.call("POST", "/api/now/attachment/file", query=query, raw=attachment.content, headers=headers)
        text = f"{attachment.text or attachment.name}\n{mark_of(attachment.key)}"
        await self._change(ticket, {FIELDS[attachment.visibility]: text})
        return ""

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed == closed:
            return
        solved = {"state": "6", "close_code": "Solved (Permanently)", "close_notes": "Solved in a support session."}
        await self._change(ticket, solved if closed else {"state": "2"})
        if (await self.get(ticket)).closed != closed:
            raise TicketSystemError(f"ServiceNow left {ticket} as it was", fault=Fault.REJECTED)

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        await self._change(ticket, fields)

    async def _change(self, ticket: str, change: dict[str, str]) -> None:
        incident = await self._incident(ticket)
        await self._http.call("PATCH", f"{_TABLE}/{quote(incident.sys_id, safe='')}", body=change)

    async def _incident(self, ticket: str) -> _Incident:
        found = await self._query(f"number={ticket}", 1) if _NUMBER.fullmatch(ticket) else []
        if not found:
            raise TicketSystemError(f"there is no incident {ticket[:40]}", fault=Fault.ABSENT)
        return found[0]

    async def _query(self, query: str, limit: int) -> list[_Incident]:
        wanted = {"sysparm_query": query, "sysparm_fields": WANTED, "sysparm_limit": str(limit)}
        return (await self._http.call("GET", _TABLE, query=wanted)).read(_Many).result

    def _ticket(self, found: _Incident) -> RemoteTicket:
        return RemoteTicket(
            id=found.number,
            subject=found.short_description,
            status=found.state,
            closed=found.state in CLOSED,
            url=f"{self._http.url}/nav_to.do?uri=incident.do?sys_id={quote(found.sys_id, safe='')}",
            requester=found.caller,
            assignee=found.assigned,
        )


def _value(text: str) -> str:
    """A value in an encoded query: nothing in it may begin another condition."""
    return text.replace("^", " ")

"""Zammad, over its REST API (docs.zammad.org). Not run against the live service.

Traps: articles of type `note` leave the service times alone, others do not; a search may not look into articles, so
the key of a ticket we open stands in its title.
"""

import base64

import msgspec

from remote_assist.tickets.marks import key_in, mark_of
from remote_assist.tickets.system import (
    INTERNAL,
    Attachment,
    Capabilities,
    Draft,
    RemoteNote,
    RemoteTicket,
    check_attachment,
    check_visible,
)
from remote_assist.tickets.thin import Thin, number

CLOSED = frozenset({"closed", "merged", "removed"})
KEY_CHARS = 12


class _Me(msgspec.Struct):
    id: int
    login: str


class _Ticket(msgspec.Struct):
    id: int
    title: str
    state: str
    number: str = ""
    owner: str = ""
    customer: str = ""


class _Article(msgspec.Struct):
    id: int
    body: str
    created_at: str = ""
    created_by: str = ""
    internal: bool = False


class Zammad(Thin):
    """`TicketSystem` on a group of Zammad."""

    able = Capabilities(attach_internal=True, attach_customer=True, max_attachment_bytes=10 << 20, time=True)
    group = "Users"

    async def verify(self) -> str:
        return (await self._http.call("GET", "/api/v1/users/me")).read(_Me).login

    async def get(self, ticket: str) -> RemoteTicket:
        answer = await self._http.call("GET", f"/api/v1/tickets/{number(ticket)}", query={"expand": "true"})
        return self._ticket(answer.read(_Ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        query = {"query": text or "state.name:(new OR open)", "limit": "50", "expand": "true"}
        found = (await self._http.call("GET", "/api/v1/tickets/search", query=query)).read(list[_Ticket])
        return tuple(self._ticket(one) for one in found)

    async def create(self, draft: Draft) -> RemoteTicket:
        tag = f"[ra-{draft.key[:KEY_CHARS]}]"
        there = [one for one in await self.search(f'"{tag}"') if tag in one.subject]
        if there:
            return there[0]
        article = {"subject": draft.subject, "body": draft.text, "type": "note", "internal": True}
        body: dict[str, object] = {
            "title": f"{draft.subject} {tag}",
            "group": self.group,
            "customer": draft.requester or "guess:remote-assist@localhost",
            "article": {**article, "content_type": "text/plain"},
        }
        answer = await self._http.call("POST", "/api/v1/tickets", query={"expand": "true"}, body=body)
        return self._ticket(answer.read(_Ticket))

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        found = await self._http.call(
            "GET", f"/api/v1/ticket_articles/by_ticket/{number(ticket)}", query={"expand": "true"}
        )
        return tuple(
            RemoteNote(
                id=str(one.id),
                time=one.created_at,
                author=one.created_by,
                text=one.body,
                visibility=INTERNAL if one.internal else "customer",
                mark=key_in(one.body),
            )
            for one in found.read(list[_Article])
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        return await self._article(ticket, text, visibility, {})

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        data = base64.b64encode(attachment.content).decode()
        file = {"filename": attachment.name, "data": data, "mime-type": attachment.media_type}
        text = f"{attachment.text or attachment.name}\n{mark_of(attachment.key)}"
        return await self._article(ticket, text, attachment.visibility, {"attachments": [file]})

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed != closed:
            state = "closed" if closed else "open"
            await self._http.call("PUT", f"/api/v1/tickets/{number(ticket)}", body={"state": state})

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        await self._article(ticket, f"{text}\n{mark_of(key)}", INTERNAL, {"time_unit": str(minutes)})

    async def _article(self, ticket: str, text: str, visibility: str, more: dict[str, object]) -> str:
        body = {
            "ticket_id": int(number(ticket)),
            "body": text,
            "content_type": "text/plain",
            "type": "note",
            "internal": visibility == INTERNAL,
            **more,
        }
        return str((await self._http.call("POST", "/api/v1/ticket_articles", body=body)).read(_Article).id)

    def _ticket(self, found: _Ticket) -> RemoteTicket:
        return RemoteTicket(
            id=str(found.id),
            subject=found.title,
            status=found.state,
            closed=found.state in CLOSED,
            url=f"{self._http.url}/#ticket/zoom/{found.id}",
            requester=found.customer,
            assignee="" if found.owner == "-" else found.owner,
        )

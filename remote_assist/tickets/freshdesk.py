"""Freshdesk (developers.freshdesk.com, v2). Not run against the live service.

Traps: bodies are HTML, so ours are escaped; a note is private unless told otherwise; statuses are numbers; the limit a
minute is told by 429 and Retry-After.
"""

import msgspec

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
from remote_assist.tickets.thin import MAX_PAGES, Thin, as_html, number

OPEN, RESOLVED = 2, 4
STATUSES = {2: "open", 3: "pending", 4: "resolved", 5: "closed"}


class _Contact(msgspec.Struct):
    email: str


class _Agent(msgspec.Struct):
    contact: _Contact


class _Ticket(msgspec.Struct):
    id: int
    subject: str
    status: int
    responder_id: int | None = None
    requester_id: int | None = None


class _Found(msgspec.Struct):
    results: list[_Ticket]


class _Conversation(msgspec.Struct):
    id: int
    private: bool
    body_text: str = ""
    created_at: str = ""
    user_id: int = 0


class Freshdesk(Thin):
    """`TicketSystem` on a Freshdesk account."""

    able = Capabilities(attach_internal=True, attach_customer=True, max_attachment_bytes=20 << 20, time=True)

    async def verify(self) -> str:
        return (await self._http.call("GET", "/api/v2/agents/me")).read(_Agent).contact.email

    async def get(self, ticket: str) -> RemoteTicket:
        return self._ticket((await self._http.call("GET", f"/api/v2/tickets/{number(ticket)}")).read(_Ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        query = {"order_by": "created_at", "order_type": "desc", "per_page": "100"}
        found = (await self._http.call("GET", "/api/v2/tickets", query=query)).read(list[_Ticket])
        tickets = [self._ticket(one) for one in found]  # its own search does not look into subjects
        fitting = [one for one in tickets if (text.lower() in one.subject.lower() if text else not one.closed)]
        return tuple(fitting[:50])

    async def create(self, draft: Draft) -> RemoteTicket:
        tag = f"ra-{draft.key[:24]}"
        found = await self._http.call("GET", "/api/v2/search/tickets", query={"query": f"\"tag:'{tag}'\""})
        there = found.read(_Found).results
        if there:
            return self._ticket(there[0])
        body = {
            "subject": draft.subject,
            "description": as_html(draft.text),
            "email": draft.requester or "remote-assist@localhost.invalid",
            "priority": 1,
            "status": OPEN,
            "tags": [tag],
        }
        return self._ticket((await self._http.call("POST", "/api/v2/tickets", body=body)).read(_Ticket))

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        found: list[_Conversation] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"page": str(page), "per_page": "100"}
            place = f"/api/v2/tickets/{number(ticket)}/conversations"
            some = (await self._http.call("GET", place, query=query)).read(list[_Conversation])
            found += some
            if len(some) < 100:
                break
        return tuple(
            RemoteNote(
                id=str(one.id),
                time=one.created_at,
                author=str(one.user_id),
                text=one.body_text,
                visibility=INTERNAL if one.private else CUSTOMER,
                mark=key_in(one.body_text),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        body = {"body": as_html(text), "private": visibility == INTERNAL}
        place = f"/api/v2/tickets/{number(ticket)}/notes"
        return str((await self._http.call("POST", place, body=body)).read(_Conversation).id)

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        fields = {
            "body": as_html(f"{attachment.text or attachment.name}\n{mark_of(attachment.key)}"),
            "private": "true" if attachment.visibility == INTERNAL else "false",
        }
        part = FilePart("attachments[]", attachment.name, attachment.content, attachment.media_type)
        place = f"/api/v2/tickets/{number(ticket)}/notes"
        return str((await self._http.call("POST", place, parts=(fields, (part,)))).read(_Conversation).id)

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed != closed:
            status = RESOLVED if closed else OPEN
            await self._http.call("PUT", f"/api/v2/tickets/{number(ticket)}", body={"status": status})

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        body = {"time_spent": f"{minutes // 60:02d}:{minutes % 60:02d}", "note": f"{text} {mark_of(key)}"}
        await self._http.call("POST", f"/api/v2/tickets/{number(ticket)}/time_entries", body=body)

    def _ticket(self, found: _Ticket) -> RemoteTicket:
        return RemoteTicket(
            id=str(found.id),
            subject=found.subject,
            status=STATUSES.get(found.status, str(found.status)),
            closed=found.status in {4, 5},
            url=f"{self._http.url}/a/tickets/{found.id}",
            requester=str(found.requester_id or ""),
            assignee=str(found.responder_id or ""),
        )

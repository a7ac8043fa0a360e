"""Zendesk Support (developer.zendesk.com). Not run against the live service.

Traps: /users/me answers 200 to a stranger, without an id; comments are public unless told otherwise; an upload that no
comment binds can be read by every agent, so it is bound in the next request; a closed ticket takes no change (422).
"""

import msgspec

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.marks import key_in, mark_of
from remote_assist.tickets.system import (
    CUSTOMER,
    INTERNAL,
    Attachment,
    Capabilities,
    Draft,
    RemoteNote,
    RemoteTicket,
    Retry,
    check_attachment,
    check_visible,
)
from remote_assist.tickets.thin import MAX_PAGES, Thin, number

CLOSED = frozenset({"solved", "closed"})


class _User(msgspec.Struct):
    id: int | None = None
    email: str | None = None


class _Me(msgspec.Struct):
    user: _User


class _Ticket(msgspec.Struct):
    id: int
    subject: str | None = None
    status: str = ""
    assignee_id: int | None = None
    requester_id: int | None = None


class _TicketAnswer(msgspec.Struct):
    ticket: _Ticket


class _Tickets(msgspec.Struct):
    tickets: list[_Ticket]


class _Results(msgspec.Struct):
    results: list[_Ticket]


class _Comment(msgspec.Struct):
    id: int
    public: bool
    plain_body: str = ""
    created_at: str = ""
    author_id: int = 0


class _Comments(msgspec.Struct):
    comments: list[_Comment]
    next_page: str | None = None


class _Upload(msgspec.Struct):
    token: str


class _UploadAnswer(msgspec.Struct):
    upload: _Upload


class Zendesk(Thin):
    """`TicketSystem` on a Zendesk account."""

    able = Capabilities(attach_internal=True, attach_customer=True, max_attachment_bytes=20 << 20, retry=Retry.NATIVE)

    async def verify(self) -> str:
        user = (await self._http.call("GET", "/api/v2/users/me.json")).read(_Me).user
        if not user.id:
            raise TicketSystemError(
                "Zendesk does not know us",
                fault=Fault.CREDENTIAL,
                advice="`user` is EMAIL/token, the credential its token.",
            )
        return user.email or str(user.id)

    async def get(self, ticket: str) -> RemoteTicket:
        answer = await self._http.call("GET", f"/api/v2/tickets/{number(ticket)}.json")
        return self._ticket(answer.read(_TicketAnswer).ticket)

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        words = f'type:ticket subject:"{text.replace(chr(34), " ")}"' if text else "type:ticket status<solved"
        query = {"query": words, "sort_by": "created_at", "sort_order": "desc", "per_page": "50"}
        found = (await self._http.call("GET", "/api/v2/search.json", query=query)).read(_Results)
        return tuple(self._ticket(one) for one in found.results)

    async def create(self, draft: Draft) -> RemoteTicket:
        query = {"external_id": draft.key}
        there = (await self._http.call("GET", "/api/v2/tickets.json", query=query)).read(_Tickets).tickets
        if there:
            return self._ticket(there[0])
        ticket = {"subject": draft.subject, "comment": {"body": draft.text, "public": False}, "external_id": draft.key}
        headers = {"Idempotency-Key": draft.key}
        answer = await self._http.call("POST", "/api/v2/tickets.json", body={"ticket": ticket}, headers=headers)
        return self._ticket(answer.read(_TicketAnswer).ticket)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        found: list[_Comment] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"page": str(page), "per_page": "100"}
            place = f"/api/v2/tickets/{number(ticket)}/comments.json"
            some = (await self._http.call("GET", place, query=query)).read(_Comments)
            found += some.comments
            if some.next_page is None:
                break
        return tuple(
            RemoteNote(
                id=str(one.id),
                time=one.created_at,
                author=str(one.author_id),
                text=one.plain_body,
                visibility=CUSTOMER if one.public else INTERNAL,
                mark=key_in(one.plain_body),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        await self._change(ticket, {"comment": {"body": text, "public": visibility == CUSTOMER}})
        return ""

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        headers = {"Content-Type": "application/binary"}
        uploaded = await self._http.call(
            "POST", "/api/v2/uploads.json", query={"filename": attachment.name}, raw=attachment.content, headers=headers
        )
        comment = {
            "body": f"{attachment.text or attachment.name}\n{mark_of(attachment.key)}",
            "public": attachment.visibility == CUSTOMER,
            "uploads": [uploaded.read(_UploadAnswer).upload.token],
        }
        await self._change(ticket, {"comment": comment})
        return ""

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed != closed:
            await self._change(ticket, {"status": "solved" if closed else "open"})

    async def _change(self, ticket: str, change: dict[str, object]) -> None:
        await self._http.call("PUT", f"/api/v2/tickets/{number(ticket)}.json", body={"ticket": change})

    def _ticket(self, found: _Ticket) -> RemoteTicket:
        return RemoteTicket(
            id=str(found.id),
            subject=found.subject or "",
            status=found.status,
            closed=found.status in CLOSED,
            url=f"{self._http.url}/agent/tickets/{found.id}",
            requester=str(found.requester_id or ""),
            assignee=str(found.assignee_id or ""),
        )

"""Request Tracker 5, over REST 2. Tried against the real server of Debian 12.

Traps: a refused change is answered 200 with words (read back); `Content LIKE` finds nothing without a full-text
index (the mark stands in the note's Subject too, which is searchable); a queue we may not see is 403, not 404; a
deleted ticket still takes notes.
"""

import base64
import re

import msgspec

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.http import Answer, Http
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

MAX_ATTACHMENT_BYTES = 12 << 20
"""RT's default MaxAttachmentSize is larger; a 12 MB file was tried."""

ABLE = Capabilities(
    attach_internal=True,
    attach_customer=True,
    max_attachment_bytes=MAX_ATTACHMENT_BYTES,
    time=True,
    fields=True,
    link=True,
)
CLOSED = frozenset({"resolved", "rejected", "deleted"})
"""RT's default lifecycle; a lifecycle of one's own ends in the same words or in `closed_status`."""

MAX_PAGES = 100
_TOKEN_OWNER = re.compile(r"\d+-(\d+)-[0-9a-f]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


class _Named(msgspec.Struct):
    id: int | str = ""
    name: str = msgspec.field(name="Name", default="")


class _Created(msgspec.Struct):
    id: str


class _Ticket(msgspec.Struct, rename="pascal"):
    id: int | str = msgspec.field(name="id")
    subject: str = ""
    status: str = ""
    owner: _Named = msgspec.field(default_factory=_Named)
    requestor: list[_Named] = msgspec.field(default_factory=list)


class _Tickets(msgspec.Struct):
    items: list[_Ticket] = msgspec.field(default_factory=list)


class _Transaction(msgspec.Struct):
    id: str
    kind: str = msgspec.field(name="Type", default="")


class _Transactions(msgspec.Struct):
    items: list[_Transaction] = msgspec.field(default_factory=list)


class _Part(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="id")
    transaction_id: str = ""
    created: str = ""
    creator: _Named = msgspec.field(default_factory=_Named)
    subject: str = ""
    content: str = ""
    content_type: str = ""
    filename: str = ""


class _Parts(msgspec.Struct):
    items: list[_Part] = msgspec.field(default_factory=list)


class RequestTracker:
    """`TicketSystem` on a queue of Request Tracker."""

    def __init__(self, name: str, http: Http, *, queue: str, token: str, closed_status: str = "resolved") -> None:
        self.name = name
        self._http = http
        self._queue = queue or "General"
        self._owner = _TOKEN_OWNER.fullmatch(token)
        self._closed_status = closed_status or "resolved"

    def capabilities(self) -> Capabilities:
        return ABLE

    async def verify(self) -> str:
        await self._http.call("GET", "/REST/2.0/rt")
        if self._owner is None:
            return "a token RT knows"
        return (await self._http.call("GET", f"/REST/2.0/user/{self._owner[1]}")).read(_Named).name

    async def get(self, ticket: str) -> RemoteTicket:
        return self._ticket((await self._http.call("GET", f"/REST/2.0/ticket/{_number(ticket)}")).read(_Ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        wanted = f"Subject LIKE {_quoted(text)}" if text else "Status = '__Active__'"
        return await self._query(f"Queue = {_quoted(self._queue)} AND {wanted}")

    async def create(self, draft: Draft) -> RemoteTicket:
        link = f"urn:remote-assist:{draft.key}"
        there = await self._query(f"RefersTo = {_quoted(link)}")
        if there:
            return there[0]
        body: dict[str, object] = {
            "Queue": self._queue,
            "Subject": draft.subject,
            "Content": draft.text,
            "ContentType": "text/plain",
            "RefersTo": [link],
        }
        if draft.requester:
            body["Requestor"] = draft.requester
        return await self.get((await self._http.call("POST", "/REST/2.0/ticket", body=body)).read(_Created).id)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        number = _number(ticket)
        kinds: dict[str, str] = {}
        for page in range(1, MAX_PAGES + 1):
            query = {"fields": "Type", "per_page": "100", "page": str(page)}
            found = (await self._http.call("GET", f"/REST/2.0/ticket/{number}/history", query=query)).read(
                _Transactions
            )
            kinds |= {one.id: one.kind for one in found.items}
            if len(found.items) < 100:
                break
        return tuple(
            _note(part, kinds.get(part.transaction_id, "")) for part in await self._parts(number) if not part.filename
        )

    async def find(self, ticket: str, key: str) -> str | None:
        query = f"ObjectType='RT::Ticket' AND ObjectId={_number(ticket)} AND Subject LIKE {_quoted(f'ra-note:{key}')}"
        found = (await self._http.call("GET", "/REST/2.0/transactions", query={"query": query})).read(_Transactions)
        return found.items[0].id if found.items else None

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(ABLE, visibility, self.name)
        return await self._say(ticket, visibility, {"Content": text, "Subject": mark_of(key)})

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(ABLE, attachment, self.name)
        file = {
            "FileName": attachment.name,
            "FileType": attachment.media_type,
            "FileContent": base64.b64encode(attachment.content).decode(),
        }
        body: dict[str, object] = {
            "Content": attachment.text or attachment.name,
            "Subject": mark_of(attachment.key),
            "Attachments": [file],
        }
        return await self._say(ticket, attachment.visibility, body)

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed == closed:
            return
        await self._change(ticket, {"Status": self._closed_status if closed else "open"})
        if (await self.get(ticket)).closed != closed:
            raise TicketSystemError(
                f"RT left ticket {ticket} as it was", fault=Fault.REJECTED, advice="Give the connector ModifyTicket."
            )

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        await self._say(ticket, INTERNAL, {"Content": text, "Subject": mark_of(key), "TimeTaken": minutes})

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        await self._change(ticket, {"CustomFields": fields})

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        await self._change(ticket, {"AddRefersTo": [url]})  # twice is answered "Link already exists"

    async def close(self) -> None:
        await self._http.close()

    async def _say(self, ticket: str, visibility: str, body: dict[str, object]) -> str:
        place = "correspond" if visibility == CUSTOMER else "comment"
        sent = {"ContentType": "text/plain", **body}
        try:
            answer = await self._http.call("POST", f"/REST/2.0/ticket/{_number(ticket)}/{place}", body=sent)
        except TicketSystemError as error:
            if error.fault is Fault.REJECTED:  # also what RT says of a ticket that is not there
                await self.get(ticket)
            raise
        return _transaction(answer)

    async def _change(self, ticket: str, body: dict[str, object]) -> None:
        answer = await self._http.call("PUT", f"/REST/2.0/ticket/{_number(ticket)}", body=body)
        refused = [said for said in answer.read(list[str]) if "Permission Denied" in said or "isn't a valid" in said]
        if refused:
            raise TicketSystemError(f"RT refused: {refused[0]}", fault=Fault.REJECTED)

    async def _query(self, query: str) -> tuple[RemoteTicket, ...]:
        wanted = {
            "query": query,
            "fields": "Subject,Status,Owner,Requestor",
            "orderby": "id",
            "order": "DESC",
            "per_page": "50",
        }
        found = (await self._http.call("GET", "/REST/2.0/tickets", query=wanted)).read(_Tickets)
        return tuple(self._ticket(one) for one in found.items)

    async def _parts(self, number: str) -> list[_Part]:
        fields = "Content,ContentType,TransactionId,Creator,Created,Subject,Filename"
        found: list[_Part] = []
        for page in range(1, MAX_PAGES + 1):
            query = {"fields": fields, "per_page": "100", "page": str(page)}
            some = (await self._http.call("GET", f"/REST/2.0/ticket/{number}/attachments", query=query)).read(_Parts)
            found += [part for part in some.items if part.content_type.startswith("text/") or part.filename]
            if len(some.items) < 100:
                break
        return found

    def _ticket(self, found: _Ticket) -> RemoteTicket:
        owner = str(found.owner.id)
        return RemoteTicket(
            id=str(found.id),
            subject=found.subject,
            status=found.status,
            closed=found.status in CLOSED or found.status == self._closed_status,
            url=f"{self._http.url}/Ticket/Display.html?id={found.id}",
            requester=", ".join(str(one.id) for one in found.requestor),
            assignee="" if owner == "Nobody" else owner,
        )


def _note(part: _Part, kind: str) -> RemoteNote:
    return RemoteNote(
        id=part.transaction_id,
        time=part.created,
        author=str(part.creator.id),
        text=part.content,
        visibility=INTERNAL if kind == "Comment" else CUSTOMER,
        mark=key_in(part.subject) or key_in(part.content),
    )


def _transaction(answer: Answer) -> str:
    return answer.headers.get("Location", "").rpartition("/")[2]


def _number(ticket: str) -> str:
    if not _NUMBER.fullmatch(ticket):
        raise TicketSystemError("RT's tickets are numbers", fault=Fault.ABSENT)
    return ticket


def _quoted(text: str) -> str:
    """A TicketSQL string: quotes and backslashes escaped, nothing else can end it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

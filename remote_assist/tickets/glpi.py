"""GLPI 9.5 to 10, over its REST API (apirest.php). Not run against the live service.

Traps: a session is opened first and its token sent with each request; contents are HTML, so ours are escaped; a status
is a number; `externalid` holds the key of a ticket we opened.
"""

import msgspec

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.http import Answer, Http
from remote_assist.tickets.marks import key_in
from remote_assist.tickets.system import (
    CUSTOMER,
    INTERNAL,
    Capabilities,
    Draft,
    RemoteNote,
    RemoteTicket,
    check_visible,
)
from remote_assist.tickets.thin import Thin, as_html, from_html, number

SOLVED, PROCESSING = 5, 2
STATUSES = {1: "new", 2: "processing", 3: "planned", 4: "pending", 5: "solved", 6: "closed"}


class _Session(msgspec.Struct):
    session_token: str


class _Identity(msgspec.Struct):
    glpiname: str


class _FullSession(msgspec.Struct):
    session: _Identity


class _Ticket(msgspec.Struct):
    id: int
    name: str
    status: int
    externalid: str | None = None


class _Added(msgspec.Struct):
    id: int


class _Followup(msgspec.Struct):
    id: int
    content: str
    is_private: int = 0
    date: str = ""
    users_id: int | str = 0


class Glpi(Thin):
    """`TicketSystem` on a GLPI. The session is opened at first use, and again when GLPI forgot it."""

    able = Capabilities()

    def __init__(self, name: str, http: Http, *, user_token: str) -> None:
        super().__init__(name, http)
        self._user_token = user_token
        self._session = ""

    async def verify(self) -> str:
        return (await self._call("GET", "/apirest.php/getFullSession")).read(_FullSession).session.glpiname

    async def get(self, ticket: str) -> RemoteTicket:
        return self._ticket((await self._call("GET", f"/apirest.php/Ticket/{number(ticket)}")).read(_Ticket))

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        query = {"range": "0-99", "sort": "id", "order": "DESC"}
        if text:
            query["searchText[name]"] = text
        found = (await self._call("GET", "/apirest.php/Ticket", query=query)).read(list[_Ticket])
        tickets = [self._ticket(one) for one in found]
        return tuple([one for one in tickets if text or not one.closed][:50])

    async def create(self, draft: Draft) -> RemoteTicket:
        query = {"searchText[externalid]": draft.key, "range": "0-9"}
        found = (await self._call("GET", "/apirest.php/Ticket", query=query)).read(list[_Ticket])
        there = [one for one in found if one.externalid == draft.key]
        if there:
            return self._ticket(there[0])
        body = {"input": {"name": draft.subject, "content": as_html(draft.text), "externalid": draft.key}}
        added = (await self._call("POST", "/apirest.php/Ticket", body=body)).read(_Added)
        return await self.get(str(added.id))

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        place = f"/apirest.php/Ticket/{number(ticket)}/ITILFollowup"
        found = (await self._call("GET", place, query={"range": "0-4999"})).read(list[_Followup])
        return tuple(
            RemoteNote(
                id=str(one.id),
                time=one.date,
                author=str(one.users_id),
                text=(text := from_html(_html_once(one.content))),
                visibility=INTERNAL if one.is_private else CUSTOMER,
                mark=key_in(text),
            )
            for one in found
        )

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(self.able, visibility, self.name)
        followup = {
            "itemtype": "Ticket",
            "items_id": int(number(ticket)),
            "content": as_html(text),
            "is_private": int(visibility == INTERNAL),
        }
        added = (await self._call("POST", "/apirest.php/ITILFollowup", body={"input": followup})).read(_Added)
        return str(added.id)

    async def transition(self, ticket: str, *, closed: bool) -> None:
        if (await self.get(ticket)).closed != closed:
            body = {"input": {"status": SOLVED if closed else PROCESSING}}
            await self._call("PUT", f"/apirest.php/Ticket/{number(ticket)}", body=body)

    async def _call(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: object = None
    ) -> Answer:
        fresh = not self._session
        if fresh:
            await self._open_session()
        try:
            return await self._http.call(method, path, query=query, body=body, headers={"Session-Token": self._session})
        except TicketSystemError as error:
            if error.fault is not Fault.CREDENTIAL or fresh:
                raise
        await self._open_session()  # GLPI forgot it; a request it did not know us for changed nothing
        return await self._http.call(method, path, query=query, body=body, headers={"Session-Token": self._session})

    async def _open_session(self) -> None:
        headers = {"Authorization": f"user_token {self._user_token}"}
        answer = await self._http.call("GET", "/apirest.php/initSession", headers=headers)
        self._session = answer.read(_Session).session_token

    def _ticket(self, found: _Ticket) -> RemoteTicket:
        return RemoteTicket(
            id=str(found.id),
            subject=found.name,
            status=STATUSES.get(found.status, str(found.status)),
            closed=found.status in {5, 6},
            url=f"{self._http.url}/front/ticket.form.php?id={found.id}",
        )


def _html_once(text: str) -> str:
    """GLPI 9.5 and 10 hand out HTML whose signs are numbers once more: `&#60;p&#62;`."""
    return text.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")

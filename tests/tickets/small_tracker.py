"""A ticket system in memory on loopback that speaks as much of RT's REST 2 as the connector needs, and fails on order.

The real RT is tried in test_request_tracker.py; here the point is what it can do to us: 500 after it has written,
cuts, 429, wrong keys, deleted tickets, and ten thousand notes in seconds.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from remote_assist.tickets.marks import events_in, key_in
from tests.tickets.peer import Peer, Request, peer

TOKEN = "1-27-0123456789abcdef"


@dataclass
class Note:
    kind: str
    subject: str
    content: str
    minutes: int = 0


@dataclass
class Held:
    subject: str
    link: str = ""
    status: str = "open"
    owner: str = "Nobody"
    notes: list[Note] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)


class SmallTracker:
    """`fail_next` holds how the next writes fail: a status, with `+` in front after writing; `cut`, `+cut`."""

    def __init__(self) -> None:
        self.tickets: dict[str, Held] = {}
        self.fail_next: list[str] = []
        self.token = TOKEN
        self.down = False
        self.retry_after = ""
        self.slow = 0.0
        self.peer: Peer

    @property
    def url(self) -> str:
        return self.peer.url

    def ticket(self, subject: str = "Web server does not start") -> str:
        number = str(len(self.tickets) + 1)
        self.tickets[number] = Held(subject)
        return number

    def marks(self, ticket: str) -> Counter[str]:
        return Counter(key_in(note.subject) or key_in(note.content) for note in self.tickets[ticket].notes)

    def events(self, ticket: str) -> Counter[str]:
        return Counter(event for note in self.tickets[ticket].notes for event in events_in(note.content))

    async def decide(self, request: Request) -> web.StreamResponse:
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.down:
            return web.Response(status=503)
        if request.headers.get("Authorization") != f"token {self.token}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        how = self.fail_next.pop(0) if self.fail_next and request.method != "GET" else ""
        answer = self._answer(request) if not how or how.startswith("+") else web.Response()
        return self._failed(how, answer) if how else answer

    def _failed(self, how: str, answer: web.StreamResponse) -> web.StreamResponse:
        word = how.lstrip("+")
        if word == "cut":
            raise ConnectionResetError
        return web.Response(status=int(word), headers={"Retry-After": self.retry_after} if self.retry_after else {})

    def _answer(self, request: Request) -> web.StreamResponse:
        path = request.path.removeprefix("/REST/2.0/")
        if path == "rt":
            return web.json_response({"Version": "5.0.3"})
        if path == "user/27":
            return web.json_response({"Name": "connector", "id": 27})
        if path == "ticket" and request.method == "POST":
            return self._create(request)
        if path == "tickets":
            return self._query(request.query["query"])
        if path == "transactions":
            return self._find(request.query["query"])
        found = re.fullmatch(r"ticket/(\d+)(?:/(\w+))?", path)
        if found is None or found[1] not in self.tickets:
            return web.json_response({"message": "Not Found"}, status=404)
        return self._one(found[1], found[2] or "", request)

    def _one(self, number: str, what: str, request: Request) -> web.StreamResponse:
        held = self.tickets[number]
        if what in {"comment", "correspond"}:
            body = request.json()
            assert body["ContentType"] == "text/plain"
            held.notes.append(Note(what, body.get("Subject", ""), body["Content"], body.get("TimeTaken", 0)))
            return web.json_response(["added"], status=201, headers={"Location": f"/transaction/{len(held.notes)}"})
        if request.method == "PUT":
            body = request.json()
            held.status = body.get("Status", held.status)
            held.fields.update(body.get("CustomFields", {}))
            held.links += body.get("AddRefersTo", [])
            return web.json_response([])
        if what == "history":
            kinds = {"comment": "Comment", "correspond": "Correspond"}
            return self._page(request, [{"id": str(n), "Type": kinds[one.kind]} for n, one in enumerate(held.notes)])
        if what == "attachments":
            return self._page(request, [self._part(n, one) for n, one in enumerate(held.notes)])
        return web.json_response(self._ticket(number))

    def _page(self, request: Request, items: list[dict[str, object]]) -> web.StreamResponse:
        size, page = int(request.query["per_page"]), int(request.query["page"])
        return web.json_response({"items": items[(page - 1) * size : page * size]})

    def _part(self, number: int, note: Note) -> dict[str, object]:
        return {
            "id": f"a{number}",
            "TransactionId": str(number),
            "Subject": note.subject,
            "Content": note.content,
            "ContentType": "text/plain",
            "Creator": {"id": "connector"},
        }

    def _ticket(self, number: str) -> dict[str, object]:
        held = self.tickets[number]
        return {"id": int(number), "Subject": held.subject, "Status": held.status, "Owner": {"id": held.owner}}

    def _create(self, request: Request) -> web.StreamResponse:
        body = request.json()
        number = self.ticket(body["Subject"])
        self.tickets[number].link = body["RefersTo"][0]
        return web.json_response({"id": number, "type": "ticket"}, status=201)

    def _query(self, query: str) -> web.StreamResponse:
        link = re.search(r"RefersTo = '([^']*)'", query)
        text = re.search(r"Subject LIKE '([^']*)'", query)
        items = [
            self._ticket(number)
            for number, one in self.tickets.items()
            if (one.link == link[1] if link else text is None or text[1] in one.subject)
        ]
        return web.json_response({"items": items})

    def _find(self, query: str) -> web.StreamResponse:
        number = re.search(r"ObjectId=(\d+)", query)
        mark = re.search(r"LIKE '([^']*)'", query)
        assert number and mark
        held = self.tickets.get(number[1])
        hits = [n for n, one in enumerate(held.notes if held else []) if mark[1] in one.subject]
        return web.json_response({"items": [{"id": str(n), "Type": "Comment"} for n in hits]})


@asynccontextmanager
async def small_tracker() -> AsyncIterator[SmallTracker]:
    """A tracker on a free loopback port."""
    tracker = SmallTracker()
    async with peer(tracker.decide) as one:
        tracker.peer = one
        yield tracker

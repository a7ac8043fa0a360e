"""The ticket verbs: each method answers one, for technicians, reviewers and operators as relay/access.py says."""

from aiohttp import web

from relay.access import Caller
from relay.bodies import Bodies, answer
from relay.tickets.book import check_new_note
from relay.tickets.desk import TicketDesk
from relay.tickets.outbox import Outbox
from remote_assist.core.api import NewNote, NewTicket, Retry, Tickets
from remote_assist.core.ticket_ids import BUILT_IN, require_ticket_id
from remote_assist.errors import UsageError
from remote_assist.tickets.system import CUSTOMER, Note

PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

START_PAGE = """<!doctype html><meta charset="utf-8"><title>Support session for {ticket}</title>
<body style="font:16px system-ui;max-width:40em;margin:3em auto;padding:0 1em">
<h1>Support session for ticket {ticket}</h1>
<p><a href="remote-assist://invite/{ticket}">Open remote-assist</a> on this computer, or run:</p>
<pre>remote-assist invite --ticket {ticket}</pre>
<p>The code it prints is told to the customer by voice only.</p></body>
"""

MAX_SEARCH_CHARS = 200


class TicketPages:
    """Tickets, and what is on its way to them."""

    def __init__(self, desk: TicketDesk, outbox: Outbox, bodies: Bodies) -> None:
        self._desk = desk
        self._outbox = outbox
        self._bodies = bodies

    async def tickets(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/tickets, all that this relay knows; with ?find=TEXT&system=NAME, those of a system."""
        query = request.query
        if any(name not in {"find", "system"} for name in query) or len(query.get("find", "")) > MAX_SEARCH_CHARS:
            raise UsageError(f"the query holds `find`, at most {MAX_SEARCH_CHARS} characters, and `system`")
        if not query:
            return answer(Tickets(tickets=await self._desk.book.tickets()))
        found = await self._desk.search(query.get("find", ""), query.get("system", BUILT_IN))
        return answer(Tickets(tickets=found))

    async def ticket(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/tickets/{ticket}, with its notes and replies."""
        return answer(await self._desk.ticket(request.match_info["ticket"]))

    async def new_ticket(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/tickets."""
        assert caller is not None
        new = await self._bodies.read(request, NewTicket)
        return answer(await self._desk.open(new, by=caller.name), status=201)

    async def start(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /start/{ticket}: how to invite for this ticket. Tells nothing that was not in the address."""
        named = require_ticket_id(request.match_info["ticket"])
        return web.Response(
            text=START_PAGE.format(ticket=named),
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", **PLAIN},
        )

    async def new_note(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/tickets/{ticket}/notes. A closing note comes after all that happened."""
        assert caller is not None
        new = await self._bodies.read(request, NewNote)
        check_new_note(new)
        ticket = request.match_info["ticket"]
        if new.closing:
            await self._outbox.flush(await self._desk.number(ticket))
        note = Note(
            key=f"{caller.key} {new.key}",
            author=caller.name,
            text=new.text,
            visibility=new.visibility or CUSTOMER,
            session=new.session,
            closing=new.closing,
            reopening=new.reopening,
            minutes=new.minutes,
        )
        return answer(await self._desk.add(ticket, note, new.issues), status=201)

    async def reconcile(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/tickets/{ticket}/reconcile: where ticket and log differ."""
        return answer(await self._desk.reconcile(request.match_info["ticket"], repair=False))

    async def repair(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/tickets/{ticket}/reconcile: the same, and what is missing is sent again."""
        return answer(await self._desk.reconcile(request.match_info["ticket"], repair=True))

    async def outbox(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/outbox; with ?state=dead only what nobody tries again."""
        if any(name != "state" or value not in {"dead", "all"} for name, value in request.query.items()):
            raise UsageError("the query holds `state`: dead or all")
        return answer(await self._desk.outbox(dead=request.query.get("state") == "dead"))

    async def retry(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """POST /v1/outbox/retry: dead deliveries are tried again, after looking for them."""
        return answer(await self._desk.retry((await self._bodies.read(request, Retry)).id))

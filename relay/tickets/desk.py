"""Tickets, wherever they are: one place that answers for the built-in book and for every configured system.

Rule 1: what a foreign system says is asked for now, and remembered; when it cannot be asked, what it said last is
shown and the fault is told. Rule 2: its texts are hostile: cut to size and stripped of control characters here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection, update

from relay.log.chains import Chains
from relay.storage.foreign import MAX_SUBJECT_CHARS, keep, number_of
from relay.storage.schema import tickets
from relay.storage.store import Store
from relay.tickets.book import TicketBook, check_new_ticket, others_run
from relay.tickets.closing import closing_work
from relay.tickets.courier import Courier
from relay.tickets.deliveries import CLOSE, LINK, again, queue, read_deliveries, revive
from relay.tickets.reconciling import compare_book, compare_remote, read_kept
from relay.tickets.systems import TicketSystems
from relay.tickets.time_booking import TimeBooking
from remote_assist.core.api import Deliveries, NewTicket, Reconciled, Retried, Ticket, TicketNote, TicketReply
from remote_assist.core.hostile import safe_text
from remote_assist.core.records import Actor, RecordDraft, format_time
from remote_assist.core.ticket_ids import BUILT_IN, TicketId, require_ticket_id
from remote_assist.errors import AssistError, Fault, RefusedError, TicketSystemError, UnreachableError
from remote_assist.tickets.marks import note_key
from remote_assist.tickets.system import Draft, Note, RemoteNote, RemoteTicket

ASK_SECONDS = 10.0
"""How long a person waits for a foreign system before the last known state is shown."""

BREAK_GLASS_KEY = "break-glass "
"""How the keys of tickets begin that were opened because there was none and no time; reports count them."""

START_TITLE = "start a support session"

MAX_REPLIES = 200
MAX_REPLY_CHARS = 8000


class TicketDesk:
    """What pages and alarms ask about tickets."""

    def __init__(
        self,
        store: Store,
        book: TicketBook,
        systems: TicketSystems,
        courier: Courier,
        chains: Chains,
        *,
        default: str,
        clock: Callable[[], datetime],
        origin: Callable[[], str],
    ) -> None:
        self.book = book
        self.systems = systems
        self._store = store
        self._courier = courier
        self._chains = chains
        self._default = default
        self._clock = clock
        self._origin = origin
        self._time = TimeBooking(systems, chains, clock)

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes, and with the replies others wrote in its own system."""
        named = require_ticket_id(ticket)
        if named.system == BUILT_IN:
            return await self.book.ticket(ticket)
        keeps, books = self._time.kept_by(named.system)
        system, fault = self.systems.of(named.system), ""
        replies: tuple[TicketReply, ...] = ()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                seen = await system.get(named.ticket)
                replies = _replies(await system.notes(named.ticket))
            await self.remember(named.system, seen)
        except (AssistError, TimeoutError) as error:
            if isinstance(error, TicketSystemError) and error.fault is Fault.ABSENT and not await self._known(ticket):
                raise RefusedError(f"there is no ticket {ticket}", reason="absent") from error
            fault = f"{named.system} cannot be asked now: {getattr(error, 'message', 'it does not answer')}"
            if not await self._known(ticket):
                raise UnreachableError(fault, advice="Try again, or ask the relay's operator.") from error
        found = await self.book.ticket(ticket)
        fault = str(safe_text(fault, max_chars=400))
        return msgspec.structs.replace(found, replies=replies, fault=fault, keeps_time=keeps, books_time=books)

    async def number(self, ticket: str) -> int:
        """The number behind a ticket id. Raises RefusedError `absent`."""
        return await self._store.read(lambda connection: number_of(connection, ticket))

    async def add(self, ticket: str, note: Note, issues: tuple[str, ...] = ()) -> TicketNote:
        """Put a note on a ticket; it travels on by itself when the ticket is another system's.

        A closing note takes with it what the system's settings ask for: time, fields, the survey, closing.
        """
        named = require_ticket_id(ticket)
        if note.closing and named.system != BUILT_IN:
            note = self._with_survey(note, named)
        also = partial(self._time.book_named, note=note) if note.minutes is not None else None
        added = await self.book.add(ticket, note, also=also)
        if note.closing and named.system != BUILT_IN:
            await self._queue_closing(named, note, issues)
        self._time.committed()
        self._courier.notice()
        return added

    def _with_survey(self, note: Note, named: TicketId) -> Note:
        url = self.systems.settings[named.system].survey_url
        if not url:
            return note
        return replace(note, text=f"{note.text}\n\nHow did we do? {url.replace('{ticket}', quote(named.ticket))}")

    async def _queue_closing(self, named: TicketId, note: Note, issues: tuple[str, ...]) -> None:
        settings, able = self.systems.settings[named.system], self.systems.of(named.system).capabilities()
        now = format_time(self._clock())
        wanted = closing_work(settings, able, note, issues)

        def job(connection: Connection) -> None:
            ticket = number_of(connection, str(named))
            self._time.book_session(connection, ticket, note)
            shared = others_run(connection, ticket, note.session, now)
            for kind, words in wanted:
                if kind == CLOSE and shared:
                    continue
                queue(connection, ticket, kind, f"{note.key} {words}", now, words=words)

        await self._store.write(job)

    async def close(self, ticket: str, name: str) -> None:
        """Close a ticket without words: in its own system by a delivery named `name`, in the book at once."""
        named, now = require_ticket_id(ticket), format_time(self._clock())

        def job(connection: Connection) -> None:
            number = number_of(connection, ticket)
            if named.system == BUILT_IN:
                connection.execute(update(tickets).where(tickets.c.id == number).values(closed=now))
            else:
                queue(connection, number, CLOSE, name, now)

        await self._store.write(job)
        self._courier.notice()

    async def refresh(self, ticket: str) -> None:
        """Ask a foreign ticket's system how it stands, and remember it. Raises TicketSystemError."""
        named = require_ticket_id(ticket)
        await self.remember(named.system, await self.systems.of(named.system).get(named.ticket))

    async def search(self, text: str, system: str) -> tuple[Ticket, ...]:
        """Tickets of one system whose subject holds the text; of the book all that do."""
        if system == BUILT_IN:
            return tuple(one for one in await self.book.tickets() if text.lower() in one.subject.lower())
        try:
            async with asyncio.timeout(ASK_SECONDS):
                seen = await self.systems.of(system).search(text)
        except (TicketSystemError, TimeoutError) as error:
            said = getattr(error, "message", "it does not answer")
            raise UnreachableError(f"{system} cannot be asked now: {said}") from error
        return tuple(_shown(system, one) for one in seen)

    async def open(self, new: NewTicket, *, by: str, key: str = "", system: str = "") -> Ticket:
        """A new ticket in the default system. `key`: the same one never opens two."""
        where = BUILT_IN if new.break_glass else system or self._default
        check_new_ticket(new)
        if new.break_glass:
            new = msgspec.structs.replace(new, subject=f"Break-glass: {new.subject}"[:MAX_SUBJECT_CHARS])
            key = f"{BREAK_GLASS_KEY}{note_key(by, new.subject, format_time(self._clock()))}"
            ticket = await self.book.open(
                new, by=by, key=key, also=lambda connection, number: self._record_break_glass(connection, number, by)
            )
            self._chains.notice()
            return ticket
        if where == BUILT_IN:
            return await self.book.open(new, by=by, key=key)
        key = key or note_key("opened", by, new.subject, new.description, format_time(self._clock()))
        draft = Draft(new.subject, new.description or new.subject, key)
        try:
            seen = await self.systems.of(where).create(draft)
        except TicketSystemError as error:
            raise UnreachableError(
                f"{where} did not open the ticket: {error.message}", advice=error.advice or "Try again."
            ) from error
        await self.remember(where, seen)
        return await self.book.ticket(f"{where}:{seen.id}")

    def _record_break_glass(self, connection: Connection, ticket: int, by: str) -> None:
        relay = Actor(kind="relay")
        draft = RecordDraft(code="RA2020E", actor=relay, about=f"ticket {ticket}", details={"technician": by})
        self._chains.write_in(connection, draft)

    async def remember(self, system: str, seen: RemoteTicket) -> int:
        """Keep what a system said of a ticket; where its settings ask for it, the ticket gets its link to us, once."""
        clean, now = _clean(seen), format_time(self._clock())
        links = self._links(system) and not seen.closed

        def job(connection: Connection) -> tuple[int, bool]:
            number = keep(connection, system, clean, now)
            words = f"{self._origin()}/start/{system}:{clean.id} {START_TITLE}"
            return number, links and queue(connection, number, LINK, "start", now, words=words)

        number, queued = await self._store.write(job)
        if queued:
            self._courier.notice()
        return number

    def _links(self, system: str) -> bool:
        return self.systems.settings[system].start_link and self.systems.of(system).capabilities().link

    async def look_again(self, ticket: str) -> bool:
        """Ask how a ticket stands now that is known here, or that wants its link. Returns whether it answered."""
        try:
            if not self._links(require_ticket_id(ticket).system) and not await self._known(ticket):
                return False
            await self.refresh(ticket)
        except (TicketSystemError, RefusedError):
            return False
        return True

    # --- the outbox -------------------------------------------------------------------------------

    async def outbox(self, *, dead: bool) -> Deliveries:
        """What is on its way, and which systems are left alone."""
        found = await self._store.read(lambda connection: read_deliveries(connection, ticket=None, dead=dead))
        now = self._clock()
        paused = {name: pace.fault for name, pace in self._courier.paces.items() if pace.paused_until > now}
        return Deliveries(deliveries=found, paused=paused)

    async def retry(self, which: int) -> Retried:
        """Let dead deliveries be tried again: one, or all (0)."""
        now = format_time(self._clock())
        count = await self._store.write(lambda connection: revive(connection, which or None, now))
        if which and not count:
            raise RefusedError(f"delivery {which} is not dead", reason="absent")
        self._courier.notice()
        return Retried(count=count)

    async def reconcile(self, ticket: str, *, repair: bool) -> Reconciled:
        """Compare a ticket with the log; with `repair`, send again what is missing. UnreachableError when unasked."""
        kept = await self._store.read(lambda connection: read_kept(connection, ticket))
        found = compare_book(kept)
        if not kept.system:
            told = sum(1 for note in kept.notes for _ in note.events)
            return Reconciled(ticket=ticket, told=told, differences=tuple(found))
        try:
            seen = await self.systems.of(kept.system).notes(kept.remote)
        except TicketSystemError as error:
            raise UnreachableError(f"{kept.system}: {error.message}") from error
        more, lost, told = compare_remote(kept, seen)
        repaired = 0
        if repair:
            now = format_time(self._clock())
            for note in lost:
                repaired += await self._store.write(lambda connection: again(connection, note, now))  # noqa: B023
            self._courier.notice()
        return Reconciled(ticket=ticket, told=told, differences=(*found, *more), repaired=repaired)

    async def _known(self, ticket: str) -> bool:
        try:
            await self._store.read(lambda connection: number_of(connection, ticket))
        except RefusedError:
            return False
        return True


def _clean(seen: RemoteTicket) -> RemoteTicket:
    def line(text: str) -> str:
        return str(safe_text(text, max_chars=200))

    return RemoteTicket(
        id=seen.id,
        subject=line(seen.subject) or "(no subject)",
        status=line(seen.status),
        closed=seen.closed,
        url=line(seen.url),
        requester=line(seen.requester),
        assignee=line(seen.assignee),
    )


def _shown(system: str, seen: RemoteTicket) -> Ticket:
    clean = _clean(seen)
    return Ticket(
        id=f"{system}:{seen.id}",
        subject=clean.subject,
        description="",
        state="closed" if seen.closed else "open",
        opened="",
        opened_by=clean.requester,
        url=clean.url,
        status=clean.status,
        assignee=clean.assignee,
    )


def _replies(seen: tuple[RemoteNote, ...]) -> tuple[TicketReply, ...]:
    """What others wrote: our own notes are in the book already."""
    others = [note for note in seen if not note.mark and note.text.strip()]
    return tuple(
        TicketReply(
            time=str(safe_text(note.time, max_chars=40)),
            author=str(safe_text(note.author, max_chars=100)),
            text=_lines(note.text),
            visibility=note.visibility,
        )
        for note in others[-MAX_REPLIES:]
    )


def _lines(text: str) -> str:
    return "\n".join(str(safe_text(line, max_chars=1000)) for line in text[:MAX_REPLY_CHARS].splitlines())

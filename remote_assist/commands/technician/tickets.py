"""The verb `tickets`: list, search, show, new, time; outbox and reconcile for what is on its way to other systems."""

import argparse
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote_assist.commands.pdf import write_pdf
from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import add_technician_options, open_desk
from remote_assist.core.api import Delivery, Difference, NewNote, Ticket
from remote_assist.core.time_spent import parse_minutes, spent_words
from remote_assist.errors import Exit, UsageError

if TYPE_CHECKING:  # only names for types: a story loads verification, which `--help` need not wait for
    from remote_assist.audit.verify import SessionReport
    from remote_assist.core.records import Record
    from remote_assist.technician.desk import Desk

Run = Callable[[argparse.Namespace], Awaitable[int]]


def add_commands(verbs: Any) -> None:
    """Add tickets."""
    parser = verbs.add_parser("tickets", help="list, show and open tickets")
    add_technician_options(parser)
    parser.set_defaults(run=_list)
    acts = parser.add_subparsers(metavar="list | search | show | new | time | reopen | story | outbox | reconcile")
    _act(acts, "list", _list, "all tickets this relay knows (also without a word)")
    searching = _act(acts, "search", _search, "tickets of another system, by words of their subject")
    searching.add_argument("text", metavar="TEXT", nargs="?", default="", help="without it: those that are open")
    searching.add_argument(
        "--system", metavar="NAME", required=True, help="the system, as the relay's settings name it"
    )
    show = _act(acts, "show", _show, "one ticket with its notes, and the replies others wrote")
    show.add_argument("ticket", metavar="ID", help="1001, or SYSTEM:ID")
    new = _act(acts, "new", _new, "open a ticket; prints its id")
    new.add_argument("--subject", metavar="TEXT", required=True, help="what it is about, 1 to 200 characters")
    new.add_argument("--description", metavar="TEXT", default="", help="more about it")
    spent = _act(acts, "time", _time, "note time spent on a ticket, and what for; booked where its system keeps time")
    spent.add_argument("ticket", metavar="ID")
    spent.add_argument("time", metavar="TIME", help="15m, 2h; minutes without a letter")
    spent.add_argument("--note", metavar="TEXT", required=True, help="what for; it goes on the ticket")
    reopen = _act(acts, "reopen", _reopen, "open a ticket of the relay's own book again")
    reopen.add_argument("ticket", metavar="ID")
    reopen.add_argument("--note", metavar="TEXT", required=True, help="why; it goes on the ticket")
    story = _act(acts, "story", _story, "what happened, from alarm to repair, each step with its record")
    story.add_argument("ticket", metavar="ID")
    story.add_argument(
        "--pdf", metavar="FILE", type=Path, default=None, help="write a PDF; needs Chromium or Chrome on this machine"
    )
    story.add_argument("--html", metavar="FILE", type=Path, default=None, help="write a page to send or print")
    outbox = _act(acts, "outbox", _outbox, "notes on their way to other ticket systems, and those that got stuck")
    outbox.add_argument("--dead", action="store_true", default=False, help="only those that nobody tries any more")
    outbox.add_argument("--retry", metavar="ID|all", default="", help="let dead ones be tried again")
    reconcile = _act(acts, "reconcile", _reconcile, "compare a ticket with the log; exit 1 when they differ")
    reconcile.add_argument("ticket", metavar="ID")
    reconcile.add_argument(
        "--repair", action="store_true", default=False, help="send again what is missing on the ticket"
    )


def _act(acts: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(
        name, argument_default=argparse.SUPPRESS, help=text, description=text
    )
    add_technician_options(parser)
    parser.set_defaults(run=run)
    return parser


async def _list(arguments: argparse.Namespace) -> int:
    async with await open_desk(arguments) as desk:
        found = await desk.tickets()
    return _tell_list(Printer(arguments), found)


async def _search(arguments: argparse.Namespace) -> int:
    async with await open_desk(arguments) as desk:
        found = await desk.api.search_tickets(arguments.text, arguments.system)
    return _tell_list(Printer(arguments), found)


def _tell_list(printer: Printer, found: tuple[Ticket, ...]) -> int:
    for ticket in found:
        if printer.plain:
            printer.value("id", ticket.id)
        else:
            printer.object(ticket)
            printer.line(f"#{ticket.id}  {ticket.state}  {ticket.subject}")
    if not found:
        printer.line("no tickets")
    return Exit.DONE


async def _show(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        ticket = await desk.ticket(arguments.ticket)
    printer.object(ticket)
    for line in ticket_lines(ticket):
        if printer.plain:
            printer.value("line", line)
        else:
            printer.line(line)
    return Exit.DONE


def ticket_lines(ticket: Ticket) -> list[str]:
    """A ticket as people read it; the notes' own line breaks are kept, indented."""
    return [*_heading(ticket), *_note_lines(ticket)]


def _heading(ticket: Ticket) -> Iterator[str]:
    yield f"#{ticket.id}  {ticket.subject}  ({ticket.state})"
    yield f"opened {ticket.opened[:16].replace('T', ' ')} by {ticket.opened_by}"
    if ticket.url:
        yield f"there: {ticket.status}, assigned to {ticket.assignee or 'nobody'}, {ticket.url}"
    if ticket.fault:
        yield f"as last seen: {ticket.fault}"
    yield from (f"  {line}" for line in ticket.description.splitlines())


def _note_lines(ticket: Ticket) -> Iterator[str]:
    for note in ticket.notes:
        seen = "" if note.visibility == "internal" else f" ({note.visibility})"
        about = f" [{note.session}]" if note.session else ""
        yield f"{note.time[:16].replace('T', ' ')}  {note.author}{seen}{about}"
        yield from (f"  {line}" for line in note.text.splitlines())
    for reply in ticket.replies:
        yield f"{reply.time[:16].replace('T', ' ')}  {reply.author} ({reply.visibility}), on the ticket itself"
        yield from (f"  {line}" for line in reply.text.splitlines())


async def _new(arguments: argparse.Namespace) -> int:
    async with await open_desk(arguments) as desk:
        ticket = await desk.new_ticket(arguments.subject, arguments.description)
    Printer(arguments).value("id", ticket.id, f"ticket #{ticket.id}: {ticket.subject}")
    return Exit.DONE


async def _story(arguments: argparse.Namespace) -> int:
    from remote_assist.audit.story import lines, page, tell

    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        ticket = await desk.ticket(arguments.ticket)
        sessions = [one async for one in desk.api.each_session(ticket=ticket.id)]
        told = tell(ticket, [await _verified(desk, one.id) for one in reversed(sessions)])
    if arguments.html is not None or arguments.pdf is not None:
        return _write_files(printer, arguments, page(told))
    printer.object(told)
    for line in lines(told):
        if printer.plain:
            printer.value("line", line)
        else:
            printer.line(line)
    return Exit.DONE


async def _verified(desk: "Desk", session: str) -> "tuple[SessionReport, list[Record]]":
    """A session's report and records; a log that does not hold stops the story (exit 5)."""
    from remote_assist.audit.verify import verify_session
    from remote_assist.core.records import decode_record

    logged = await desk.api.records(session)
    report = verify_session(
        logged,
        log_keys=desk.log_keys,
        ca_line=desk.ca_line,
        session=session,
        witnesses=desk.shown_acknowledgements(session),
    )
    return report, [decode_record(one.record) for one in logged]


def _write_files(printer: Printer, arguments: argparse.Namespace, text: str) -> int:
    if arguments.html is not None:
        _write_page(arguments.html, text)
        printer.value("file", arguments.html, f"wrote {arguments.html}")
    if arguments.pdf is not None:
        write_pdf(text, arguments.pdf)
        printer.value("file", arguments.pdf, f"wrote {arguments.pdf}")
    return Exit.DONE


def _write_page(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error


async def _reopen(arguments: argparse.Namespace) -> int:
    digest = hashlib.sha256(arguments.note.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    note = NewNote(text=arguments.note, key=f"reopen:{digest}:{time.time_ns()}", reopening=True)
    async with await open_desk(arguments) as desk:
        await desk.api.add_note(arguments.ticket, note)
        ticket = await desk.ticket(arguments.ticket)
    Printer(arguments).value("state", ticket.state, f"ticket #{ticket.id} is {ticket.state}")
    return Exit.DONE


async def _time(arguments: argparse.Namespace) -> int:
    minutes = parse_minutes(arguments.time)
    async with await open_desk(arguments) as desk:
        booked = await desk.add_time(arguments.ticket, minutes, arguments.note)
    printer = Printer(arguments)
    printer.object({"ticket": arguments.ticket, "minutes": minutes, "booked": booked})
    where = "booked in its own system, by the outbox" if booked else "said in a note"
    printer.line(f"{spent_words(minutes)} on ticket #{arguments.ticket}, {where}")
    if printer.plain:
        printer.value("minutes", minutes)
    return Exit.DONE


async def _outbox(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        if arguments.retry:
            count = await desk.api.retry_delivery(_which(arguments.retry))
            printer.value("count", count, f"{count} will be tried again")
            return Exit.DONE
        found = await desk.api.outbox(dead=arguments.dead)
    for name, why in found.paused.items():
        printer.note(f"{name} is left alone for now: {why}")
    for one in found.deliveries:
        if printer.plain:
            printer.value("id", one.id)
        else:
            printer.object(one)
            printer.line(_delivery_line(one))
    if not found.deliveries:
        printer.line("nothing waits")
    return Exit.DONE


def _which(text: str) -> int:
    if text == "all":
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:18]) == int(text)):
        raise UsageError(
            "--retry takes the number of a delivery, or `all`", advice="`tickets outbox --dead` lists them."
        )
    return int(text)


def _delivery_line(one: Delivery) -> str:
    tried = f", tried {one.attempts} times" if one.attempts else ""
    fault = f": {one.fault}" if one.fault else ""
    return f"{one.id}  #{one.ticket}  {one.kind}  {one.state}{tried}{fault}"


async def _reconcile(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        found = await desk.api.reconcile(arguments.ticket, repair=arguments.repair)
    printer.object(found)
    for one in found.differences:
        printer.line(_difference_line(one))
    if printer.plain:
        printer.value("told", found.told)
    printer.line(f"#{found.ticket}: {found.told} events are told exactly once")
    if found.repaired:
        printer.line(f"{found.repaired} notes are sent again")
    unsettled = [one for one in found.differences if one.kind != "waiting"]
    return Exit.FAILED if len(unsettled) > found.repaired else Exit.DONE


def _difference_line(one: Difference) -> str:
    named = ", ".join(one.events[:5]) + (f" and {len(one.events) - 5} more" if len(one.events) > 5 else "")
    return f"{one.kind}: {one.sentence}" + (f" ({named})" if named else "")

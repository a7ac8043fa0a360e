"""Verbs around enrolled machines: enrolled, call, worker."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.stopping import stopped_by_signal, waited
from remote_assist.commands.technician.options import add_technician_options, open_desk
from remote_assist.core.durations import parse_duration
from remote_assist.core.wishes import parse_wishes
from remote_assist.errors import Exit, UnreachableError

if TYPE_CHECKING:  # only names for types: they load SSH and HTTP
    from remote_assist.technician.worker import Worked, Worker


def add_commands(verbs: Any) -> None:
    """Add enrolled, call and worker."""
    listing = verbs.add_parser("enrolled", help="list the enrolled machines")
    add_technician_options(listing)
    listing.set_defaults(run=_enrolled)
    call = verbs.add_parser(
        "call",
        help="open a session with an enrolled machine",
        description="The machine answers by its standing consent; then every verb works as in any session.",
    )
    add_technician_options(call)
    call.add_argument("machine", metavar="MACHINE", help="its name, or its id (m-…)")
    call.add_argument("--ticket", metavar="ID", required=True, help="the ticket the session belongs to")
    call.add_argument("--scopes", default="diagnose", help="what is asked for (diagnose)")
    call.add_argument("--until", metavar="TIME", default="30m", help="how long (30m)")
    call.set_defaults(run=_call)
    worker = verbs.add_parser(
        "worker",
        help="take alarms of enrolled machines and look, by itself",
        description="A technician without hands: its own login, sessions and records. For each alarm of an enrolled "
        "machine it collects a bundle, puts the findings on the ticket, and applies the fixes named here.",
    )
    add_technician_options(worker)
    worker.add_argument("--bundle", metavar="NAME", default="first-look", help="what it collects (first-look)")
    worker.add_argument("--fix", metavar="FIX", action="append", default=[], help="it may apply this one; repeatable")
    worker.add_argument("--every", metavar="10s", default="10s", help="how often it looks for alarms (10s)")
    worker.add_argument("--once", action="store_true", help="work on what is open now, then leave")
    worker.set_defaults(run=_worker)


async def _enrolled(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk:
        found = await desk.machines()
    for one in found:
        enrolment = one.machine.enrolment
        shown = {"id": one.machine.id, "name": enrolment.name, "here": one.here, "seen": one.seen}
        printer.object({**shown, "enrolled": enrolment.issued, "by": one.machine.by.name})
        if printer.plain:
            printer.value("id", one.machine.id)
        where = "waits" if one.here else f"away, seen {one.seen[:16].replace('T', ' ')}"
        printer.line(f"{one.machine.id}  {enrolment.name}  {where}; enrolled by {one.machine.by.name}")
    if not found:
        printer.line("no machine is enrolled")
    return Exit.DONE


async def _call(arguments: argparse.Namespace) -> int:
    scopes, seconds = parse_wishes(arguments.scopes), int(parse_duration(arguments.until).total_seconds())
    async with await open_desk(arguments) as desk:
        ticket = await desk.ticket(arguments.ticket)
        machine = (await desk.machine(arguments.machine)).machine.id
        session = await desk.call(machine, ticket, scopes, seconds)
    Printer(arguments).value("session", session, f"session {session}")
    return Exit.DONE


async def _worker(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.evidence import collect_request, plan_request
    from remote_assist.technician.worker import Orders, Worker

    printer, pause = Printer(arguments), parse_duration(arguments.every).total_seconds()
    orders = Orders(arguments.bundle, tuple(arguments.fix))
    collect_request(orders.bundle)
    for fix in orders.fixes:
        plan_request(fix, {})
    async with await open_desk(arguments) as desk:
        worker = Worker(desk, orders, lambda worked: _tell(printer, worked))
        if arguments.once:
            await worker.turn()
            return Exit.DONE
        with stopped_by_signal() as stopping:
            while True:
                await _turn(worker, printer)
                if await waited(stopping, pause):
                    return Exit.DONE


async def _turn(worker: "Worker", printer: Printer) -> None:
    """One turn; a relay that is away is waited for."""
    try:
        await worker.turn()
    except UnreachableError as error:
        printer.note(f"the relay cannot be asked: {error.message}")


def _tell(printer: Printer, worked: "Worked") -> None:
    printer.object({"worked": {**dataclasses.asdict(worked), "alarm": worked.alarm.id, "ticket": worked.alarm.ticket}})
    found = ", ".join(worked.issues) or "nothing known"
    why = f": {worked.why}" if worked.why else f" and found {found}"
    mended = f"; mended by {', '.join(worked.fixed)}" if worked.fixed else ""
    if printer.plain:
        printer.value("session", worked.session or worked.outcome)
    printer.line(f"#{worked.alarm.ticket}  {worked.alarm.title}: {worked.outcome}{why}{mended}")

"""incidents: opened, answered, repaired, and whether a known fix did it without anybody typing a command.

Rule: what the log proves comes from the log; when a ticket was opened and closed is the ticket system's word
(`TicketFacts`), and the report says so.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from remote_assist.audit.reports.deeds import Deed, deeds_of
from remote_assist.audit.reports.report import Report, Table, foundation_of
from remote_assist.audit.reports.trail import FIX
from remote_assist.audit.timeline import seconds_words
from remote_assist.audit.whole_log import SessionLog, TicketFacts, WholeLog
from remote_assist.core.records import parse_time
from remote_assist.errors import RemoteProtocolError

TYPED = frozenset({"RA1400", "RA1401", "RA1202", "RA1203", "RA1204", "RA1205", "RA1206", "RA1207", "RA1208"})
"""Families of acts by which somebody mends by hand."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A ticket with its sessions. `fix`: the known fix that worked, where one did. Seconds are None when unknown."""

    ticket: str
    subject: str
    opened: str
    closed: str
    category: str
    technician: str
    sessions: int
    fix: str
    mechanical: bool
    response_seconds: float | None
    repair_seconds: float | None

    @property
    def solved(self) -> bool:
        """Whether the ticket was closed after somebody helped."""
        return bool(self.closed and self.sessions)

    @property
    def month(self) -> str:
        return self.opened[:7]


def incidents(log: WholeLog) -> Report:
    """The report."""
    found = [one for one in incidents_in(log) if log.covers(one.opened)]
    rows = tuple(_row(one) for one in found)
    columns = (
        "ticket", "subject", "opened", "closed", "category", "technician", "sessions", "solved", "fix",
        "without typing", "first response", "time to repair",
    )  # fmt: skip
    groups: tuple[tuple[str, Callable[[Incident], str]], ...] = (
        ("technician", lambda one: one.technician or "nobody yet"),
        ("category", lambda one: one.category),
        ("month", lambda one: one.month),
    )
    tables = [Table("Incidents", columns, rows), _sums("all", "", lambda one: "all", found)]
    tables += [_sums(f"by {name}", name, key, found) for name, key in groups]
    remark = "Dates of tickets are the ticket system's; sessions, fixes and what was typed are proved by the log."
    return Report("incidents", "Incidents", tuple(tables), (remark,), foundation_of(log))


def incidents_in(log: WholeLog) -> Iterable[Incident]:
    """Every ticket, in the order it was opened."""
    sessions: dict[str, list[SessionLog]] = {}
    for one in log.sessions:
        sessions.setdefault(one.summary.ticket, []).append(one)
    facts = {one.ticket: one for one in log.tickets}
    for ticket, held in sessions.items():
        first = held[0].summary
        facts.setdefault(ticket, TicketFacts(ticket, first.subject, first.opened))
    for fact in sorted(facts.values(), key=lambda one: (one.opened, one.ticket)):
        yield _incident(fact, sessions.get(fact.ticket, []))


def _incident(fact: TicketFacts, sessions: list[SessionLog]) -> Incident:
    deeds = [deed for session in sessions for deed in deeds_of(session)]
    fix = _fix(deeds)
    first = fact.first_response or (sessions[0].summary.opened if sessions else "")
    return Incident(
        ticket=fact.ticket,
        subject=fact.subject,
        opened=fact.opened,
        closed=fact.closed,
        category=fact.category or fix.partition("@")[0] or "none",
        technician=sessions[-1].summary.technician if sessions else "",
        sessions=len(sessions),
        fix=fix,
        mechanical=bool(fix and fact.closed) and not any(deed.family in TYPED for deed in deeds),
        response_seconds=_seconds(fact.opened, first),
        repair_seconds=_seconds(fact.opened, fact.closed) if sessions else None,
    )


def _fix(deeds: list[Deed]) -> str:
    """The last fix that was applied and stayed."""
    return next((deed.intent.record.catalog for deed in reversed(deeds) if deed.family == FIX and deed.succeeded), "")


def _seconds(start: str, end: str) -> float | None:
    try:
        span = (parse_time(end) - parse_time(start)) / timedelta(seconds=1)
    except RemoteProtocolError:
        return None
    return max(span, 0.0)


def _row(one: Incident) -> tuple[str, ...]:
    return (
        one.ticket,
        one.subject,
        one.opened,
        one.closed or "open",
        one.category,
        one.technician,
        str(one.sessions),
        "yes" if one.solved else "no",
        one.fix,
        "yes" if one.mechanical else "no",
        _words(one.response_seconds),
        _words(one.repair_seconds),
    )


def _sums(title: str, column: str, key: Callable[[Incident], str], found: list[Incident]) -> Table:
    groups: dict[str, list[Incident]] = {}
    for one in found:
        groups.setdefault(key(one), []).append(one)
    columns = (
        column or "tickets", "opened", "solved", "without typing", "median first response", "median time to repair",
    )  # fmt: skip
    rows = tuple((name, *_sum(group)) for name, group in sorted(groups.items()))
    return Table(f"Sums, {title}", columns, rows)


def _sum(group: list[Incident]) -> tuple[str, ...]:
    return (
        str(len(group)),
        str(sum(one.solved for one in group)),
        str(sum(one.mechanical for one in group)),
        _median(one.response_seconds for one in group),
        _median(one.repair_seconds for one in group),
    )


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return seconds_words(median(known)) if known else ""


def _words(seconds: float | None) -> str:
    return "" if seconds is None else seconds_words(seconds)

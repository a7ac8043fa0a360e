"""incidents: opened, answered, repaired, and whether a known fix did it without anybody typing a command.

Rule: what the log proves comes from the log; when a ticket was opened and closed is the ticket system's word
(`TicketFacts`), and the report says so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from remote_assist.audit.reports.bars import Series, bars
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
    customer: str
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


@dataclass(frozen=True, slots=True)
class Targets:
    """What was agreed on (SLA), in seconds; None: nothing was."""

    response_seconds: float | None = None
    repair_seconds: float | None = None


GROUPS: tuple[tuple[str, Callable[[Incident], str]], ...] = (
    ("month", lambda one: one.month),
    ("category", lambda one: one.category),
    ("customer", lambda one: one.customer or "not said"),
    ("technician", lambda one: one.technician or "nobody yet"),
)
"""What the sums are made by."""


def incidents(log: WholeLog, targets: Targets | None = None) -> Report:
    """The report; with `targets` also how often they were kept."""
    found = incidents_of(log)
    agreed = targets or Targets()
    rows = tuple(_row(one) for one in found)
    columns = (
        "ticket", "subject", "opened", "closed", "category", "customer", "technician", "sessions", "solved", "fix",
        "without typing", "first response", "time to repair",
    )  # fmt: skip
    tables = [Table("Incidents", columns, rows), _sums("all", "", lambda one: "all", found, agreed)]
    tables += [_sums(f"by {name}", name, key, found, agreed) for name, key in GROUPS]
    remark = "Dates of tickets are the ticket system's; sessions, fixes and what was typed are proved by the log."
    return Report("incidents", "Incidents", tuple(tables), (remark,), foundation_of(log))


def incidents_of(log: WholeLog) -> list[Incident]:
    """The incidents of the time asked for."""
    return [one for one in incidents_in(log) if log.covers(one.opened)]


def figures(log: WholeLog, targets: Targets | None = None) -> Table:
    """The incidents for a spreadsheet: seconds as numbers, yes and no as 1 and 0, empty where nothing is known."""
    agreed = targets or Targets()
    columns = (
        "ticket", "subject", "opened", "closed", "month", "category", "customer", "technician", "sessions", "solved",
        "fix", "without_typing", "first_response_seconds", "repair_seconds", "response_kept", "repair_kept",
    )  # fmt: skip
    return Table("Incidents", columns, tuple(_figures(one, agreed) for one in incidents_of(log)))


def plots(log: WholeLog) -> tuple[str, ...]:
    """The report's pictures (SVG): by month, what came and what was solved, and how long it took; by category."""
    found = incidents_of(log)
    return tuple(plot for name, key in GROUPS[:2] for plot in _plots(name, _grouped(key, found)))


def _plots(name: str, groups: dict[str, list[Incident]]) -> tuple[str, ...]:
    def counted(title: str, count: Callable[[Incident], bool]) -> Series:
        values = tuple(sum(map(count, group)) for group in groups.values())
        return Series(title, tuple(map(float, values)), tuple(map(str, values)))

    def lasted(title: str, seconds: Callable[[Incident], float | None]) -> Series:
        spans = [_median_of(map(seconds, group)) for group in groups.values()]
        return Series(title, tuple(span or 0.0 for span in spans), tuple(map(_words, spans)))

    counts = (
        counted("opened", lambda one: True),
        counted("solved", lambda one: one.solved),
        counted("without typing", lambda one: one.mechanical),
    )
    spans = (
        lasted("first response", lambda one: one.response_seconds),
        lasted("time to repair", lambda one: one.repair_seconds),
    )
    labels = tuple(groups)
    return bars(f"Incidents by {name}", labels, counts), bars(f"Median times by {name}", labels, spans)


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
        customer=fact.requester,
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
        one.customer,
        one.technician,
        str(one.sessions),
        "yes" if one.solved else "no",
        one.fix,
        "yes" if one.mechanical else "no",
        _words(one.response_seconds),
        _words(one.repair_seconds),
    )


def _figures(one: Incident, agreed: Targets) -> tuple[str, ...]:
    return (
        one.ticket,
        one.subject,
        one.opened,
        one.closed,
        one.month,
        one.category,
        one.customer,
        one.technician,
        str(one.sessions),
        str(int(one.solved)),
        one.fix,
        str(int(one.mechanical)),
        _number(one.response_seconds),
        _number(one.repair_seconds),
        _kept_figure(one.response_seconds, agreed.response_seconds),
        _kept_figure(one.repair_seconds, agreed.repair_seconds),
    )


def _grouped(key: Callable[[Incident], str], found: Sequence[Incident]) -> dict[str, list[Incident]]:
    groups: dict[str, list[Incident]] = {}
    for one in sorted(found, key=key):
        groups.setdefault(key(one), []).append(one)
    return groups


def _sums(title: str, column: str, key: Callable[[Incident], str], found: Sequence[Incident], agreed: Targets) -> Table:
    columns = (
        column or "tickets", "opened", "solved", "without typing", "median first response", "median time to repair",
        "response kept", "repair kept",
    )  # fmt: skip
    rows = tuple((name, *_sum(group, agreed)) for name, group in _grouped(key, found).items())
    return Table(f"Sums, {title}", columns, rows)


def _sum(group: list[Incident], agreed: Targets) -> tuple[str, ...]:
    return (
        str(len(group)),
        str(sum(one.solved for one in group)),
        str(sum(one.mechanical for one in group)),
        _words(_median_of(one.response_seconds for one in group)),
        _words(_median_of(one.repair_seconds for one in group)),
        _kept([one.response_seconds for one in group], agreed.response_seconds),
        _kept([one.repair_seconds for one in group], agreed.repair_seconds),
    )


def _kept(spans: Sequence[float | None], most: float | None) -> str:
    """`3 of 4`: of those that came to it, how many in time; empty where nothing was agreed on."""
    known = [span for span in spans if span is not None]
    return "" if most is None else f"{sum(span <= most for span in known)} of {len(known)}"


def _kept_figure(span: float | None, most: float | None) -> str:
    return "" if span is None or most is None else str(int(span <= most))


def _median_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f}"


def _words(seconds: float | None) -> str:
    return "" if seconds is None else seconds_words(seconds)

"""audit-trail, change-list and control-failures: everything in order, what changed machines, what did not work."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from remote_assist.audit.reports.deeds import Deed, deeds_of
from remote_assist.audit.reports.report import Report, Table, foundation_of
from remote_assist.audit.timeline import COMMITMENT_CHARS, outcome_words, timeline
from remote_assist.audit.whole_log import Entry, SessionLog, WholeLog
from remote_assist.core.record_codes import CODES

FIX = "RA1301"
BREAK_GLASS = "RA2020E"
"""Counted even when it never happened: that is what an auditor asks."""

_FAILURES = {"RA1901E", "RA1902E", "RA1995E", "RA2013E", "RA2020E", "RA2021E", "RA2022E", "RA2023E", "RA2025E"}


@dataclass(frozen=True, slots=True)
class Named:
    """A chain with whose key it is mostly about."""

    name: str
    key: str
    person: str
    entries: tuple[Entry, ...]


def audit_trail(log: WholeLog) -> Report:
    """Every record of the time asked for, in the order of the tree."""
    rows = tuple(cells for _, cells in sorted(cells for one in _logs(log) for cells in _trail(log, one)))
    columns = ("leaf", "time", "session", "seq", "code", "who", "what", "outcome", "sealed")
    remark = "Order is the tree's. A change to what was recorded is a record of its own; nothing is overwritten."
    return Report("audit-trail", "Audit trail", (Table("Records", columns, rows),), (remark,), foundation_of(log))


def _trail(log: WholeLog, one: Named) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(leaf, cells) of one chain's records."""
    opened = {(seq, field): value for (name, seq, field), value in log.opened.items() if name == one.name}
    names = {one.key: one.person} if one.key else {}
    lines = timeline([entry.record for entry in one.entries], names=names, opened=opened)
    for entry, line in zip(one.entries, lines, strict=True):
        if log.covers(entry.time):
            sealed = ", ".join(f"{field} {value}" for field, value in line.sealed)
            place = (str(entry.acknowledgement.index), entry.time, one.name, str(line.seq), line.code)
            yield entry.acknowledgement.index, (*place, line.who, line.what, line.outcome, sealed)


def change_list(log: WholeLog) -> Report:
    """Fixes and other changes: fix → ticket → plan digest → before and after."""
    deeds = [deed for session in log.sessions for deed in deeds_of(session) if log.covers(deed.intent.time)]
    fixes = tuple(_fix(log, deed) for deed in deeds if deed.family == FIX)
    others = tuple(
        (deed.intent.time, deed.session.summary.ticket, deed.session.summary.technician, deed.what, deed.ended)
        for deed in deeds
        if _changes(deed) and deed.family != FIX
    )
    columns = ("time", "fix", "ticket", "session", "technician", "plan", "approver", "outcome", "before", "after")
    tables = (
        Table("Fixes", columns, fixes),
        Table("Other changes", ("time", "ticket", "technician", "change", "outcome"), others),
        Table("Exceptions", ("time", "fix", "exception"), tuple(_exceptions(deeds))),
    )
    return Report("change-list", "Changes", tables, (), foundation_of(log))


def control_failures(log: WholeLog) -> Report:
    """What did not work as it should: nothing here is an accusation, everything is to be looked at."""
    events = tuple(
        (entry.time, one.name, entry.record.code, CODES[entry.record.code].sentence, _details(entry))
        for one in _logs(log)
        for entry in one.entries
        if entry.record.code in _FAILURES and log.covers(entry.time)
    )
    odd = tuple(
        (session.summary.id, remark)
        for session in log.sessions
        if session.report is not None
        for remark in (*session.report.incomplete, *session.report.notes)
    )
    broken = tuple((fault,) for fault in log.faults())
    codes = Counter(code for _, _, code, _, _ in events)
    totals = tuple((code, CODES[code].name, str(codes[code])) for code in sorted(codes.keys() | {BREAK_GLASS}))
    tables = (
        Table("How often", ("code", "event", "count"), totals),
        Table("Events", ("time", "where", "code", "event", "details"), events),
        Table("Incomplete and odd", ("session", "remark"), odd),
        Table("Does not hold", ("fault",), broken),
    )
    return Report("control-failures", "Control failures", tables, (), foundation_of(log))


def _logs(log: WholeLog) -> list[Named]:
    sessions = [
        Named(one.summary.id, one.summary.technician_key, one.summary.technician, one.entries) for one in log.sessions
    ]
    return [*sessions, *(Named(one.summary.id, one.summary.key, one.summary.owner, one.entries) for one in log.chains)]


def _fix(log: WholeLog, deed: Deed) -> tuple[str, ...]:
    record, summary = deed.intent.record, deed.session.summary
    return (
        deed.intent.time,
        record.catalog,
        summary.ticket,
        summary.id,
        summary.technician,
        record.plan,
        record.approver or "the customer",
        deed.ended,
        _sealed(log, deed.session, deed, "before"),
        _sealed(log, deed.session, deed, "after"),
    )


def _sealed(log: WholeLog, session: SessionLog, deed: Deed, name: str) -> str:
    """A sealed value of a fix's records: opened if it was unsealed, else its commitment."""
    for entry in (deed.outcome, deed.intent):
        if entry is not None and name in entry.record.sealed:
            value = log.opened.get((session.summary.id, entry.record.seq, name))
            commitment = entry.record.sealed[name].commitment[:COMMITMENT_CHARS]
            return f"sealed {commitment}" if value is None else value.decode("utf-8", "backslashreplace")
    return ""


def _changes(deed: Deed) -> bool:
    return deed.intent.record.scope in {"files:write", "terminal"} or deed.family in {"RA1202", "RA1203", "RA1204"}


def _exceptions(deeds: list[Deed]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for deed in deeds:
        if deed.family != FIX:
            continue
        if not deed.intent.record.plan:
            found.append((deed.intent.time, deed.intent.record.catalog, "no plan digest"))
        if deed.outcome is None and not deed.later:
            found.append((deed.intent.time, deed.intent.record.catalog, "no outcome"))
    return found


def _details(entry: Entry) -> str:
    record = entry.record
    told = [f"{name} {value}" for name, value in record.details.items()]
    return ", ".join([*([record.about] if record.about else []), *told, outcome_words(record.outcome)]).rstrip(", ")

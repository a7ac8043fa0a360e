"""maintenance-record: a page for each ticket: who approved what, who came, what was done, how it ended (NIST MA-4)."""

from remote_assist.audit.reports.deeds import deeds_of
from remote_assist.audit.reports.report import Report, Table, foundation_of
from remote_assist.audit.reviews import reviews_in
from remote_assist.audit.timeline import outcome_words, span_words
from remote_assist.audit.whole_log import SessionLog, WholeLog

_CONSENT = {"RA1001E", "RA1002E", "RA1003E", "RA1004E", "RA1005I", "RA1005O", "RA1006E", "RA1007E"}


def maintenance_record(log: WholeLog) -> Report:
    """The report."""
    signed: dict[str, list[str]] = {}
    for one in reviews_in(log):
        signed.setdefault(one.review.session, []).append(f"{one.review.meaning}: {one.review.name}, {one.review.time}")
    tables = [table for ticket in _tickets(log) for table in _page(log, ticket, signed)]
    return Report("maintenance-record", "Maintenance records", tuple(tables), (), foundation_of(log))


def _tickets(log: WholeLog) -> list[str]:
    return list(dict.fromkeys(one.summary.ticket for one in log.sessions))


def _page(log: WholeLog, ticket: str, signed: dict[str, list[str]]) -> list[Table]:
    sessions = [one for one in log.sessions if one.summary.ticket == ticket]
    acts = tuple(
        (deed.session.summary.id, deed.intent.time, deed.what, deed.intent.record.scope, deed.ended, deed.took)
        for one in sessions
        for deed in deeds_of(one)
    )
    consents = tuple(
        (one.summary.id, entry.time, entry.record.code, entry.record.scope, outcome_words(entry.record.outcome))
        for one in sessions
        for entry in one.entries
        if entry.record.code in _CONSENT
    )
    refused = tuple(
        (one.summary.id, entry.time, ", ".join(entry.record.paths), outcome_words(entry.record.outcome))
        for one in sessions
        for entry in one.entries
        if entry.record.code == "RA1900R"
    )
    title = f"Ticket {ticket}: {sessions[0].summary.subject}"
    visits = tuple(_visit(one, signed) for one in sessions)
    columns = ("session", "technician", "key", "serial", "opened", "ended", "end", "lasted", "review", "log")
    return [
        Table(title, columns, visits),
        Table(f"Ticket {ticket}: approval", ("session", "time", "code", "scopes", "answer"), consents),
        Table(f"Ticket {ticket}: work", ("session", "time", "act", "scope", "outcome", "took"), acts),
        Table(f"Ticket {ticket}: refused", ("session", "time", "on", "why"), refused),
    ]


def _visit(one: SessionLog, signed: dict[str, list[str]]) -> tuple[str, ...]:
    summary = one.summary
    return (
        summary.id,
        one.report.technician if one.report else summary.technician,
        summary.technician_key,
        str(one.report.certificate_serial) if one.report else "",
        summary.opened,
        summary.ended or "goes on",
        summary.end_reason,
        span_words(summary.opened, summary.ended) if summary.ended else "",
        "; ".join(signed.get(summary.id, ())) or "not reviewed",
        one.fault or "verified",
    )

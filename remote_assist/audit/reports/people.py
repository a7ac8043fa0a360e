"""access-list, consent-receipts and review-log: who could do what, what customers allowed, who looked at it."""

from remote_assist.audit.reports.report import Report, Table, foundation_of
from remote_assist.audit.reviews import queue, reviews_in
from remote_assist.audit.timeline import outcome_words
from remote_assist.audit.whole_log import SessionLog, WholeLog
from remote_assist.core.identity.certificates import ca_of, check_certificate
from remote_assist.core.log.organisation import RELAY
from remote_assist.core.records import Opening, format_time, parse_time
from remote_assist.errors import AssistError

_CONSENT = {
    "RA1001E": "granted",
    "RA1002E": "denied",
    "RA1003E": "revoked",
    "RA1004E": "expired",
    "RA1005I": "more asked for",
    "RA1005O": "answered",
    "RA1006E": "paused",
    "RA1007E": "resumed",
}


def access_list(log: WholeLog) -> Report:
    """Every certificate that was used, as which role, how long it held, when it was used, whether it is revoked."""
    used: dict[tuple[str, ...], list[str]] = {}
    for session in log.sessions:
        opening = session.entries[0].record.opening if session.entries else None
        if opening is not None:
            used.setdefault(_certified(opening, "technician", session.entries[0].record.time), []).append(
                session.summary.opened
            )
    for chain in log.chains:
        opening = chain.entries[0].record.opening if chain.entries else None
        if opening is not None and chain.summary.role != RELAY:
            times = [entry.time for entry in chain.entries]
            used.setdefault(_certified(opening, chain.summary.role, chain.entries[0].record.time), []).extend(times)
    rows = tuple(
        (*who, min(times), max(times), str(len(times)), "revoked" if int(who[2] or 0) in log.revoked else "")
        for who, times in sorted(used.items())
    )
    columns = ("name", "role", "serial", "key", "valid from", "valid until", "first used", "last used", "uses", "state")
    serials = tuple((str(serial),) for serial in log.revoked)
    remark = "Certificates that were issued but never used are in the CA folder's own list, not in this log."
    tables = (Table("Access", columns, rows), Table("Revoked serials", ("serial",), serials))
    return Report("access-list", "Who had access", tables, (remark,), foundation_of(log))


def consent_receipts(log: WholeLog) -> Report:
    """Every word of a customer about consent."""
    rows = tuple(
        (
            entry.time,
            session.summary.id,
            session.summary.ticket,
            session.summary.technician,
            _CONSENT[entry.record.code],
            entry.record.scope,
            entry.record.grant,
            outcome_words(entry.record.outcome),
        )
        for session in log.sessions
        for entry in session.entries
        if entry.record.code in _CONSENT and log.covers(entry.time)
    )
    columns = ("time", "session", "ticket", "technician", "consent", "scopes", "grant", "answer")
    return Report(
        "consent-receipts", "Consent", (Table("Consent", columns, rows),), (_without_consent(log),), foundation_of(log)
    )


def review_log(log: WholeLog, percent: float = 100.0) -> Report:
    """Sessions that ended, whether a reviewer had to look, and every sign-off."""
    due = tuple(queue(log, percent))
    sessions = tuple((one.session, one.ended, one.technician, one.ticket, one.state) for one in due)
    signed = tuple(
        (
            one.review.time,
            one.review.session,
            one.review.name,
            one.review.meaning,
            one.review.note,
            one.review.key,
            str(one.index),
        )
        for one in reviews_in(log)
        if log.covers(one.review.time)
    )
    waiting = sum(one.waits for one in due)
    tables = (
        Table("Sessions that ended", ("session", "ended", "technician", "ticket", "review"), sessions),
        Table("Sign-offs", ("time", "session", "printed name", "meaning", "note", "key", "leaf"), signed),
    )
    remark = (
        f"{len(due)} sessions ended, {waiting} wait for a review; sample {percent:g} per cent, drawn by the log's root"
    )
    return Report("review-log", "Reviews", tables, (remark,), foundation_of(log))


def _certified(opening: Opening, role: str, time: str) -> tuple[str, ...]:
    """Name, role, serial, key, validity of the certificate in an opening."""
    try:
        found = check_certificate(
            opening.certificate, ca_line=ca_of(opening.certificate), now=parse_time(time), role=role
        )
    except AssistError as error:
        return (f"does not hold: {error.message}", role, "", "", "", "")
    valid = (format_time(found.valid_after), format_time(found.valid_before))
    return (found.name, role, str(found.serial), found.key_fingerprint, *valid)


def _without_consent(log: WholeLog) -> str:
    odd = [one.summary.id for one in log.sessions if not _asked(one)]
    return f"sessions without any word of the customer: {', '.join(odd) or 'none'}"


def _asked(session: SessionLog) -> bool:
    return any(entry.record.code in _CONSENT for entry in session.entries)

"""The story of an incident: alarm, ticket, session, findings, fix, verification, and how long it took. Pure.

    ticket (its notes) + verified sessions ──▶ steps in order of time ──▶ first response, time to repair

Rule 1: steps about what happened on a machine come from records whose session was verified; each names its record.
Rule 2: what came from a ticket is told as the ticket's words, never as proof.
"""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from remote_assist.audit.timeline import outcome_words, seconds_words, subject_words
from remote_assist.audit.verify import SessionReport
from remote_assist.core.api import Ticket
from remote_assist.core.hostile import safe_text
from remote_assist.core.record_codes import CODES
from remote_assist.core.records import Record, parse_time

ALARM, TICKET, SESSION, CONSENT, LOOK, TOLD, FIX, VERIFIED, OTHER, END = (
    "alarm",
    "ticket",
    "session",
    "consent",
    "findings",
    "disclosure",
    "fix",
    "verification",
    "action",
    "end",
)
KINDS = {
    "RA1000E": SESSION,
    "RA1001E": CONSENT,
    "RA1002E": CONSENT,
    "RA1003E": CONSENT,
    "RA1100O": LOOK,
    "RA1700O": TOLD,
    "RA1300O": FIX,
    "RA1301O": VERIFIED,
    "RA1302E": FIX,
    "RA1304E": VERIFIED,
    "RA1990E": END,
}
"""Record code → what the story calls it; every other outcome is an action."""

SOLVED = frozenset({"resolved"})
"""How a fix ends whose verification held."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `proof`: the record it is told from, or empty for the ticket's own words."""

    time: str
    kind: str
    who: str
    what: str
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """The whole story. Times in seconds, None where it did not come to that; `mechanically`: by a catalog fix."""

    ticket: str
    subject: str
    state: str
    steps: tuple[Step, ...]
    sessions: tuple[str, ...]
    first_response_seconds: float | None
    repair_seconds: float | None
    solved: bool
    mechanically: bool


def tell(ticket: Ticket, sessions: Sequence[tuple[SessionReport, Sequence[Record]]]) -> Story:
    """The story of a ticket and its verified sessions."""
    steps = [*_from_ticket(ticket)]
    for report, records in sessions:
        steps += _from_session(report, records)
    steps.sort(key=lambda step: step.time)
    begun = _begun(steps, ticket)
    opened = [report.opened for report, _ in sessions]
    mended = [record.time for _, records in sessions for record in records if _is_solved(record)]
    ended = [report.last for report, _ in sessions if report.ended]
    solved = bool(mended) or (ticket.state == "closed" and bool(ended))
    repaired = min(mended) if mended else max(ended) if solved else ""
    return Story(
        ticket=ticket.id,
        subject=ticket.subject,
        state=ticket.state,
        steps=tuple(steps),
        sessions=tuple(report.session for report, _ in sessions),
        first_response_seconds=_between(begun, min(opened)) if opened else None,
        repair_seconds=_between(begun, repaired) if repaired else None,
        solved=solved,
        mechanically=bool(mended),
    )


def lines(story: Story) -> list[str]:
    """The story for people: a heading, a line a step, the figures."""
    shown = [f"#{story.ticket}  {story.subject}  ({story.state})"]
    for step in story.steps:
        proof = f"  [{step.proof}]" if step.proof else ""
        shown.append(f"{step.time[:19].replace('T', ' ')}  {step.kind:<12}  {step.who}: {step.what}{proof}")
    return [*shown, *_figures(story)]


def page(story: Story) -> str:
    """The story as one HTML page without scripts, pictures or addresses of others; it prints well."""
    rows = "\n".join(
        f"<tr><td>{_h(step.time[:19].replace('T', ' '))}<td>{_h(step.kind)}<td>{_h(step.who)}<td>{_h(step.what)}"
        f"<td><code>{_h(step.proof)}</code>"
        for step in story.steps
    )
    figures = "".join(f"<li>{_h(line)}" for line in _figures(story))
    return PAGE.format(
        title=f"#{_h(story.ticket)} {_h(story.subject)}", state=_h(story.state), figures=figures, rows=rows
    )


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body{{font:14px system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;width:100%}}td,th{{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;
vertical-align:top}}td:first-child{{white-space:nowrap}}code{{font-size:85%}}</style>
<h1>{title}</h1><p>{state}</p><ul>{figures}</ul>
<table><tr><th>UTC<th>what<th>who<th>told<th>record</tr>
{rows}
</table><p>Each record named here can be checked with <code>remote-assist audit verify SESSION</code>.</p></html>
"""


def _from_ticket(ticket: Ticket) -> Iterable[Step]:
    opener = ticket.opened_by or ticket.requester or "somebody"
    yield Step(ticket.opened, TICKET, opener, f"opened: {_one_line(ticket.subject)}")
    for note in ticket.notes:
        if note.events:
            continue  # told from the records themselves
        alarm = note.author == "remote-assist" and note.text.startswith(("Alarm: ", "Resolved: "))
        yield Step(note.time, ALARM if alarm else TICKET, note.author, _one_line(note.text))
    for reply in ticket.replies:
        yield Step(reply.time, TICKET, reply.author, _one_line(reply.text))


def _from_session(report: SessionReport, records: Sequence[Record]) -> Iterable[Step]:
    for record in records:
        code = CODES[record.code]
        kind = KINDS.get(record.code, OTHER if code.is_outcome else "")
        if not kind:
            continue
        who = report.technician if record.actor.kind == "technician" else record.actor.kind
        words = [code.sentence, subject_words(record), outcome_words(record.outcome)]
        what = "; ".join(word for word in words if word)
        yield Step(record.time, kind, who, what, f"{report.session}/{record.seq}")


def _figures(story: Story) -> list[str]:
    found = []
    if story.first_response_seconds is not None:
        found.append(f"first response after {seconds_words(story.first_response_seconds)}")
    if story.repair_seconds is not None:
        how = "by a fix of the catalog" if story.mechanically else "by hand"
        found.append(f"repaired after {seconds_words(story.repair_seconds)}, {how}")
    else:
        found.append("not repaired yet")
    return found


def _begun(steps: Sequence[Step], ticket: Ticket) -> str:
    return min(
        [step.time for step in steps if step.kind == ALARM] + ([ticket.opened] if ticket.opened else []), default=""
    )


def _is_solved(record: Record) -> bool:
    return KINDS.get(record.code) == VERIFIED and record.outcome is not None and record.outcome.status in SOLVED


def _between(start: str, end: str) -> float | None:
    if not start or not end:
        return None
    return max(0.0, (parse_time(end) - parse_time(start)).total_seconds())


def _one_line(text: str) -> str:
    return str(safe_text(" ".join(text.split()), max_chars=300))


def _h(text: str) -> str:
    return html.escape(str(safe_text(text, max_chars=1000)))

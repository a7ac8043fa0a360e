"""The review queue: each session that ended, whether it was drawn, and who signed it off. Pure: a log in, lines out."""

from collections.abc import Iterator
from dataclasses import dataclass

from remote_assist.audit.review import Review, draw_size, is_drawn, review_of
from remote_assist.audit.whole_log import SessionLog, WholeLog


@dataclass(frozen=True, slots=True)
class SignedReview:
    """A review whose chain holds. `key_line` is the reviewer's public key, `index` the record's leaf."""

    review: Review
    key_line: str
    index: int


@dataclass(frozen=True, slots=True)
class Due:
    """A session in the queue. `state`: to review, signed, not drawn, not drawn yet, does not hold."""

    session: str
    ticket: str
    technician: str
    ended: str
    state: str
    signed: tuple[str, ...]
    fault: str = ""

    @property
    def waits(self) -> bool:
        """Whether a reviewer is to look at it."""
        return self.state in {"to review", "does not hold"}

    def text(self) -> str:
        """One line."""
        by = f": {'; '.join(self.signed)}" if self.signed else f": {self.fault}" if self.fault else ""
        return f"{self.session}  {self.ended[:16]}  {self.technician}  ticket {self.ticket}  {self.state}{by}"


def reviews_in(log: WholeLog) -> Iterator[SignedReview]:
    """Every sign-off in chains that hold, of the head the session still ends in."""
    heads = {one.report.session: one.report.head for one in log.sessions if one.report is not None}
    for chain in log.chains:
        if chain.report is None or chain.report.role != "reviewer":
            continue
        opening = chain.entries[0].record.opening
        assert opening is not None
        for entry in chain.entries:
            review = review_of(entry.record, chain.report.owner)
            if review is not None and heads.get(review.session, review.head) == review.head:
                yield SignedReview(review, opening.host_key, entry.acknowledgement.index)


def queue(log: WholeLog, percent: float = 100.0) -> Iterator[Due]:
    """Sessions of the time asked for that ended, oldest first."""
    signed: dict[str, list[str]] = {}
    for one in reviews_in(log):
        said = f"{one.review.meaning} by {one.review.name} at {one.review.time}"
        signed.setdefault(one.review.session, []).append(said)
    for session in log.sessions:
        if session.summary.ended and log.covers(session.summary.ended):
            yield _due(log, session, tuple(signed.get(session.summary.id, ())), percent)


def _due(log: WholeLog, session: SessionLog, signed: tuple[str, ...], percent: float) -> Due:
    one = session.summary
    state = "signed" if signed else _drawn(log, session, percent)
    state = "does not hold" if session.fault else state
    return Due(one.id, one.ticket, one.technician, one.ended, state, signed, session.fault)


def _drawn(log: WholeLog, session: SessionLog, percent: float) -> str:
    if percent >= 100:
        return "to review"
    root = log.root_at(draw_size(session.entries[-1].acknowledgement.index)) if session.entries else None
    if root is None:
        return "not drawn yet"
    return "to review" if is_drawn(session.summary.id, root, percent) else "not drawn"

"""Records that belong to no session, made for real: a reviewer's and the relay's own."""

from datetime import datetime, timedelta

from remote_assist.core.api import LoggedRecord
from remote_assist.core.identity.certificates import Certificate, check_certificate, issue_certificate
from remote_assist.core.log.chain import Chain, link
from remote_assist.core.log.organisation import persons_opening, relays_opening, sign_head
from remote_assist.core.records import Actor, RecordDraft, SignedText, record_hash
from remote_assist.core.signing.keys import PrivateKey, new_key, public_line
from remote_assist.core.signing.sshsig import sign
from tests.audit.world import CA, CA_LINE, LOG, LOG_LINE, START, Log, seed

RITA = new_key(seed("rita"))


def certificate(key: PrivateKey = RITA, role: str = "reviewer", serial: int = 9) -> Certificate:
    """A certificate that holds for twelve hours around START."""
    line = issue_certificate(
        CA,
        public_line(key),
        name="Rita Example",
        role=role,
        serial=serial,
        valid_after=START - timedelta(hours=1),
        valid_before=START + timedelta(hours=11),
    )
    return check_certificate(line, ca_line=CA_LINE, now=START, role=role)


def kept(log: Log, key: PrivateKey, name: str, *drafts: RecordDraft, at: datetime = START) -> list[LoggedRecord]:
    """These records one after the other, acknowledged."""
    chain, found = Chain(name), []
    for draft in drafts:
        record, raw = link(chain, draft, at)
        stored = sign_head(key, record, raw)
        chain = Chain(name, record.seq, record_hash(raw))
        found.append(LoggedRecord(record=stored.record, head=stored.head, acknowledgement=log.acknowledge(stored)))
    return found


def review_draft(actor: Actor, session: str, **changes: object) -> RecordDraft:
    """A sign-off as `audit review sign` writes it."""
    text = f"remote-assist/1 review\n{session}\n"
    signed = SignedText(purpose="review", text=text, signature=sign(RITA, "review", text.encode()))
    fields = {"code": "RA2001E", "actor": actor, "about": session, "details": {"meaning": "reviewed"}, "signed": signed}
    return RecordDraft(**{**fields, **changes})  # type: ignore[arg-type]  # the fields a test changes


def ritas(log: Log, session: str = "s-abcdefghijklmnop", *, at: datetime = START) -> list[LoggedRecord]:
    """Rita's chain: its opening and one sign-off."""
    name, first = persons_opening(RITA, certificate(), "reviewer", LOG_LINE)
    return kept(log, RITA, name, first, review_draft(first.actor, session), at=at)


def relays(log: Log) -> list[LoggedRecord]:
    """The relay's own chain: its opening and one recording read."""
    name, first = relays_opening(LOG)
    reader = Actor(kind="reviewer", key="SHA256:x", serial=9)
    return kept(log, LOG, name, first, RecordDraft(code="RA2002E", actor=reader, about="s-abcdefghijklmnop"))

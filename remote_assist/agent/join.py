"""`join`, start to end: the code, the pairing, the question, the session, the receipt.

    code → nameplate → pairing (code burned) → verified → consent → opening and consent acknowledged → verdict → session

Rule: the verdict leaves only after the consent is on this disk and acknowledged; a no leaves at once.
"""

import asyncio
import contextlib
import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from remote_assist.agent.assembly import assemble, shelf_for
from remote_assist.agent.control import Identity
from remote_assist.agent.log_proof import prove
from remote_assist.agent.memory import KnownRelay
from remote_assist.agent.pairing_attempt import Attempt, Known
from remote_assist.agent.prompt.asking import consent_question
from remote_assist.agent.record.disk_watch import check_disk
from remote_assist.agent.recovery import recover
from remote_assist.agent.session import Session
from remote_assist.agent.session_facts import (
    ENDED_BY_CUSTOMER,
    ENDED_BY_DISK,
    ENDED_BY_DISTRUST,
    ENDED_BY_RELAY,
    ENDED_BY_REVOCATION,
    ENDED_BY_SIGNAL,
    ENDED_BY_TECHNICIAN,
    ENDED_BY_TICKET,
    ENDED_BY_TIME,
    SessionFacts,
)
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.surroundings import Surroundings, disk_marks
from remote_assist.agent.texts import say, wish_title
from remote_assist.audit.receipt import NOT_PROVED, InTheLog, build_receipt, receipt_bytes
from remote_assist.core.agreements.enrolment import open_code
from remote_assist.core.codes import SupportCode
from remote_assist.core.consent import wishes_of
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.messages import EnrolmentProof, EnrolmentWish, Grant, Verdict
from remote_assist.core.prompt import ConsentAnswer, Prompt
from remote_assist.core.records import RecordDraft, parse_time
from remote_assist.core.signing.keys import PrivateKey, load_public, new_key, public_line
from remote_assist.errors import AssistError, ConsentDenied, Exit, RefusedError, UnreachableError, VerificationError
from remote_assist.settings import PairingSettings
from remote_assist.transport.link import Link
from remote_assist.transport.private_files import write_private

DENIAL_SECONDS = 2.0
"""How long a customer's no may take to reach the relay before the agent leaves anyway."""

MAX_HOST_NAME_CHARS = 64
END_TEXTS = {
    ENDED_BY_CUSTOMER: "end.local",
    ENDED_BY_TECHNICIAN: "end.technician",
    ENDED_BY_TIME: "end.expired",
    ENDED_BY_SIGNAL: "end.signal",
    ENDED_BY_DISTRUST: "end.distrust",
    ENDED_BY_RELAY: "end.relay",
    ENDED_BY_TICKET: "end.ticket",
    ENDED_BY_DISK: "end.disk-full",
    ENDED_BY_REVOCATION: "end.revoked",
}


async def join(around: Surroundings, code: SupportCode, prompt: Prompt, *, ca_line: str | None) -> int:
    """Let a technician help until the session ends; answer the exit code.

    `ca_line` is the organisation's CA as configured here (`--ca`). Raises CodeBurned, RefusedError, ConsentDenied,
    UnreachableError, VerificationError; then no session was.
    """
    await ready(around, prompt)
    known, host = known_relay(around, ca_line), Host.new(around)
    if refusal := around.home.attempts(around.settings.pairing).refuses(around.clock(), code.nameplate):
        raise refusal
    prompt.show(say("code.connecting", relay=around.origin))
    link = await around.dial(f"/v1/join/{code.nameplate}")
    attempt = new_attempt(around, code, link, known, host)
    prompt.show(say("code.waiting"))
    return await helped(
        around, link, attempt, host, prompt, lambda: attempt.run(lambda: prompt.show(say("code.pairing")))
    )


async def ready(around: Surroundings, prompt: Prompt) -> None:
    """What comes before any code: the state folder, what an earlier start left open, room on the disk."""
    around.home.prepare()
    await recover(around, prompt)
    check_disk(around.home.path, disk_marks(around.settings))


@dataclass(frozen=True, slots=True)
class Calling:
    """How a machine that waits answers a call: with its proof, by its standing consent."""

    prove: Callable[[bytes, str], EnrolmentProof]
    check: Callable[[VerifiedTechnician], None]
    used: Callable[[], tuple[RecordDraft, Mapping[str, bytes]]]
    why_not: Callable[[], str]
    began: Callable[[Session], None]


async def answer_call(around: Surroundings, nameplate: str, prompt: Prompt, calling: Calling) -> int:
    """One session of an enrolled machine, as `join`, without a code: `prompt` answers by the standing consent.

    The consent that was used is on record, and acknowledged, before the technician hears of the yes.
    """
    check_disk(around.home.path, disk_marks(around.settings))
    known, host = known_relay(around, None), Host.new(around)
    link = await around.dial(f"/v1/join/{nameplate}")
    attempt = new_attempt(
        around, open_code(nameplate), link, known, host, prove=lambda offer: calling.prove(offer, host.key_line)
    )
    return await helped(around, link, attempt, host, prompt, lambda: attempt.run(lambda: None), calling)


@dataclass(frozen=True, slots=True)
class Host:
    """What this computer shows of itself in one pairing: a fresh key, and its name."""

    key: PrivateKey
    name: str

    @classmethod
    def new(cls, around: Surroundings) -> "Host":
        """A host with a key made now."""
        return cls(new_key(around.entropy(32)), platform.node()[:MAX_HOST_NAME_CHARS] or "this computer")

    @property
    def key_line(self) -> str:
        """The public key, OpenSSH form."""
        return public_line(self.key)


def new_attempt(
    around: Surroundings,
    code: SupportCode,
    link: Link,
    known: Known,
    host: Host,
    *,
    wish: EnrolmentWish | None = None,
    prove: Callable[[bytes], EnrolmentProof] | None = None,
    limits: PairingSettings | None = None,
    made_here: bool = False,
) -> Attempt:
    """One try of a code by this agent; `wish`, `prove` and `made_here` as Attempt has them."""
    return Attempt(
        code,
        link,
        home=around.home,
        known=known,
        host_key=host.key,
        host_name=host.name,
        limits=limits or around.settings.pairing,
        moment=around.moment,
        entropy=around.entropy,
        wish=wish,
        prove=prove,
        made_here=made_here,
    )


async def helped(
    around: Surroundings,
    link: Link,
    attempt: Attempt,
    host: Host,
    prompt: Prompt,
    pairing: Callable[[], Awaitable[VerifiedTechnician]],
    calling: Calling | None = None,
    *,
    granted: Callable[[Session], Awaitable[None]] | None = None,
) -> int:
    """From the pairing to the receipt; `calling` where there is no customer, `granted` hears of a session's begin."""
    try:
        technician = await pairing()
        if calling is not None:
            await _check_caller(attempt, technician, calling)
        shelf = shelf_for(technician, around, prompt)
        answer = await _ask(around, attempt, technician, prompt, shelf)
        facts = SessionFacts(
            technician, host.key, host.key_line, host.name, around.settings, attempt.resume_key, attempt.made_here
        )
        session = assemble(facts, around, prompt, shelf)
        if calling is not None:
            calling.began(session)
        if not answer.scopes:
            await _refuse(session, attempt, answer, "" if calling is None else calling.why_not())
        grants = await _grant(session, attempt, answer, None if calling is None else calling.used())
    finally:
        await link.close()
    remember(around, technician)
    if granted is not None:
        await granted(session)
    return await _live(session, around, grants)


async def _check_caller(attempt: Attempt, technician: VerifiedTechnician, calling: Calling) -> None:
    try:
        if not technician.verified:
            raise VerificationError("this machine knows no organisation at this relay", advice="Enrol it again.")
        calling.check(technician)
    except AssistError as error:
        with contextlib.suppress(AssistError):
            await attempt.send_verdict(Verdict(reason="unverified", sentence=error.message[:200]))
        raise


async def _ask(
    around: Surroundings, attempt: Attempt, technician: VerifiedTechnician, prompt: Prompt, shelf: Shelf
) -> ConsentAnswer:
    """The customer's answer; a technician who leaves meanwhile takes the question away."""
    statement = technician.statement
    preview = await shelf.preview_for(statement.scopes, prompt)
    question = consent_question(
        technician,
        around.settings,
        scopes=statement.scopes,
        seconds=statement.seconds,
        preview=preview,
        asked=attempt.made_here,
    )
    if not question.scopes:
        await attempt.send_verdict(Verdict(reason="denied", sentence="nothing was asked for that this agent offers"))
        raise ConsentDenied("nothing was asked for that this program offers", reason="out-of-scope")
    asking = asyncio.create_task(prompt.consent(question))
    leaving = asyncio.create_task(attempt.peer_gone())
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            shelf.strike(asking.result().struck)
            return asking.result()
        raise RefusedError("the technician left before you answered; nothing was done", reason=leaving.result())
    finally:
        for task in (asking, leaving):
            task.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def _refuse(session: Session, attempt: Attempt, answer: ConsentAnswer, why: str = "") -> None:
    """Tell the technician at once, write the no down, deliver it if that is quick. Always raises ConsentDenied."""
    reason = "timed-out" if answer.timed_out else "denied"
    with contextlib.suppress(AssistError):
        await attempt.send_verdict(Verdict(reason=reason, sentence=why[:200]))
    session.start()
    await session.granting.deny(answer)
    session.end.now(reason)
    await session.run(DENIAL_SECONDS)
    sentence = "nobody answered, so the answer is no" if answer.timed_out else "the answer was no"
    raise ConsentDenied(f"{sentence}; nothing was done", reason=reason)


async def _grant(
    session: Session, attempt: Attempt, answer: ConsentAnswer, by: tuple[RecordDraft, Mapping[str, bytes]] | None = None
) -> tuple[Grant, ...]:
    session.start()
    try:
        grants = await session.open(answer, by)
        await attempt.send_verdict(Verdict(grants=grants))
    except AssistError as error:
        with contextlib.suppress(AssistError):
            await attempt.send_verdict(Verdict(reason="denied", sentence=error.message[:200]))
        session.end.now(ENDED_BY_RELAY)
        await session.run()
        raise
    return grants


async def _live(session: Session, around: Surroundings, grants: tuple[Grant, ...]) -> int:
    """The session from the verdict to its receipt."""
    until = f"{parse_time(max(grant.until for grant in grants)).astimezone():%H:%M}"
    titles = ", ".join(wish_title(wish) for wish in wishes_of(grants))
    session.prompt.show(say("live.granted", scopes=titles, until=until))
    session.prompt.show(say("live.keys", session=session.facts.id, until=until))
    reason = await session.run()
    folder = session.journal.folder
    session.prompt.show(say(END_TEXTS.get(reason, "end.signal"), folder=folder))
    if session.end.undelivered:
        session.prompt.show(say("end.undelivered", count=session.end.undelivered, folder=folder))
    proved = NOT_PROVED
    if not session.end.undelivered and reason != ENDED_BY_DISTRUST:
        proved = await _prove(session, around)
    session.prompt.show(say("end.receipt", path=_write_receipt(session, around, proved)))
    return Exit.UNVERIFIED if reason == ENDED_BY_DISTRUST else Exit.DONE


async def _prove(session: Session, around: Surroundings) -> InTheLog:
    """That the session's records are in the relay's log; access is over already."""
    facts = session.facts
    given = [acknowledgement for _, acknowledgement in session.journal.records() if acknowledgement is not None]
    identity = Identity(facts.id, around.origin, facts.host_key)
    return await prove(around, identity, given, facts.technician.lists.organisation.signing_keys)


def _write_receipt(session: Session, around: Surroundings, proved: InTheLog) -> Path:
    path = around.home.receipt_file(session.facts.id)
    write_private(path, receipt_bytes(build_receipt(session.journal.records(), now=around.clock(), proved=proved)))
    return path


def known_relay(around: Surroundings, ca_line: str | None) -> Known:
    """What is held of this relay's organisation. Raises RefusedError when a configured CA is not the one known."""
    known = [around.home.relay(origin) for origin in around.origins]
    stored = next((one for one in known if one is not None), None)
    others = around.origins[1:]
    if stored is None:
        return Known(around.origin, ca_line, {}, others)
    if ca_line is not None and load_public(ca_line) != load_public(stored.ca):
        raise RefusedError(
            "this relay belonged to another organisation before: its CA is not the one you named",
            reason="ca-changed",
            advice="Do not go on. Call the organisation by a number you know.",
        )
    return Known(around.origin, stored.ca, stored.numbers, others)


def remember(around: Surroundings, technician: VerifiedTechnician) -> None:
    """The customer agreed here: the technician's CA is this relay's from now on, and no older list is taken."""
    known = KnownRelay(ca=technician.certificate.ca_line, numbers=technician.lists.numbers)
    try:
        for origin in around.origins:
            around.home.remember_relay(origin, known)
    except OSError as error:
        raise UnreachableError(f"the relay's CA could not be remembered: {error.strerror}") from error

"""One pairing, from message 1 to the customer's answer, as the technician; whoever made the code.

Rule 1: the session's keys are on disk before the statement is sent, so a crash costs an invitation, not a session.
Rule 2: a joiner that leaves before its reply costs no guess; after the reply there is only success or a burned code.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from remote_assist.core.agreements.enrolment import check_enrolment, check_machine, sign_enrolment
from remote_assist.core.api import Ticket
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode, session_id
from remote_assist.core.consent import wishes_of
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    AgentStatement,
    Pairing,
    PairingReply,
    PairingVerdict,
    PeerLeft,
    SignedStatement,
    TechnicianEnvelope,
    Verdict,
)
from remote_assist.core.pairing import TechnicianPairing, sign_statement
from remote_assist.core.records import Actor, RecordDraft, format_time
from remote_assist.core.signing.keys import PrivateKey, fingerprint, load_public, new_key, private_bytes, public_line
from remote_assist.core.wishes import common, parse_wishes
from remote_assist.errors import (
    CodeBurned,
    ConsentDenied,
    ContentError,
    RemoteProtocolError,
    UsageError,
    VerificationError,
)
from remote_assist.settings import PairingSettings, TechnicianSettings
from remote_assist.technician.home import Home
from remote_assist.technician.login import Credential
from remote_assist.technician.rendezvous import ASK_AGAIN, read_rendezvous, unexpected
from remote_assist.technician.session_folder import SessionFacts, SessionFolder, moment_of
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.link import Link

MAX_SECONDS = 8 * 3600
"""Longest consent that may be asked for."""

MAX_AGENT_TEXT_CHARS = 255
"""Longest version, platform or host name an agent may state."""

_MessageT = TypeVar("_MessageT")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the customer is asked for. `seconds`: how long.

    `machine`: the id of the enrolled machine that must answer; `enrolling`: a machine is enrolled, no session opened.
    """

    ticket: Ticket
    scopes: tuple[str, ...]
    seconds: int
    machine: str = ""
    enrolling: bool = False

    def check(self) -> None:
        """Raise UsageError for scopes or times no agent would show."""
        parse_wishes(",".join(self.scopes))
        if not 1 <= self.seconds <= MAX_SECONDS:
            raise UsageError("a consent lasts at most 8 hours", advice="Shorten --until, for example 30m.")


@dataclass(frozen=True, slots=True)
class Inviter:
    """Who invites: login, key, and the lists the agent will be shown."""

    settings: TechnicianSettings
    home: Home
    relay: str
    token: str
    credential: Credential
    lists: tuple[bytes, ...]
    clock: Callable[[], datetime]
    addresses: Addresses
    revoked: frozenset[int]
    record: Callable[[RecordDraft], Awaitable[None]]
    """Writes a record of the technician's own, durably."""


class PairingAttempt:
    """One pairing, messages 1 to 6. `again`: how to get another code; `before_reply` is called when the agent's answer
    is there and was not looked at, `on_paired` when it showed that the agent knew the code.
    """

    def __init__(
        self,
        inviter: Inviter,
        wanted: Wanted,
        code: SupportCode,
        link: Link,
        *,
        again: str = ASK_AGAIN,
        before_reply: Callable[[], None] = lambda: None,
        on_paired: Callable[[AgentStatement], None] = lambda agent: None,
    ) -> None:
        self._again = again
        self._before_reply = before_reply
        self._on_paired = on_paired
        self._inviter = inviter
        self._wanted = wanted
        self._link = link
        self._limits: PairingSettings = inviter.settings.pairing
        self._pairing = TechnicianPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)

    async def run(self) -> str:
        """The session id, or "" when the joiner left before its reply, which costs no guess."""
        await self._link.send_binary(encode(self._pairing.start(), max_bytes=self._limits.message_max_bytes))
        reply = await self._receive(PairingReply, self._limits.handshake_deadline_seconds)
        if reply is None:
            return ""
        self._before_reply()
        agent = self._pairing.receive_reply(reply)
        check_agent_statement(agent)
        self._on_paired(agent)
        if self._wanted.enrolling:
            return await self._enrol(agent)
        if self._wanted.machine:
            self._check_machine(agent)
        session, folder, statement = self._prepare(agent)
        try:
            await self._link.send_binary(statement)
            verdict = await self._verdict()
            self._accept(folder, verdict)
        except BaseException:
            folder.discard()
            raise
        return session

    def _prepare(self, agent: AgentStatement) -> tuple[str, SessionFolder, bytes]:
        """Sign the statement; keys and facts are on disk before it is sent."""
        inviter, ticket = self._inviter, self._wanted.ticket
        session_key = new_key(secrets.token_bytes(32))
        certificate = inviter.credential.certificate
        envelope = self._signed(agent, session_key)
        session = session_id(envelope.statement)
        now = inviter.clock()
        folder = inviter.home.new_session(session)
        folder.write_keys(private_bytes(session_key), self._pairing.resume_key)
        folder.write(
            SessionFacts(
                session=session,
                relay=inviter.relay,
                ticket=ticket.id,
                subject=ticket.subject,
                host_key=load_public(agent.host_key),
                host_name=agent.host_name,
                scopes=self._wanted.scopes,
                certificate_fingerprint=certificate.key_fingerprint,
                opened=format_time(now),
                ends=format_time(now + timedelta(seconds=self._wanted.seconds)),
                certificate_ends=format_time(certificate.valid_before),
            )
        )
        message = self._pairing.statement(envelope)
        return session, folder, encode(message, max_bytes=self._limits.message_max_bytes)

    def _signed(self, agent: AgentStatement, session_key: PrivateKey) -> TechnicianEnvelope:
        inviter, ticket = self._inviter, self._wanted.ticket
        certificate = inviter.credential.certificate
        statement = SignedStatement(
            version=PROTOCOL_VERSION,
            transcript=self._pairing.transcript,
            agent_host_key=agent.host_key,
            session_key=public_line(session_key),
            ticket=ticket.id,
            subject=ticket.subject,
            scopes=self._wanted.scopes,
            seconds=self._wanted.seconds,
            relay=inviter.relay,
            organisation_ca=certificate.ca_line,
        )
        return sign_statement(inviter.credential.key, certificate.line, statement, inviter.lists)

    def _check_machine(self, agent: AgentStatement) -> None:
        """The machine that was called, and no other, at the other end of this very pairing; raise otherwise."""
        if not agent.proof:
            raise VerificationError("whoever answered proved no enrolment", where="enrolment")
        check_machine(
            agent.proof,
            offer=self._pairing.offer,
            host_key=agent.host_key,
            wanted=self._wanted.machine,
            ca_line=self._inviter.credential.certificate.ca_line,
            revoked=self._inviter.revoked,
        )

    async def _enrol(self, agent: AgentStatement) -> str:
        """Sign the machine's wish, after it is on record; the id of the machine."""
        if not agent.wish:
            raise RemoteProtocolError("the customer joined to be helped, not to enrol: remote-assist enroll")
        inviter, wish = self._inviter, agent.wish
        certificate = inviter.credential.certificate
        signed = sign_enrolment(
            inviter.credential.key,
            certificate.line,
            wish,
            relay=inviter.relay,
            organisation_ca=certificate.ca_line,
            issued=format_time(inviter.clock()),
        )
        machine = check_enrolment(signed, ca_line=certificate.ca_line).id
        actor = Actor(kind="technician", key=certificate.key_fingerprint, serial=certificate.serial)
        details = {"name": wish.name, "key": fingerprint(wish.enrolment_key), "ticket": self._wanted.ticket.id}
        await inviter.record(RecordDraft(code="RA1710E", actor=actor, about=machine, details=details))
        envelope = self._signed(agent, new_key(secrets.token_bytes(32)))
        message = self._pairing.statement(msgspec.structs.replace(envelope, enrolment=signed))
        await self._link.send_binary(encode(message, max_bytes=self._limits.message_max_bytes))
        verdict = await self._verdict()
        if verdict.reason != "enrolled":
            raise _denied(verdict, self._again)
        return machine

    async def _verdict(self) -> Verdict:
        limits = self._limits
        deadline = (
            limits.consent_deadline_seconds
            + limits.reading_seconds
            + limits.first_contact_wait_seconds
            + limits.handshake_deadline_seconds
        )
        message = await self._receive(PairingVerdict, deadline)
        if message is None:
            raise ConsentDenied(
                "the customer's program left before an answer",
                reason="gone",
                advice=f"Speak with the customer. {self._again}",
            )
        return self._pairing.receive_verdict(message)

    def _accept(self, folder: SessionFolder, verdict: Verdict) -> None:
        if not verdict.grants:
            raise _denied(verdict, self._again)
        facts = folder.facts()
        granted = wishes_of(verdict.grants)
        if unasked := set(granted) - set(common(facts.scopes, granted)):
            raise RemoteProtocolError(f"the agent granted what was not asked for: {', '.join(sorted(unasked))[:100]}")
        folder.grant(granted, max((grant.until for grant in verdict.grants), key=moment_of))

    async def _receive(self, kind: type[_MessageT], seconds: float) -> _MessageT | None:
        """The next pairing message, or None when the other end left."""
        try:
            async with asyncio.timeout(seconds):
                raw = await self._link.receive()
        except TimeoutError as error:
            raise CodeBurned(
                "the other end did not answer in time; the code is burned", reason="expired", advice=self._again
            ) from error
        if isinstance(raw, str):
            said = read_rendezvous(raw)
            if isinstance(said, PeerLeft) and said.reason != "version":
                return None
            raise unexpected(said, self._again)
        message: object = decode(raw, Pairing, max_bytes=self._limits.message_max_bytes)  # type: ignore[arg-type]  # a union
        if not isinstance(message, kind):
            raise RemoteProtocolError(f"a {type(message).__name__} out of turn")
        return message


def check_agent_statement(agent: AgentStatement) -> None:
    """What must hold before anything about the technician is sent. Raises RemoteProtocolError."""
    try:
        fingerprint(load_public(agent.host_key))
    except ContentError as error:
        raise RemoteProtocolError(f"the agent's host key is unusable: {error.message}") from error
    if load_public(agent.host_key) != agent.host_key or not agent.host_key.startswith("ssh-ed25519 "):
        raise RemoteProtocolError("the agent's host key is not a plain Ed25519 key")
    for name, text in (
        ("version", agent.agent_version),
        ("platform", agent.platform),
        ("host name", agent.host_name),
    ):
        if len(text) > MAX_AGENT_TEXT_CHARS:
            raise RemoteProtocolError(f"the agent's {name} is longer than {MAX_AGENT_TEXT_CHARS} characters")


def _denied(verdict: Verdict, again: str) -> ConsentDenied:
    sentences = {
        "denied": "the customer said no",
        "timed-out": "the customer did not answer in time, which is a no",
        "unverified": "the customer's program could not verify you",
    }
    sentence = sentences.get(verdict.reason, "the customer's program said no")
    if verdict.sentence:
        sentence = f"{sentence}: {verdict.sentence}"
    return ConsentDenied(sentence, reason=verdict.reason, advice=f"Speak with the customer. {again}")

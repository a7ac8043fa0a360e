"""Two technicians: signing the invitation of a second one, and coming as one.

Rule: the second pins the host key of the first's statement, which the session's id is the digest of; the relay, which
hands the statement out, can change neither.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from remote_assist.core.agreements.sharing import (
    MAX_LIFE,
    Attachment,
    Invitation,
    Invited,
    Part,
    Proven,
    certificate_fingerprint,
    sign_attachment,
    sign_invitation,
)
from remote_assist.core.identity.certificates import check_certificate
from remote_assist.core.identity.lists import TrustedLists
from remote_assist.core.log.opening import OpenedSession, check_opening
from remote_assist.core.messages import PROTOCOL_VERSION
from remote_assist.core.record_codes import SECOND_ADMITTED
from remote_assist.core.records import decode_record, format_time
from remote_assist.core.requests import Attach, Attached, Refused, Share
from remote_assist.core.signing.keys import new_key, private_bytes, public_line
from remote_assist.errors import RefusedError, RemoteProtocolError, UsageError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.api import RelayApi
from remote_assist.technician.conversation import error_of
from remote_assist.technician.home import Home
from remote_assist.technician.login import Credential
from remote_assist.technician.session_folder import SessionFacts, SessionFolder, moment_of
from remote_assist.technician.stream_dial import dial_stream
from remote_assist.transport.channel import open_channel
from remote_assist.transport.ssh import connect_to_agent
from remote_assist.transport.streams import StreamTunnel


def invitation_for(
    facts: SessionFacts,
    certificate_line: str,
    part: Part,
    seconds: int,
    *,
    credential: Credential,
    lists: TrustedLists,
    now: datetime,
) -> Share:
    """The request that asks the customer to let the holder of a certificate in, signed by who asks.

    Raises VerificationError for a certificate no agent would take, UsageError for one's own or too long a time.
    """
    ca_line = credential.certificate.ca_line
    second = check_certificate(
        certificate_line, ca_line=ca_line, now=now, role="technician", revoked=lists.revocations.serials
    )
    if second.key_line == credential.certificate.key_line:
        raise UsageError("this is your own certificate", advice="Name the other technician's NAME-cert.pub.")
    if not 1 <= seconds <= MAX_LIFE.total_seconds():
        raise UsageError("a second technician stays for 8 hours at most", advice="Shorten --until, for example 30m.")
    invited = Invited(
        version=PROTOCOL_VERSION,
        session=facts.session,
        host_key=facts.host_key,
        certificate=certificate_fingerprint(certificate_line),
        part=part.value,
        expires=format_time(now + timedelta(seconds=seconds)),
    )
    raw, signature = sign_invitation(credential.key, invited)
    return Share(invitation=raw, signature=signature, certificate=certificate_line)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A technician on the way into somebody else's session."""

    settings: TechnicianSettings
    home: Home
    api: RelayApi
    token: str
    credential: Credential
    clock: Callable[[], datetime]

    async def attach(self, session: str) -> SessionFacts:
        """Prove who we are to the session's agent; answer what is known of the session, which is usable from now on.

        Raises RefusedError (nobody let us in, expired), VerificationError (another agent, another organisation),
        UnreachableError (away).
        """
        opened, invited = await self._read(session)
        key = new_key(secrets.token_bytes(32))
        statement = opened.statement
        attachment = Attachment(
            version=PROTOCOL_VERSION,
            session=session,
            host_key=statement.agent_host_key,
            session_key=public_line(key),
            invitation=invited.digest,
        )
        raw, signature = sign_attachment(self.credential.key, attachment)
        link, offer = await dial_stream(self.settings, self.api.addresses, self.token, session)
        try:
            connection = await connect_to_agent(
                StreamTunnel(link, stream=offer.stream, epoch=offer.epoch),
                session_key=key,
                host_key_line=statement.agent_host_key,
                deadline_seconds=self.settings.connect_deadline_seconds,
            )
            try:
                channel = await open_channel(connection)
                await channel.send(Attach(attachment=raw, signature=signature))
                answer = await channel.receive()
            finally:
                connection.close()
        finally:
            await link.close()
        if isinstance(answer, Refused):
            raise error_of(answer)
        if not isinstance(answer, Attached):
            raise RemoteProtocolError("the agent did not say whether we are in")
        self._check(answer, invited)
        return self._keep(answer, session, opened, private_bytes(key))

    async def _read(self, session: str) -> tuple[OpenedSession, Invitation]:
        """What the session's records say: who opened it with which agent, and the invitation that is ours."""
        records = [decode_record(one.record) for one in await self.api.records(session)]
        ca_line = self.credential.certificate.ca_line
        if not records or records[0].session != session:
            raise VerificationError("the relay shows no opening of this session", where=session)
        opened = check_opening(records[0], ca_line=ca_line)
        own, found = certificate_fingerprint(self.credential.certificate.line), None
        proven = Proven.at_opening(opened.technician, opened.statement.agent_host_key)
        for record in records:
            proven, invitation = proven.after(record), proven.invitation(record)
            if record.code == SECOND_ADMITTED and invitation is not None:
                found = invitation if certificate_fingerprint(invitation.certificate.line) == own else found
        if found is not None:
            return opened, found
        raise RefusedError(
            "the customer has not let you into this session",
            reason="not-invited",
            advice="Its technician runs: remote-assist share SESSION YOUR-cert.pub (anew for a new certificate).",
        )

    def _check(self, answer: Attached, invited: Invitation) -> None:
        """The agent, too, says who let us in; it must be the invitation we proved ourselves with."""
        if (answer.invitation, answer.signature) != (invited.raw, invited.signature):
            raise VerificationError("the agent let us in by another invitation than ours", where="attach")
        if len(answer.resume) != 32:
            raise RemoteProtocolError("the agent's resume key is malformed")

    def _keep(self, answer: Attached, session: str, opened: OpenedSession, key: bytes) -> SessionFacts:
        folder: SessionFolder = self.home.new_session(session)
        folder.write_keys(key, answer.resume)
        moment_of(answer.ends)
        facts = SessionFacts(
            session=session,
            relay=self.home.identity().relay,
            ticket=opened.statement.ticket,
            subject=opened.statement.subject,
            host_key=opened.statement.agent_host_key,
            host_name=answer.host_name,
            scopes=tuple(grant.scope for grant in answer.grants),
            certificate_fingerprint=self.credential.certificate.key_fingerprint,
            opened=format_time(self.clock()),
            ends=answer.ends,
            certificate_ends=format_time(self.credential.certificate.valid_before),
            part=answer.part,
        )
        folder.write(facts)
        return facts

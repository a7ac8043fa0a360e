"""A second technician: the first asks, the customer lets in, the second proves who they are and is in.

Rule 1: nobody is in without the customer's yes on the consent screen, where both names stand. Rule 2: what the
customer said is acknowledged by the relay before the first technician hears of it, and the second's coming before
they can do anything. Rule 3: a successor is in before their predecessor is out, so that a session is never left alone.
"""

import asyncio
import secrets
from datetime import timedelta

from remote_assist.agent.actions import Action, Ending, share_action
from remote_assist.agent.conversation import Caller, refused
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.people import Expected, Technician
from remote_assist.agent.prompt.asking import share_question
from remote_assist.agent.session import Session
from remote_assist.agent.texts import say
from remote_assist.core.agreements.sharing import Invitation, Part, check_attachment, check_invitation, named_invitation
from remote_assist.core.prompt import ConsentAnswer
from remote_assist.core.record_codes import SECOND_ADMITTED, SECOND_ATTACHED
from remote_assist.core.records import Actor, RecordDraft, Second, format_time
from remote_assist.core.requests import Attach, Attached, Share
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.channel import MessageChannel

PROOF_SECONDS = 20.0
"""How long a newcomer may take to prove who they are."""


class ShareRequests:
    """Executor of Share, and the reception of those who were let in."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def share(self, caller: Caller, request: Share) -> None:
        """Ask the customer whether a second technician may come; Done says what they answered."""
        session = self._session
        second = Second(invitation=request.invitation, signature=request.signature, certificate=request.certificate)
        asker = session.people.by_key(caller.key)
        if asker is None:
            raise RefusedError("you are not in this session any more", reason="transferred")
        invitation = self._checked(second, asker.certificate.key_line)
        session.people.check_room(invitation)

        async def ask(_machine: Machine, running: Running) -> Ending:
            await caller.accept(running)
            return await self._ask(asker, invitation)

        certificate = invitation.certificate
        action = share_action(certificate.line, certificate.name, invitation.part.value)
        performed = await caller.perform(action, ask)
        await caller.finish(performed)

    async def already_in(self, _caller: Caller, _request: Attach) -> None:
        """A proof from somebody who gave one."""
        raise RefusedError("you are in this session already", reason="there")

    async def receive(self, channel: MessageChannel, session_key: str) -> None:
        """One channel of a connection whose key nobody knows: a proof, or nothing."""
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                request = await channel.receive()
            if not isinstance(request, Attach):
                raise RemoteProtocolError("a second technician proves who they are before anything else")
            await channel.send(await self._attach(request, session_key))
        except (TimeoutError, UnreachableError):
            return
        except AssistError as error:
            await self._refuse(channel, error)

    async def _refuse(self, channel: MessageChannel, error: AssistError) -> None:
        session = self._session
        action = Action(code="RA1900", scope="", what=say("what.attach"), program="attach")
        await session.gate.refuse(session.facts.agent, action, error)
        await channel.send(refused(error))

    # --- the customer's yes -----------------------------------------------------------------------

    def _checked(self, second: Second, signer_line: str) -> Invitation:
        facts = self._session.facts
        return check_invitation(
            second,
            session=facts.id,
            host_key=facts.host_key_line,
            signer_line=signer_line,
            ca_line=facts.technician.certificate.ca_line,
            now=self._session.keeper.moment().utc,
            revoked=self._session.lists.revoked,
        )

    async def _ask(self, asker: Technician, invitation: Invitation) -> Ending:
        session = self._session
        now = session.keeper.moment().utc
        scopes = () if invitation.part is Part.OBSERVER else session.people.wishes_of(asker.key)
        question = share_question(
            session.facts.technician,
            session.facts.settings,
            asker=asker.certificate.name,
            newcomer=invitation.certificate.name,
            part=invitation.part,
            scopes=scopes,
            seconds=int((invitation.expires - now).total_seconds()),
            asked=session.facts.asked,
        )
        answer = await session.prompt.consent(question)
        if not answer.welcome:
            why = "timed-out" if answer.timed_out else "denied"
            return Ending(status="denied", reason=why, sentence="the customer did not let them in")
        return await self._expect(asker, invitation, answer)

    async def _expect(self, asker: Technician, invitation: Invitation, answer: ConsentAnswer) -> Ending:
        session = self._session
        now = session.keeper.moment().utc
        draft = RecordDraft(
            code=SECOND_ADMITTED,
            actor=Actor(kind="customer"),
            catalog=invitation.part.value,
            target=invitation.certificate.key_fingerprint,
            sizes={"seconds": answer.seconds},
            second=invitation.record,
        )
        await session.recorded(draft)
        until = min(invitation.expires, now + timedelta(seconds=answer.seconds))
        session.people.expect(Expected(invitation, asker.session_key, answer.scopes, until))
        return Ending(status="done", sentence=f"{invitation.certificate.name} may come in as {invitation.part.value}")

    # --- the second is here -----------------------------------------------------------------------

    async def _attach(self, request: Attach, session_key: str) -> Attached:
        session = self._session
        session.keeper.consent.check_open()
        expected = session.people.take_expected(named_invitation(request.attachment), session.keeper.moment().utc)
        try:
            invitation = self._checked_again(expected)
            check_attachment(
                request.attachment,
                request.signature,
                invitation,
                session=session.facts.id,
                host_key=session.facts.host_key_line,
                session_key=session_key,
            )
            return await self._let_in(expected, request, session_key)
        except BaseException:
            session.people.expect(expected)  # whoever failed here was somebody else, or the relay is away
            raise

    def _checked_again(self, expected: Expected) -> Invitation:
        inviter = self._session.people.technician(expected.inviter)
        return self._checked(expected.invitation.record, inviter.certificate.key_line)

    async def _let_in(self, expected: Expected, request: Attach, session_key: str) -> Attached:
        session, invitation = self._session, expected.invitation
        inviter = session.people.technician(expected.inviter)
        part = Part.OBSERVER if invitation.part is Part.OBSERVER else Part.ACTIVE
        newcomer = Technician(
            invitation.certificate, session_key, secrets.token_bytes(32), part=part, until=expected.until
        )
        proven = Second(
            invitation=invitation.raw,
            signature=invitation.signature,
            certificate=invitation.certificate.line,
            attachment=request.attachment,
            attachment_signature=request.signature,
        )
        draft = RecordDraft(
            code=SECOND_ATTACHED,
            actor=newcomer.actor,
            catalog=invitation.part.value,
            target=newcomer.actor.key,
            second=proven,
        )
        await session.recorded(draft)
        grants = await session.granting.grant_second(newcomer, expected.scopes)
        before = session.people.holder(newcomer.certificate)  # who watched may come again, to act
        session.people.join(newcomer)
        if before is not None:
            await session.leave_out(before, "you came again, with another key")
        session.prompt.show(say(f"live.joined-{part.value}", name=newcomer.certificate.name))
        if invitation.part is Part.SUCCESSOR:
            await session.leave_out(inviter, f"the session was handed over to {newcomer.certificate.name}")
        return Attached(
            resume=newcomer.resume_key,
            invitation=invitation.raw,
            signature=invitation.signature,
            inviter=inviter.certificate.line,
            part=part.value,
            grants=grants,
            ends=format_time(newcomer.until),
            host_name=session.facts.host_name,
        )

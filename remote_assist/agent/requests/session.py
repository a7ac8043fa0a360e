"""Requests about the session itself: ask the customer for more, say what is granted, end.

Rule: more is granted only by the customer's answer, on the same screen as the first time.
"""

import msgspec

from remote_assist.agent.actions import Ending, scopes_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.prompt.asking import MAX_REASON_CHARS, consent_question, offered_scopes
from remote_assist.agent.session import Session
from remote_assist.agent.shelf import Shelf
from remote_assist.core.consent import State
from remote_assist.core.requests import AskStatus, Done, EndSession, RequestScopes, Status
from remote_assist.core.wishes import parse_wishes
from remote_assist.errors import ContentError, RefusedError

MAX_WISHES = 32
"""Most wishes one question to the customer can hold and still be read."""


class SessionRequests:
    """Executors that act on the session. None of them touches the machine."""

    def __init__(self, session: Session, shelf: Shelf) -> None:
        self._session = session
        self._shelf = shelf

    async def request_scopes(self, caller: Caller, request: RequestScopes) -> None:
        """Ask the customer; Done says what they allowed, or that they did not."""
        offered = offered_scopes(_wishes(request.scopes[:MAX_WISHES]))
        if not offered or request.seconds < 1:
            raise RefusedError("nothing that can be granted was asked for", reason="out-of-scope")
        reason = request.reason[:MAX_REASON_CHARS]

        async def ask(_machine: Machine, running: Running) -> Ending:
            await caller.accept(running)
            return await self._ask(caller.key, offered, request.seconds, reason)

        performed = await caller.perform(scopes_action(offered, request.seconds, reason), ask)
        await caller.finish(performed)

    async def status(self, caller: Caller, _request: AskStatus) -> None:
        """What is granted now. Not an action."""
        session = self._session
        await caller.answer(
            Status(
                session=session.facts.id,
                ticket=session.facts.technician.statement.ticket,
                grants=session.people.grants_of(caller.key),
                ends=session.people.ends_for(caller.key),
                host_name=session.facts.host_name,
                recorded=session.journal.head[0] + 1,
                paused=session.keeper.consent.state is State.PAUSED,
                technicians=session.people.participants() or msgspec.UNSET,
            )
        )

    async def end(self, caller: Caller, request: EndSession) -> None:
        """End for everybody; Done carries the relay's acknowledgement of the end record when it came in time."""
        session = self._session
        session.people.check_acting(caller.key)
        deadline = session.facts.settings.acknowledgement_deadline_seconds
        try:
            acknowledgement = await session.end.for_technician(
                caller.actor, request.reason[:MAX_REASON_CHARS], deadline
            )
            sentence = "" if acknowledgement else "the relay has not acknowledged the end yet"
            await caller.answer(Done(action="", status="done", sentence=sentence, acknowledgement=acknowledgement))
        finally:
            session.end.leave()

    async def _ask(self, key: str, scopes: tuple[str, ...], seconds: int, reason: str) -> Ending:
        session = self._session
        question = consent_question(
            session.facts.technician,
            session.facts.settings,
            scopes=scopes,
            seconds=seconds,
            further=True,
            reason=reason,
            name=session.people.name_of(key),
            preview=await self._shelf.preview_for(scopes, session.prompt),
            asked=session.facts.asked,
        )
        answer = await session.prompt.consent(question)
        self._shelf.strike(answer.struck)
        if not answer.scopes:
            why = "timed-out" if answer.timed_out else "denied"
            return Ending(status="denied", reason=why, sentence="the customer did not allow it")
        grants = await session.granting.grant(answer, seconds, scopes, key=key)
        allowed = ", ".join(grant.scope for grant in grants)
        return Ending(status="done", sentence=f"the customer allowed {allowed}", sizes={"granted": len(grants)})


def _wishes(texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return parse_wishes(",".join(texts))
    except ContentError as error:
        raise RefusedError(error.message, reason="out-of-scope", advice=error.advice) from error

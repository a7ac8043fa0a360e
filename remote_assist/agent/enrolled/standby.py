"""`standby`: an enrolled machine waits to be called, and answers each call by its standing consent.

    dial /v1/standby → Challenge → StandBy → StandingBy → Called(nameplate) … → a session each, side by side

Rule 1: every session passes the same pairing checks, gate and records as one with a code. Rule 2: a consent that was
taken back or changed to less ends what runs under it within a second, relay or no relay.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from remote_assist.agent.enrolled.holdings import EnrolledHome
from remote_assist.agent.enrolled.standing_prompt import PromptStanding
from remote_assist.agent.join import Calling, answer_call
from remote_assist.agent.recovery import recover
from remote_assist.agent.session import Session
from remote_assist.agent.session_facts import ENDED_BY_CUSTOMER
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.agreements.enrolment import Machine, check_fresh
from remote_assist.core.agreements.standing import allowed
from remote_assist.core.codec import decode, encode
from remote_assist.core.consent import wishes_of
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    Called,
    Challenge,
    Message,
    RelayRefused,
    StandBy,
    StandingBy,
    ToMachine,
)
from remote_assist.core.records import Actor, RecordDraft, join_bytes
from remote_assist.core.resume import wait_seconds
from remote_assist.core.signing import sshsig
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.link import Link

MOST_SESSIONS = 4
"""Sessions of one machine at once; a further call waits for nobody and is not answered."""

LOOK_SECONDS = 0.25
"""How often the standing consent is read while sessions run."""


T = TypeVar("T", bound=Message)


class Standby:
    """One enrolled machine. `say` tells whoever looks at this machine what happens."""

    def __init__(self, around: Surroundings, say: Callable[[str], None]) -> None:
        self._around = around
        self._home = EnrolledHome(around.home.path)
        self._say = say
        self._sessions: dict[Session, PromptStanding] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Wait and answer, until cancelled. Raises UsageError when this machine is not enrolled."""
        machine = self._home.machine()
        self._around.home.prepare()
        await recover(self._around, PromptStanding(self._home, self._around.clock, write_line=self._say))
        watching = asyncio.create_task(self._watch())
        try:
            await self._stay(machine)
        finally:
            watching.cancel()
            for prompt in self._sessions.values():
                prompt.ask_to_end("signal")
            await asyncio.gather(watching, *self._calls, return_exceptions=True)

    async def _stay(self, machine: Machine) -> None:
        failures = 0
        while True:
            try:
                link = await self._around.dial("/v1/standby")
                try:
                    await self._prove(link, machine)
                    failures = 0
                    self._say(f"{machine.id} ({machine.enrolment.name}) waits to be called at {self._around.origin}")
                    await self._answer_calls(link)
                finally:
                    await link.close()
            except (UnreachableError, RefusedError, RemoteProtocolError, TimeoutError) as error:
                self._say(f"not connected: {getattr(error, 'message', 'the relay does not answer')}")
            await asyncio.sleep(wait_seconds(failures, random.random()))  # noqa: S311  # scatter, not a secret
            failures += 1

    async def _prove(self, link: Link, machine: Machine) -> None:
        async with asyncio.timeout(self._around.settings.pairing.handshake_deadline_seconds):
            challenge = await _heard(link, Challenge)
            signed = join_bytes(self._around.origin, machine.id, challenge.nonce)
            signature = sshsig.sign(self._home.enrolment_key(), "standby", signed)
            said = StandBy(version=PROTOCOL_VERSION, signed=self._home.signed(), signature=signature)
            await link.send_text(encode(said))
            await _heard(link, StandingBy)

    async def _answer_calls(self, link: Link) -> None:
        while True:
            called = await _heard(link, Called)
            if len(self._calls) >= MOST_SESSIONS:
                self._say("a further call was not answered: enough sessions run")
                continue
            task = asyncio.create_task(self._answer(called.nameplate))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _answer(self, nameplate: str) -> None:
        prompt = PromptStanding(self._home, self._around.clock, write_line=self._say)
        held: list[Session] = []

        def began(session: Session) -> None:
            held.append(session)
            self._sessions[session] = prompt
            statement = session.facts.technician.statement
            name = session.facts.technician.certificate.name
            prompt.show(f"{name} calls for ticket {statement.ticket}: {', '.join(statement.scopes)}")

        calling = Calling(
            prove=self._home.prove,
            check=lambda technician: check_fresh(technician.certificate, self._around.clock()),
            used=self._used,
            why_not=lambda: prompt.why_not,
            began=began,
        )
        try:
            await answer_call(self._around, nameplate, prompt, calling)
        except AssistError as error:
            self._say(f"the call came to nothing: {error.message} {prompt.why_not}".rstrip())
        finally:
            for session in held:
                self._sessions.pop(session, None)

    def _used(self) -> tuple[RecordDraft, Mapping[str, bytes]]:
        """The record of which consent was used; its signed text is sealed."""
        consent, signed = self._home.standing(), self._home.signed_standing()
        assert consent is not None
        assert signed is not None
        draft = RecordDraft(
            code="RA1711E",
            actor=Actor(kind="customer"),
            catalog=f"standing-consent-{consent.number}",
            target=consent.machine,
        )
        return draft, {"consent": encode(signed)}

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for session in list(self._sessions):
                if session.people.grants_of(session.facts.first.key) and not self._still_allowed(session):
                    self._say(f"session {session.facts.id} ends: what stood was taken back")
                    session.end.now(ENDED_BY_CUSTOMER)

    def _still_allowed(self, session: Session) -> bool:
        """Whether everything granted would be granted now."""
        technician = session.facts.technician
        granted = wishes_of(session.people.grants_of(session.facts.first.key))
        with contextlib.suppress(AssistError):
            wishes, _ = allowed(
                self._home.standing(),
                name=technician.certificate.name,
                asked=granted,
                seconds=1,
                now=self._around.clock(),
            )
            return set(wishes) == set(granted)
        return False


async def _heard(link: Link, kind: type[T]) -> T:
    raw = await link.receive()
    message: object = decode(raw, ToMachine) if isinstance(raw, str) else None  # type: ignore[arg-type]  # a union
    if isinstance(message, RelayRefused):
        raise RefusedError(message.sentence, reason=message.reason, advice=message.advice)
    if not isinstance(message, kind):
        raise RemoteProtocolError(f"the relay sent {type(message).__name__} where {kind.__name__} belongs")
    return message

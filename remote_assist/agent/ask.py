"""`ask`, start to end: the other order. This machine makes the code, shows it, and waits for whoever was told it.

    nameplate → words → shown → a technician takes it (burned here) → verified → consent → the session, as in `join`

Rule 1: the words are made here and leave this machine by the customer's mouth only; the relay gave the number.
Rule 2: one technician, one guess: whoever came, the code on the screen is worth nothing afterwards.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from remote_assist.agent.join import Host, helped, known_relay, new_attempt, ready
from remote_assist.agent.pairing_attempt import ASK_ANEW, Attempt
from remote_assist.agent.prompt.code_screen import Offer
from remote_assist.agent.session import Session
from remote_assist.agent.surroundings import Surroundings
from remote_assist.agent.texts import say
from remote_assist.core.chat import checked_line
from remote_assist.core.codec import decode
from remote_assist.core.codes import new_code
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.messages import NameplateAssigned, RelayRefused, Rendezvous
from remote_assist.core.prompt import Prompt
from remote_assist.errors import ConsentDenied, RefusedError, RemoteProtocolError, UnreachableError
from remote_assist.transport.link import Link

CODE_ENTROPY_BYTES = 8

Offering = Callable[[Offer], Awaitable[None]]
"""Shows a code until it is cancelled. Returning means that the customer takes the code back."""


async def ask(
    around: Surroundings,
    prompt: Prompt,
    offering: Offering,
    *,
    ca_line: str | None,
    message: str = "",
    began: Callable[[str], None] = lambda session: None,
) -> int:
    """Make a code, wait for a technician, let them help until the session ends; answer the exit code.

    `message` is the first line of the session's chat, said once the customer has allowed something; `began` is told the
    session's id then. Raises CodeBurned, RefusedError, ConsentDenied, UnreachableError, VerificationError; then no
    session was. UsageError for a message no chat takes.
    """
    line = checked_line(message) if message else ""
    await ready(around, prompt)
    known, host = known_relay(around, ca_line), Host.new(around)
    if refusal := around.home.attempts(around.settings.pairing).refuses(around.clock()):
        raise refusal
    prompt.show(say("code.connecting", relay=around.origin))
    link = await _dial(around)
    try:
        assigned = await _assigned(around, link)
        code = new_code(assigned.nameplate, around.entropy(CODE_ENTROPY_BYTES))
    except BaseException:
        await link.close()
        raise
    seconds = max(1, min(assigned.seconds, around.settings.pairing.code_lifetime_seconds))
    limits = dataclasses.replace(around.settings.pairing, code_lifetime_seconds=seconds)
    attempt = new_attempt(around, code, link, known, host, limits=limits, made_here=True)

    async def granted(session: Session) -> None:
        began(session.facts.id)
        if line:
            await session.chat.said_here(line)

    def pairing() -> Awaitable[VerifiedTechnician]:
        return _taken(attempt, offering, Offer(code, seconds))

    return await helped(around, link, attempt, host, prompt, pairing, granted=granted)


async def _taken(attempt: Attempt, offering: Offering, offer: Offer) -> VerifiedTechnician:
    """Whoever took the code, verified; the customer may take it back meanwhile. Raises ConsentDenied."""
    showing = asyncio.ensure_future(offering(offer))
    pairing = asyncio.create_task(attempt.run(lambda: None))
    try:
        await asyncio.wait({showing, pairing}, return_when=asyncio.FIRST_COMPLETED)
        if pairing.done():
            return pairing.result()
        showing.result()
        await attempt.take_back()
        raise ConsentDenied("you took the code back; nothing was done", reason="taken-back", advice=ASK_ANEW)
    finally:
        for task in (showing, pairing):
            task.cancel()
        await asyncio.gather(showing, pairing, return_exceptions=True)


async def _dial(around: Surroundings) -> Link:
    try:
        return await around.dial("/v1/ask")
    except RefusedError as error:
        if error.reason != "absent":
            raise
        raise RefusedError(
            "this relay is older and gives customers no codes of their own",
            reason="not-offered",
            advice="Ask your support for a code, and type it at `remote-assist join`.",
        ) from error


async def _assigned(around: Surroundings, link: Link) -> NameplateAssigned:
    try:
        async with asyncio.timeout(around.settings.pairing.handshake_deadline_seconds):
            raw = await link.receive()
    except TimeoutError as error:
        raise UnreachableError("the relay gave no support code in time") from error
    if isinstance(raw, bytes):
        raise RemoteProtocolError("a binary message before anybody came")
    said: object = decode(raw, Rendezvous)  # type: ignore[arg-type]  # a union of tagged structs
    if isinstance(said, RelayRefused):
        raise RefusedError(said.sentence, reason=said.reason, advice=said.advice)
    if not isinstance(said, NameplateAssigned):
        raise RemoteProtocolError(f"the relay said {type(said).__name__} where a number belongs")
    return said

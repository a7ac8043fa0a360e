"""A request for one picture of the customer's screen: they are asked each time, and nobody else can say yes.

Rule 1: the picture is taken after the yes, once. Rule 2: it goes to the technician and nowhere else.
"""

import asyncio
import hashlib

from remote_assist.agent.actions import Ending, screenshot_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.session import Session
from remote_assist.agent.texts import say
from remote_assist.core.hostile import HostileStr
from remote_assist.core.picture.png import Picture, encode_png
from remote_assist.core.prompt import PlanQuestion
from remote_assist.core.requests import MAX_PICTURE_BYTES, TakeScreenshot
from remote_assist.errors import ConsentDenied, RefusedError

PIECE_BYTES = 128 << 10


class ScreenRequests:
    """Executor of TakeScreenshot."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, caller: Caller, _request: TakeScreenshot) -> None:
        """Ask, take, send."""
        if caller.ground.machine is not None:
            raise RefusedError("pictures are taken of the customer's own screen only", reason="no-such-door")

        async def work(machine: Machine, running: Running) -> Ending:
            await self._ask()
            running.require()
            png = await asyncio.to_thread(_packed, await machine.picture())
            await caller.accept(running, size=len(png))
            for at in range(0, len(png), PIECE_BYTES):
                await running.go_on()
                await caller.channel.send_data(png[at : at + PIECE_BYTES])
            digest = hashlib.sha256(png).hexdigest()
            sizes = {"bytes": len(png)}
            return Ending(size=len(png), sha256=digest, sizes=sizes, sealed={"sha256": digest.encode()})

        await caller.finish(await caller.perform(screenshot_action(), work))

    async def _ask(self) -> None:
        facts = self._session.facts
        question = PlanQuestion(
            title=HostileStr(facts.technician.certificate.name),
            consent=HostileStr(""),
            steps=(),
            digest="",
            risk="",
            deadline_seconds=facts.settings.pairing.consent_deadline_seconds,
            screen=True,
        )
        if not await self._session.prompt.allow_plan(question):
            raise ConsentDenied(
                "the customer did not allow this picture", reason="denied", advice="Speak with the customer first."
            )
        self._session.prompt.show(say("screen.taken"))


def _packed(picture: Picture) -> bytes:
    """As PNG of at most `MAX_PICTURE_BYTES`: a busy screen loses detail rather than being refused."""
    while len(png := encode_png(picture)) > MAX_PICTURE_BYTES:
        picture = picture.halved()
    return png

"""A customer who asks for help at a real relay, and what their program shows."""

import asyncio

from remote_assist.agent.ask import ask
from remote_assist.agent.prompt.code_screen import Offer
from remote_assist.core.codes import SupportCode
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import AssistError
from tests.agent.world import AgentWorld

PATIENCE_SECONDS = 20.0


class Asking:
    """A customer who asks, and what their program shows."""

    def __init__(self, world: AgentWorld, message: str = "") -> None:
        self.shown: asyncio.Future[Offer] = asyncio.get_running_loop().create_future()
        self.back = asyncio.Event()
        self.wiped = False
        self.sessions: list[str] = []
        ca_line = public_line(world.relay.organisation.ca) if world.knows_ca else None
        self.task = asyncio.create_task(
            ask(world.around, world.customer, self._offer, ca_line=ca_line, message=message, began=self.sessions.append)
        )

    async def _offer(self, offer: Offer) -> None:
        self.shown.set_result(offer)
        try:
            await self.back.wait()
        finally:
            self.wiped = True

    async def code(self) -> SupportCode:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await self.shown).code

    async def failed(self) -> AssistError:
        """How it came to nothing."""
        await asyncio.wait({self.task}, timeout=PATIENCE_SECONDS)
        error = self.task.exception()
        assert isinstance(error, AssistError), error
        return error

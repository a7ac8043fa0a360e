"""Technician and customer in this process, with an evil relay between them and an honest one."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remote_assist.agent.ask import ask
from remote_assist.agent.join import join
from remote_assist.agent.keeper import system_moment
from remote_assist.agent.memory import AgentHome
from remote_assist.agent.prompt.code_screen import Offer
from remote_assist.agent.prompt.unattended import PromptUnattended
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.attempts import AttemptMemory
from remote_assist.core.codes import SupportCode
from remote_assist.core.consent import Moment
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion
from remote_assist.errors import AssistError
from remote_assist.settings import AgentSettings, PairingSettings, TechnicianSettings
from remote_assist.technician.desk import Desk
from remote_assist.technician.invite import Invitation
from tests.faults.evil_relay import EvilRelay, honest
from tests.scenarios.world import SCOPES, World, free_port

EVERYTHING = tuple(SCOPES.split(","))
PATIENCE_SECONDS = 20.0


class Customer(PromptUnattended):
    """Says yes to everything verified, and remembers what was asked and shown."""

    def __init__(self, wishes: tuple[str, ...] = EVERYTHING) -> None:
        super().__init__(wishes, 1800, write_line=self._remember)
        self.asked: list[ConsentQuestion] = []
        self.shown: list[str] = []

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        self.asked.append(question)
        return await super().consent(question)

    def _remember(self, line: str) -> None:
        self.shown.append(line)


@dataclass
class Parties:
    """One organisation whose relay lies. A fresh customer home for each test."""

    world: World
    evil: EvilRelay
    folder: Path
    customer: Customer = field(default_factory=Customer)
    joining: "asyncio.Task[int] | None" = None
    evil_session: str = ""
    """The session an attack on a socket is about."""
    limits: dict[str, Any] = field(default_factory=dict)
    """What else the agent's settings say."""
    moment: Callable[[], Moment] = system_moment
    """The agent's clocks."""
    wishes: tuple[str, ...] = EVERYTHING
    """What is asked for."""

    def desk_settings(self) -> TechnicianSettings:
        return TechnicianSettings(home=self.world.folder / "alice-home", relay_url=self.world.relay_url)

    @property
    def customer_home(self) -> Path:
        return self.folder / "customer-home"

    def join(self, code: SupportCode, *, deadline_seconds: float = 2.0) -> "asyncio.Task[int]":
        """Start the customer's agent. `deadline_seconds`: how long it waits for an acknowledgement."""
        around = self._around(deadline_seconds)
        self.joining = asyncio.create_task(join(around, code, self.customer, ca_line=self._ca_line))
        return self.joining

    async def ask(self, *, deadline_seconds: float = 2.0) -> "tuple[asyncio.Task[int], SupportCode]":
        """The other order: start the customer's agent, which makes a code."""
        shown: asyncio.Future[SupportCode] = asyncio.get_running_loop().create_future()

        async def offering(offer: Offer) -> None:
            shown.set_result(offer.code)
            await asyncio.Event().wait()

        around = self._around(deadline_seconds)
        asking = self.joining = asyncio.create_task(ask(around, self.customer, offering, ca_line=self._ca_line))
        return asking, await asyncio.wait_for(shown, PATIENCE_SECONDS)

    def attempts(self) -> AttemptMemory:
        """What the customer's agent remembers of codes."""
        return AgentHome(self.customer_home).attempts(PairingSettings())

    @property
    def _ca_line(self) -> str:
        return (self.world.folder / "org" / "ca.pub").read_text().strip()

    def _around(self, deadline_seconds: float) -> Surroundings:
        settings = AgentSettings(
            home=self.customer_home,
            relay_url=self.world.relay_url,
            acknowledgement_deadline_seconds=deadline_seconds,
            **self.limits,
        )
        return Surroundings(
            settings=settings,
            home=AgentHome(self.customer_home),
            origin=self.world.relay_url,
            moment=self.moment,
            entropy=secrets.token_bytes,
        )

    async def invite(self, desk: Desk) -> Invitation:
        ticket = await desk.new_ticket("Web server does not start")
        return await desk.invite(ticket, self.wishes, 1800)

    async def session(self, desk: Desk, *, deadline_seconds: float = 2.0) -> str:
        """Pair while the relay is honest; answer the session."""
        invitation = await self.invite(desk)
        self.join(invitation.code, deadline_seconds=deadline_seconds)
        return await asyncio.wait_for(invitation.paired(), PATIENCE_SECONDS)

    async def leave(self) -> None:
        """The customer goes home."""
        self.evil.tamper = honest
        self.evil.take_over.clear()
        self.customer.ask_to_end("customer")
        if self.joining is not None:
            with contextlib.suppress(AssistError, TimeoutError):
                await asyncio.wait_for(self.joining, PATIENCE_SECONDS)


@contextlib.contextmanager
def lying_world(folder: Path) -> Iterator[tuple[World, EvilRelay]]:
    """A founded organisation, an honest relay, an evil one before it, Alice logged in through it."""
    world = World(folder, front_port=free_port())
    try:
        world.take_organisation()
        with EvilRelay(world.front_port, f"http://127.0.0.1:{world.port}") as evil:
            world.serve()
            world.login()
            yield world, evil
    finally:
        world.close()


@contextlib.asynccontextmanager
async def opened(parties: Parties) -> AsyncIterator[Desk]:
    """Alice's desk; whatever happens, the customer is gone afterwards."""
    async with await Desk.open(parties.desk_settings()) as desk:
        try:
            yield desk
        finally:
            await parties.leave()

"""A relay whose tickets are in a small tracker, with a technician logged in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from remote_assist.core.api import Deliveries, NewNote, Ticket
from remote_assist.core.messages import Acknowledged
from remote_assist.core.records import Outcome
from remote_assist.settings import TicketRules, TicketSystemSettings
from tests.relay.world import Agent, Person, RelayWorld
from tests.tickets.small_tracker import TOKEN, SmallTracker, small_tracker

PATIENT_SECONDS = 60.0


class Linked:
    """A relay whose tickets are in a small tracker."""

    def __init__(self, world: RelayWorld, tracker: SmallTracker, alice: Person, token: str, credential: Path) -> None:
        self.world = world
        self.alice = alice
        self.tracker = tracker
        self.token = token
        self.credential = credential

    async def session(self, ticket: str) -> Agent:
        await self.world.get(f"/v1/tickets/{ticket}", Ticket, self.token)
        agent = self.world.agent(self.alice, ticket)
        await agent.open()
        return agent

    async def until(self, held: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENT_SECONDS):
            while not held():
                await asyncio.sleep(0.02)

    async def outbox(self, state: str = "all") -> Deliveries:
        return await self.world.get(f"/v1/outbox?state={state}", Deliveries, self.token)

    async def empty(self) -> None:
        async with asyncio.timeout(PATIENT_SECONDS):
            while (await self.outbox()).deliveries:
                await asyncio.sleep(0.02)

    async def note(self, ticket: str, text: str, **more: Any) -> None:
        body = NewNote(text=text, key=text[:40], **more)
        status, raw = await self.world.call("POST", f"/v1/tickets/{ticket}/notes", body, token=self.token)
        assert status == 201, raw


@asynccontextmanager
async def linked_world(folder: Path, *, rules: TicketRules | None = None, **system: Any) -> AsyncIterator[Linked]:
    """The tracker and the relay on it; `system` and `rules` change its tables of the settings file."""
    credential = folder / "rt.token"
    credential.write_text(TOKEN)
    credential.chmod(0o600)
    async with small_tracker() as tracker:
        table = TicketSystemSettings(
            "request-tracker", tracker.url, credential, **{"digest_seconds": 30, "deadline_seconds": 5, **system}
        )
        rules = rules or TicketRules(settle_seconds=0.05, most_attempts=4)
        async with RelayWorld(folder, ticket_systems={"rt": table}, ticket_rules=rules) as world:
            alice, token = await world.technician()
            yield Linked(world, tracker, alice, token, credential)


async def acted(agent: Agent, count: int = 1) -> None:
    """So many listings, each an intent and an outcome."""
    for _ in range(count):
        action = str(agent.seq)
        answer = await agent.append(
            agent.record("RA1200I", action=action, scope="files:read", paths=("/etc",)),
            agent.record("RA1200O", action=action, outcome=Outcome(status="done")),
        )
        assert isinstance(answer, Acknowledged)


async def ended(agent: Agent) -> None:
    assert isinstance(await agent.append(agent.ending()), Acknowledged)

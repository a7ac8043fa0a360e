"""A session for Pilot tests in which nothing is played but the customer: the app over its real desk, a real relay on
loopback, a real agent that acts on this machine.

Nothing here waits for a time to pass: `see`, `until` and `gone` wait for what is meant.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from textual.events import Key, Paste
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import Screen

from remote_assist.core.codes import parse_code
from remote_assist.core.signing.reviewer_keys import reviewer_public
from remote_assist.technician.desk import Desk
from remote_assist.technician.tui_settings import TuiSettings
from remote_assist.tui.app import DEFAULTS, AssistApp
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, Translate
from tests.agent.asking import Asking
from tests.agent.world import ALL_SCOPES, REVIEWER_PRIVATE, AgentWorld, Customer, TechnicianHalf
from tests.relay.world import RelayWorld
from tests.scenarios.world import TakenPort
from tests.technician.conftest import Technician
from tests.tui.stage import WIDE, visible_text

T = TypeVar("T", bound=Screen)  # type: ignore[type-arg]  # any screen

PATIENCE_SECONDS = 60.0
"""How long a machine under load may take for one thing."""
LOOK_SECONDS = 0.02
POLL_SECONDS = 0.5
SUBJECT = "Web server does not start"


class RealWorld:
    """One technician, one customer, one relay, all in this process; they meet on sockets only."""

    def __init__(self, relay: RelayWorld, folder: Path, technician: Technician, half: TechnicianHalf) -> None:
        self.relay = relay
        self.folder = folder
        self.technician = technician
        self.agent = AgentWorld(relay, folder, half)
        self.downloads = technician.settings.home / "collected"
        self._agents: list[asyncio.Task[int]] = []

    @property
    def customer(self) -> Customer:
        return self.agent.customer

    @property
    def session(self) -> str:
        return self.agent.technician.session

    async def desk(self) -> Desk:
        return await self.technician.desk()

    def join(self, code: str) -> None:
        """The customer types the code."""
        self._agents.append(self.agent.join(parse_code(code)))

    async def ask(self, message: str = "") -> str:
        """The customer asks; answers the code they read out."""
        asking = Asking(self.agent, message)
        self._agents.append(asking.task)
        return str(await asking.code())

    async def begin(self, scopes: tuple[str, ...] = ALL_SCOPES, seconds: int = 600) -> str:
        """A session that is up, made as the screens make it; answers its id."""
        async with await self.desk() as desk:
            ticket = await desk.new_ticket(SUBJECT)
            invitation = await desk.invite(ticket, scopes, seconds)
            self._agents.append(self.agent.join(invitation.code))
            self.agent.technician.session = await invitation.paired()
            return self.session

    async def close(self) -> None:
        """The customer ends what still runs."""
        self.customer.press_end()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*self._agents, return_exceptions=True)


class RealStage:
    """The app as a technician sees it."""

    def __init__(self, app: AssistApp, pilot: Pilot[None], world: RealWorld) -> None:
        self.app = app
        self.pilot = pilot
        self.world = world

    async def press(self, *keys: str) -> None:
        """Press keys as a terminal brings them, without waiting until the program is idle: that it never is here."""
        for key in keys:
            await self._send(Key(_character_to_key(key) if len(key) == 1 else key, key if len(key) == 1 else None))

    async def paste(self, text: str) -> None:
        """Paste as a terminal does."""
        await self._send(Paste(text))

    async def _send(self, event: Key | Paste) -> None:
        event.set_sender(self.app)
        self.app.post_message(event)
        taken = asyncio.Event()
        self.app.call_later(taken.set)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await taken.wait()
            while (under_way := self.app._typed._under_way) is not None and not under_way.done():
                await asyncio.wait({under_way})

    async def write(self, text: str) -> None:
        await self.press(*text)

    async def resize(self, columns: int, rows: int) -> None:
        """The window gets another size."""
        await self.pilot.resize_terminal(columns, rows)

    @property
    def text(self) -> str:
        """What a person sees now, as plain lines."""
        return visible_text(self.app)

    def screen(self, kind: type[T]) -> T:
        """The screen on top, which must be of this kind."""
        assert isinstance(self.app.screen, kind), f"{type(self.app.screen).__name__} is on top"
        return self.app.screen

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{what or 'it'} never came; the screen:\n{self.text}") from None

    async def see(self, *texts: str) -> str:
        """Wait until the screen shows all of these; answers it."""
        await self.until(lambda: all(text in self.text for text in texts), " and ".join(map(repr, texts)))
        return self.text

    async def gone(self, text: str) -> None:
        """Wait until the screen does not show this any more."""
        await self.until(lambda: text not in self.text, f"an end of {text!r}")


@contextlib.asynccontextmanager
async def real_world(folder: Path) -> AsyncIterator[RealWorld]:
    """Relay, a technician who is logged in, a customer's machine."""
    relay = RelayWorld(folder)
    relay.organisation.reviewers_key = reviewer_public(REVIEWER_PRIVATE)
    async with relay:
        technician = Technician(relay, folder, relay.person())
        technician.write_files(technician.person)
        await technician.login()
        token = (await relay.login(technician.person)).token
        world = RealWorld(relay, folder, technician, TechnicianHalf(relay, technician.person, token, ""))
        try:
            yield world
        finally:
            await world.close()


@contextlib.asynccontextmanager
async def real_stage(
    world: RealWorld,
    size: tuple[int, int] = WIDE,
    *,
    session: str = "",
    translate: Translate | None = None,
    settings: TuiSettings = DEFAULTS,
) -> AsyncIterator[RealStage]:
    """The app; `session`: opened there at once."""

    async def open_desk(_: AskPassphrase) -> Desk:
        return await world.desk()

    app = AssistApp(
        open_desk,
        downloads=world.downloads,
        pace=Pace(poll_seconds=POLL_SECONDS),
        session=session,
        translate=translate,
        settings=settings,
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = RealStage(app, pilot, world)
        if session:
            await stage.see("▲ linked", "◉ rec ")
        yield stage


@contextlib.asynccontextmanager
async def at_work(
    folder: Path,
    size: tuple[int, int] = WIDE,
    *,
    scopes: tuple[str, ...] = ALL_SCOPES,
    services: Path | None = None,
    ask_each: bool = False,
    translate: Translate | None = None,
) -> AsyncIterator[RealStage]:
    """The app in a session with everything `scopes` name; `services`: what this machine's services are.

    `ask_each`: the customer wants to be asked about each plan.
    """
    async with real_world(folder) as world:
        world.agent.services, world.agent.ask_each = services, ask_each
        session = await world.begin(scopes)
        async with real_stage(world, size, session=session, translate=translate) as here:
            yield here


@contextlib.contextmanager
def taken_port(folder: Path) -> Iterator[TakenPort]:
    """A service that cannot start, for its port is held by another: real processes, a known issue, a fix."""
    trouble = TakenPort.provoke(folder / "services")
    try:
        yield trouble
    finally:
        trouble.close()

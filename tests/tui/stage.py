"""A stage for Pilot tests: the real app over a `World`, its visible text, and pictures that never lie."""

import contextlib
import io
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from remote_assist.technician.tui_settings import TuiSettings
from remote_assist.tui.app import DEFAULTS, AssistApp
from remote_assist.tui.job import Job
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import Translate
from tests.tui.world import World, WorldRecordings

NEVER = 3600.0
"""Timers of screens under test do not run; tests look by hand."""

NARROW, WIDE = (80, 24), (160, 48)
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS"

T = TypeVar("T", bound=Screen)  # type: ignore[type-arg]  # any screen


class Stage:
    """One running app."""

    def __init__(self, app: AssistApp, pilot: Pilot[None], world: World) -> None:
        self.app = app
        self.pilot = pilot
        self.world = world

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def write(self, text: str) -> None:
        await self.press(*((sign == " " and "space") or sign for sign in text))

    async def settle(self) -> None:
        """Wait until nothing is under way but what the world holds back."""
        for _ in range(4):
            await self.pilot.pause()
            waiting = [worker for worker in self.app.workers if worker.is_running and worker.name not in self._held]
            if waiting:
                await self.app.workers.wait_for_complete(waiting)
        await self.pilot.pause()

    @property
    def _held(self) -> set[str]:
        busy = (
            set()
            if self.world.hold.is_set()
            else {Job.COLLECT.value, Job.RUN.value, Job.APPLY.value, Job.MOVE.value, Job.CALL.value}
        )
        silent = set() if self.world.answers.is_set() else {Job.STATUS.value}
        silent |= set() if self.world.takes_lines.is_set() else {Job.SAY.value}
        return busy | silent | {Job.PAIRING.value, Job.ACCEPT.value, Job.CHAT.value, Job.TERMINAL.value}

    def screen(self, kind: type[T]) -> T:
        """The screen on top, which must be of this kind."""
        assert isinstance(self.app.screen, kind), f"{type(self.app.screen).__name__} is on top"
        return self.app.screen

    @property
    def text(self) -> str:
        """What a person sees, as plain lines."""
        return visible_text(self.app)

    def picture(self) -> str:
        """The screen as SVG without what differs from run to run."""
        for field in self.app.screen.query(Input):
            field.cursor_blink = False
        drawn = re.sub(r"terminal-\d+", "terminal", self.app.export_screenshot(title="remote-assist"))
        used = set(re.findall(r'class="(terminal-r\d+)"', drawn))  # a style nothing is drawn in may come and go
        return re.sub(r"\.(terminal-r\d+) \{[^}]*\}\n", lambda rule: rule[0] if rule[1] in used else "", drawn)

    async def pictures(self, name: str) -> None:
        """The screen at both sizes, one after the other, as `compare`; afterwards it has its own size again."""
        own = self.app.size
        for size in (NARROW, WIDE, own):
            await self.pilot.resize_terminal(*size)
            await self.settle()
            if size != own or own in {NARROW, WIDE}:
                self.compare(name)

    def compare(self, name: str) -> None:
        """The picture must be the stored one; UPDATE_SNAPSHOTS=1 stores it."""
        path = SNAPSHOTS / f"{name}-{self.app.size.width}x{self.app.size.height}.svg"
        picture = self.picture()
        if os.environ.get(UPDATE) == "1":
            path.write_text(picture)
            return
        assert path.exists(), f"no picture {path.name}; look at the screen, then store it with {UPDATE}=1"
        if path.read_text() != picture:
            seen = Path(os.environ.get("TMPDIR", "/tmp")) / path.name
            seen.write_text(picture)
            raise AssertionError(f"{path.name} looks different now; see {seen}, store it with {UPDATE}=1\n{self.text}")


def visible_text(app: AssistApp) -> str:
    """What a person sees, as plain lines."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True, record=True, legacy_windows=False
    )
    screens = app._background_screens
    console.print(app.screen._compositor.render_update(full=True, screen_stack=screens))
    return console.export_text()


@contextlib.asynccontextmanager
async def stage(
    world: World,
    size: tuple[int, int] = NARROW,
    *,
    session: str = "",
    translate: Translate | None = None,
    settings: TuiSettings = DEFAULTS,
    home: Path | None = None,
) -> AsyncIterator[Stage]:
    pace = Pace(clock=world.clock, stopwatch=lambda: 0.0, poll_seconds=NEVER, tick_seconds=NEVER)
    app = AssistApp(
        world.open,
        downloads=world.downloads,
        pace=pace,
        session=session,
        translate=translate,
        settings=settings,
        home=home,
        open_recordings=lambda: WorldRecordings(world),
    )
    async with app.run_test(size=size, notifications=True) as pilot:
        stage = Stage(app, pilot, world)
        await stage.settle()
        yield stage

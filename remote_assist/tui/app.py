"""The program `remote-assist tui`: theme, palette, the first screen. Composition of the TUI, nothing else."""

import asyncio
import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.events import Click, Event, Key, Paste
from textual.screen import ModalScreen, Screen

from remote_assist.errors import AssistError, Exit
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.translation import translate
from remote_assist.technician.tui_settings import TuiSettings, TuiState, read_settings, read_state, write_state
from remote_assist.tui.focus import takes_every_key
from remote_assist.tui.garbage import QUIET_SECONDS, QuietCollector
from remote_assist.tui.hangup import end_on_hang_up
from remote_assist.tui.inks import Inks
from remote_assist.tui.messages import (
    Attention,
    JobFailed,
    LeaveSession,
    LiveSessionsSeen,
    OpenSession,
    PassphraseWanted,
    SwitchSession,
    ViewChosen,
)
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, DeskPort, OpenDesk, OpenRecordings, Translate
from remote_assist.tui.problem import Problem
from remote_assist.tui.roster import Roster
from remote_assist.tui.screens.browse import BrowseScreen
from remote_assist.tui.screens.forms import PassphraseScreen
from remote_assist.tui.screens.help import HelpScreen
from remote_assist.tui.screens.overview import OverviewScreen
from remote_assist.tui.screens.tickets import TicketsScreen
from remote_assist.tui.theme import THEMES, inks
from remote_assist.tui.typed import TypedAhead
from remote_assist.tui.widgets.lines import PRESSES
from remote_assist.tui.work import Work, post

WIDE_COLUMNS = 100
"""From this width on, lists and details stand side by side."""


LATER = ("remote_assist.tui.screens.ticket", "remote_assist.tui.screens.session")
"""Screens nobody needs to see the first one: loaded when that one shows its tickets."""

OVERVIEW = "overview"
"""The name of the screen that shows all sessions; those of the sessions are their ids."""

DEFAULTS = TuiSettings()

SWITCH_SECONDS = 0.0005
"""How soon the screens get their turn from a thread that evaluates a bundle or writes a file: the default of 5 ms would
be added several times between a key and what it shows."""

NO_PASSPHRASE = Problem("your key stays locked: no passphrase was given", "Try again when you have it at hand.")

VIM_KEYS = {
    "j": "down",
    "k": "up",
    "h": "left",
    "l": "right",
    "g": "home",
    "G": "end",
    "ctrl+d": "pagedown",
    "ctrl+u": "pageup",
}
"""What these keys mean wherever nobody types and a screen has no use of its own for them."""


class AssistApp(App[None]):
    """The technician's screens over one desk."""

    CSS_PATH = "assist.tcss"
    TITLE = "remote-assist"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE_COLUMNS, "-wide")]  # noqa: RUF012  # declared so by Textual
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("o", "overview", "sessions"),
        Binding("b", "read('knowledge')", "known issues", show=False),
        Binding("c", "read('bundles')", "compare bundles", show=False),
        Binding("v", "read('review')", "review", show=False),
        *(Binding(key, f"as_key('{means}')", means, show=False) for key, means in VIM_KEYS.items()),
        Binding("ctrl+q", "quit", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        open_desk: OpenDesk,
        *,
        downloads: Path,
        pace: Pace,
        session: str = "",
        translate: Translate | None = None,
        settings: TuiSettings = DEFAULTS,
        home: Path | None = None,
        open_recordings: OpenRecordings | None = None,
    ) -> None:
        super().__init__(ansi_color="NO_COLOR" in os.environ)
        if inks_of := inks(settings.theme):
            self._filters.append(Inks(inks_of))
        self.set_keymap(dict(settings.keys))
        self._settings = settings
        self._home = home
        self._state = read_state(home) if home is not None else TuiState()
        self._restored = home is None
        self._later_loaded = False
        self.animation_level = "none"
        self._work = Work(open_desk, downloads, pace.stopwatch, translate, open_recordings)
        self._pace = pace
        self._roster = Roster()
        self._first_session = session
        self._typed = TypedAhead(self, super().on_event)
        self._garbage = QuietCollector(pace.stopwatch)

    async def on_event(self, event: Event) -> None:
        """Keys and pasted text go through `TypedAhead`, once; all else as Textual has it."""
        if isinstance(event, Key | Paste) and not event.is_forwarded:
            self._garbage.note_key()
            await self._typed.take(event)
        else:
            await super().on_event(event)

    def on_mount(self) -> None:
        theme = THEMES[self._settings.theme]
        self.register_theme(theme)
        self.theme = theme.name
        if not self.is_headless and sys.__stdin__ is not None:
            end_on_hang_up(sys.__stdin__.fileno())
        self.push_screen(TicketsScreen(self._work, self._pace, self._state.view))
        if self._first_session:
            self._show_session(self._first_session)

    async def on_unmount(self) -> None:
        self._typed.drop()
        with contextlib.suppress(AssistError, TimeoutError):
            await self._work.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Inside a remote terminal, keys that leave or open the palette belong to the program there."""
        if action in {"quit", "command_palette", "help", "overview", "read", "as_key"} and takes_every_key(
            self.focused
        ):
            return False
        return super().check_action(action, parameters)

    # --- sessions stay open while other screens are shown -------------------------------------------

    @on(OpenSession)
    def open_session(self, wanted: OpenSession) -> None:
        self._show_session(wanted.session)

    @on(SwitchSession)
    def switch_session(self, wanted: SwitchSession) -> None:
        other = self._roster.beside(wanted.session, wanted.step)
        if other != wanted.session:
            self._show_session(other)

    @on(LiveSessionsSeen)
    def restore(self, seen: LiveSessionsSeen) -> None:
        """Once, after a start: open again what was open when the program was left or died, as far as it lives."""
        if not self._later_loaded:
            self._later_loaded = True
            self.run_worker(self._load_later_screens(), exit_on_error=False)
        if self._restored:
            return
        self._restored = True
        wanted = [session for session in self._state.sessions if session in seen.sessions]
        top = self._first_session or (wanted[-1] if wanted else "")
        for session in [*(one for one in wanted if one != top), top]:
            if session:
                self._show_session(session)

    async def _load_later_screens(self) -> None:
        for name in LATER:
            await asyncio.to_thread(importlib.import_module, name)
        if not self.is_headless:
            self._garbage.begin()
            self.set_interval(QUIET_SECONDS, self._garbage.look)

    @on(PassphraseWanted)
    def ask_passphrase(self, wanted: PassphraseWanted) -> None:
        """On whatever screen the job was asked for; who leaves the question gets its refusal."""

        def unlock(passphrase: str | None) -> None:
            if passphrase is None:
                post(wanted.asker, JobFailed(wanted.job, NO_PASSPHRASE))
            else:
                self._work.remember_passphrase(passphrase.encode())
                wanted.again()

        self.push_screen(PassphraseScreen(wanted.question), unlock)

    @on(Click)
    def press_clicked(self, click: Click) -> None:
        """The words `[y] run` are a button: they press the key."""
        if key := click.style.meta.get(PRESSES):
            self.simulate_key(key)

    @on(ViewChosen)
    def remember_view(self, chosen: ViewChosen) -> None:
        self._remember(view=chosen.view)

    @on(Attention)
    def call_for_attention(self, attention: Attention) -> None:
        """As the technician chose: the bell, or a notice of their own terminal (OSC 9) in our words."""
        if self._settings.notify == "osc9" and self._driver is not None:
            self._driver.write(f"\x1b]9;remote-assist: {attention.words}\x07")
        elif self._settings.notify == "bell":
            self.bell()

    def _remember(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, **changes)
        if self._home is not None:
            write_state(self._home, self._state)

    @on(LeaveSession)
    async def leave_session(self, left: LeaveSession) -> None:
        screen = self.get_screen(left.session)
        self._roster.leave(left.session)
        self._remember(sessions=tuple(one.session for one in self._roster.open))
        if screen in self.screen_stack:
            while self.screen is not screen:
                await self.pop_screen()
            await self.pop_screen()
        self.uninstall_screen(screen)
        await screen.remove()

    def _show_session(self, session: str) -> None:
        """Bring its screen to the top, made when it is the first time; of two sessions one lies on the stack."""
        from remote_assist.tui.screens.session import SessionScreen

        if not self.is_screen_installed(session):
            self._roster.enter(session)
            self._remember(sessions=tuple(one.session for one in self._roster.open))
            self.install_screen(SessionScreen(self._work, self._pace, self._roster, session), session)
        if isinstance(self.screen, OverviewScreen):
            self.pop_screen()
        if not isinstance(self.screen, SessionScreen):
            self.push_screen(session)
        elif self.screen is not self.get_screen(session):
            self.switch_screen(session)

    def action_overview(self) -> None:
        """Kept once it was made: it shows at once what was seen last."""
        if isinstance(self.screen, OverviewScreen | ModalScreen):
            return
        if not self.is_screen_installed(OVERVIEW):
            self.install_screen(OverviewScreen(self._work, self._pace, self._roster), OVERVIEW)
        self.push_screen(OVERVIEW)

    def action_as_key(self, key: str) -> None:
        """Vim's keys move as the arrows do."""
        target = self.focused or self.screen
        target._forward_event(Key(key, None))  # simulate_key would put it behind keys typed since

    def action_read(self, what: str) -> None:
        """Open one of the screens one reads in, unless it is there already."""
        if not isinstance(self.screen, ModalScreen | BrowseScreen):
            self.push_screen(self._reading_screen(what))

    def _reading_screen(self, what: str) -> Screen[None]:
        # each is loaded when it is wanted
        if what == "knowledge":
            from remote_assist.tui.screens.knowledge import KnowledgeScreen

            return KnowledgeScreen(self._work)
        if what == "bundles":
            from remote_assist.tui.screens.compare import BundlesScreen

            return BundlesScreen(self._work)
        if what == "outbox":
            from remote_assist.tui.screens.outbox import OutboxScreen

            return OutboxScreen(self._work)
        from remote_assist.tui.screens.review import ReviewScreen

        return ReviewScreen(self._work, self._pace)

    def action_help(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette lists what the keys of this screen do, also those no line names: nothing has to be remembered."""
        listed: set[str] = set()
        for node, binding, enabled, _ in screen.active_bindings.values():
            named = binding.show or node is screen or binding.action.startswith("read(")
            if named and enabled and binding.description not in listed and binding.action != "command_palette":
                listed.add(binding.description)
                key = self.get_key_display(binding)
                yield SystemCommand(binding.description, f"key {key}", self._runs(node, binding.action))
        if "quit" not in listed:
            yield SystemCommand("quit", "leave; sessions go on", self.exit)

    def _runs(self, node: DOMNode, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.run_action(action, default_namespace=node)

        return run


def _binding_ids() -> Collection[str]:
    """Asked only when somebody chose keys: the answer takes all screens."""
    from remote_assist.tui.bindings import BINDING_IDS

    return BINDING_IDS


def run_tui(
    settings: TechnicianSettings,
    *,
    session: str = "",
    open_desk: OpenDesk | None = None,
    open_recordings: OpenRecordings | None = None,
) -> int:
    """Show the screens until the technician leaves; answer the exit code. `session`: go straight there."""

    async def open_stored_login(ask_passphrase: AskPassphrase) -> DeskPort:
        # SSH and HTTP take half of the start: the first screen is drawn meanwhile
        desk = await asyncio.to_thread(importlib.import_module, "remote_assist.technician.desk")
        opened: DeskPort = await desk.Desk.open(settings, ask_passphrase=ask_passphrase)
        return opened

    sys.setswitchinterval(SWITCH_SECONDS)
    chosen = read_settings(settings.home, _binding_ids)
    app = AssistApp(
        open_desk or open_stored_login,
        downloads=settings.home / "collected",
        pace=Pace(),
        session=session,
        translate=functools.partial(translate, chosen.translate) if chosen.translate else None,
        settings=chosen,
        home=settings.home,
        open_recordings=open_recordings,
    )
    app.run()
    return int(app.return_code or Exit.DONE)

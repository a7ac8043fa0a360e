"""The terminal tab: several terminals of one customer, each going on while another is looked at."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Key
from textual.widgets import ContentSwitcher, Static

from remote_assist.tui.ports import SessionPort
from remote_assist.tui.theme import ACCENT, FAINT
from remote_assist.tui.widgets.lines import keys_line
from remote_assist.tui.widgets.terminal_view import TerminalView
from remote_assist.tui.widgets.text import joined
from remote_assist.tui.work import Work

MAX_TERMINALS = 9


class TerminalsPane(Container, can_focus=True):
    """With no terminal: how to open one. Out of a terminal (^]) the keys are this pane's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "open", "new terminal"),
        Binding("enter", "into", "into it"),
        Binding("tab", "turn(1)", "next terminal"),
        Binding("x", "close", "close it"),
    ]

    def __init__(self, work: Work, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._work = work
        self._session: SessionPort | None = None
        self._count = 0
        self._entering: TerminalView | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="terminal-list", classes="quiet")
        yield Static(
            joined(
                "No terminal is open.\n\n",
                keys_line(("t", "open one")),
                ("\n\nIt runs as the customer's user; everything it shows is recorded.", FAINT),
            ),
            classes="empty",
        )
        yield ContentSwitcher(id="terminals")

    def on_mount(self) -> None:
        self._draw()

    def use(self, session: SessionPort) -> None:
        """Open terminals over this connection from now on; what is open keeps its own."""
        self._session = session

    def focus_list(self) -> None:
        view = self._current
        self.screen.set_focus(view if view is not None and not view.ended else self)

    async def action_open(self) -> None:
        if self._session is None or len(self._views) >= MAX_TERMINALS:
            self.notify("No more terminals can be opened.", severity="warning", markup=False)
            return
        self._count += 1
        view = self._entering = TerminalView(self._work, self._session, self._count)
        await self._switcher.mount(view)
        self._show(view)

    def on_key(self, event: Key) -> None:
        """What is typed before a new terminal has taken the keys is meant for it, and for nothing here."""
        if self._entering is not None:
            if self._entering.has_focus or self._entering.ended:
                self._entering = None
            else:
                self._entering.on_key(event)

    def action_into(self) -> None:
        if self._current is not None:
            self._current.focus()

    def action_turn(self, step: int) -> None:
        if self._current is not None:
            views = self._views
            self._show(views[(views.index(self._current) + step) % len(views)], focus=False)

    async def action_close(self) -> None:
        """Close it at the customer's; one that ended already goes from the list."""
        view = self._current
        if view is None:
            return
        if not view.ended:
            view.close()
            return
        others = [one for one in self._views if one is not view]
        self._switcher.current = None
        await view.remove()
        if others:
            self._show(others[-1], focus=False)
        self._draw()
        self.focus()

    @on(TerminalView.Released)
    def take_keys(self, released: TerminalView.Released) -> None:
        released.stop()
        self._entering = None
        self.focus()

    @on(TerminalView.Over)
    def show_over(self, over: TerminalView.Over) -> None:
        over.stop()
        self._draw()
        if self._current is not None and self._current.ended and self._current.has_focus:
            self.focus()

    def _show(self, view: TerminalView, *, focus: bool = True) -> None:
        self._switcher.current = view.id
        self._draw()
        if focus:
            view.focus()

    def _draw(self) -> None:
        views = self._views
        line = joined(("terminals  ", FAINT))
        for view in views:
            words = f" {view.number} " + ("– " if view.ended else "")
            line.append_text(joined((words, f"bold reverse {ACCENT}" if view is self._current else ACCENT), " "))
        keys = keys_line(("^]", "out"), ("t", "new"), ("tab", "next"), ("x", "close"))
        self.query_one("#terminal-list", Static).update(joined(line, ("   ", ""), keys) if views else "")
        self.query_one(".empty").display = not views
        self._switcher.display = bool(views)

    @property
    def _switcher(self) -> ContentSwitcher:
        return self.query_one("#terminals", ContentSwitcher)

    @property
    def _views(self) -> list[TerminalView]:
        return list(self.query(TerminalView))

    @property
    def _current(self) -> TerminalView | None:
        return next((view for view in self._views if view.id == self._switcher.current), None)

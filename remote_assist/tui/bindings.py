"""The keys HOME/tui.toml may change: every binding of a screen that has an id."""

from textual.binding import Binding

from remote_assist.tui.screens.accept import AcceptScreen
from remote_assist.tui.screens.compare import BundlesScreen
from remote_assist.tui.screens.invite import InviteScreen
from remote_assist.tui.screens.log import LogScreen
from remote_assist.tui.screens.machines import MachinesScreen
from remote_assist.tui.screens.outbox import OutboxScreen
from remote_assist.tui.screens.overview import OverviewScreen
from remote_assist.tui.screens.replay import ReplayScreen
from remote_assist.tui.screens.review import ReviewScreen
from remote_assist.tui.screens.session import SessionScreen
from remote_assist.tui.screens.ticket import TicketScreen
from remote_assist.tui.screens.tickets import TicketsScreen

SCREENS = (
    TicketsScreen,
    TicketScreen,
    InviteScreen,
    AcceptScreen,
    OverviewScreen,
    SessionScreen,
    LogScreen,
    BundlesScreen,
    ReviewScreen,
    OutboxScreen,
    MachinesScreen,
    ReplayScreen,
)

BINDING_IDS = tuple(
    binding.id for screen in SCREENS for binding in screen.BINDINGS if isinstance(binding, Binding) and binding.id
)

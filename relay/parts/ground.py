"""What every part of a relay stands on: settings, clock and dice, store and keys, the door, and who is connected.

    relay/server.py ─▶ Ground ─▶ relay/parts/log.py, relay/parts/tickets.py ─▶ relay/answers.py ─▶ routes

Rule: nothing here does anything; a part takes from it what it needs and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.limits.penalties import Penalties, Tariff
from relay.links.front_door import FrontDoor
from relay.links.lane import Traffic
from relay.links.sockets import OpenSockets
from relay.links.switchboard import Switchboard
from relay.log.keys import LogKeys
from relay.nodes import Nodes
from relay.readiness import Readiness
from relay.storage.store import Store
from relay.trust import TrustFolder
from remote_assist.settings import RelaySettings


@dataclass(frozen=True, slots=True)
class Present:
    """Who is connected to this node, and whether more may come. It is there before the store is open."""

    sockets: OpenSockets
    switchboard: Switchboard
    traffic: Traffic
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class Ground:
    """A relay whose store is open. `address`: how people reach it; `origins`: every name it answers to."""

    settings: RelaySettings
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    origins: tuple[str, ...]
    address: Callable[[], str]
    store: Store
    keys: LogKeys
    trust: TrustFolder
    door: FrontDoor
    nodes: Nodes
    present: Present


def new_penalties(settings: RelaySettings) -> Penalties:
    """Nobody's debts, and the tariff of the settings."""
    return Penalties(
        Tariff(
            unit=timedelta(seconds=settings.penalty_seconds),
            holds=timedelta(seconds=settings.penalty_holds_seconds),
            most=timedelta(seconds=settings.penalty_most_seconds),
            forget=timedelta(seconds=settings.penalty_forget_seconds),
        )
    )

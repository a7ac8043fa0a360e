"""Tickets at a relay, put together: what brings notes onto them, here and in other systems, and what watches them."""

import socket
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass

from relay.log.chains import Chains
from relay.parts.ground import Ground
from relay.ticket_rules import SessionRules
from relay.tickets.alarm_desk import AlarmDesk
from relay.tickets.book import TicketBook
from relay.tickets.courier import Courier
from relay.tickets.desk import TicketDesk
from relay.tickets.outbox import Outbox
from relay.tickets.systems import TicketSystems

LEAST_ALARM_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Delivery:
    """What carries records to tickets: from the log to the book, and from there to other systems."""

    systems: TicketSystems
    courier: Courier
    outbox: Outbox

    def works(self) -> Iterator[Coroutine[None, None, None]]:
        """What runs as long as the relay serves."""
        yield self.outbox.work()
        yield self.courier.work()


@dataclass(frozen=True, slots=True)
class TicketParts:
    """What answers for tickets, and what acts when something happens to one."""

    desk: TicketDesk
    rules: SessionRules
    alarms: AlarmDesk

    def works(self) -> Iterator[Coroutine[None, None, None]]:
        """What runs as long as the relay serves."""
        yield self.alarms.work()
        yield self.rules.watch()


def open_delivery(ground: Ground) -> Delivery:
    """Nothing is sent before its works run."""
    settings, store, clock = ground.settings, ground.store, ground.clock
    systems = TicketSystems(settings.ticket_systems, settings.ticket_rules.default)
    courier = Courier(
        store,
        systems,
        settings.ticket_rules,
        clock=clock,
        owner=f"{socket.gethostname()}:{settings.data.resolve()}",  # the same at every start, nobody else's
        interval_seconds=settings.outbox_interval_seconds,
    )
    outbox = Outbox(
        store,
        clock=clock,
        interval_seconds=settings.outbox_interval_seconds,
        digest_seconds={name: one.digest_seconds for name, one in settings.ticket_systems.items()},
        written=courier.notice,
        several=ground.nodes.several,
    )
    return Delivery(systems, courier, outbox)


def open_tickets(ground: Ground, delivery: Delivery, chains: Chains) -> TicketParts:
    """The desk and what stands around it."""
    settings, store, clock = ground.settings, ground.store, ground.clock
    desk = TicketDesk(
        store,
        TicketBook(store, clock=clock, live=ground.nodes.presence.live),
        delivery.systems,
        delivery.courier,
        chains,
        default=settings.ticket_rules.default,
        clock=clock,
        origin=ground.address,
    )
    rules = SessionRules(
        store, desk, ground.present.switchboard, settings.ticket_rules, settings.ticket_systems, clock=clock
    )
    alarms = AlarmDesk(
        store,
        desk,
        settings.alarm_sources,
        clock=clock,
        origin=ground.address,
        interval_seconds=max(LEAST_ALARM_SECONDS, settings.outbox_interval_seconds),
    )
    return TicketParts(desk, rules, alarms)

"""A relay among others: what it is when it is alone, and what it is as one of several nodes.

shared by all nodes: the database, the log key, the lists         a node's own: sockets, streams, penalties
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete

from relay.bus import Bus
from relay.links import directory, presence
from relay.links.switchboard import Switchboard
from relay.log.keys import LogKeys
from relay.storage.schema import insert_missing, spent_nonces
from relay.storage.store import Store
from remote_assist.core.codes import relay_origin
from remote_assist.core.records import format_time
from remote_assist.core.signing.keys import derived_secret
from remote_assist.errors import RefusedError
from remote_assist.settings import RelaySettings


@dataclass(frozen=True, slots=True)
class Nodes:
    """What the parts of a relay ask about the other nodes. `bus` is None for a relay that is alone."""

    bus: Bus | None
    presence: presence.Presence
    directory: directory.Directory
    nonces: "SharedNonces | None"

    @property
    def several(self) -> bool:
        """Whether other nodes may write too."""
        return self.bus is not None


class SharedNonces:
    """Login nonces that one node gives and another takes: the same secret, and a table of those that came back."""

    def __init__(self, store: Store, keys: LogKeys) -> None:
        self._store = store
        self.secret = derived_secret(keys.current, "login-nonce")

    async def spend(self, nonce: bytes, now: datetime, lifetime: timedelta) -> None:
        """Raise RefusedError `stale` when any node took this nonce before."""

        def job(connection: Connection) -> bool:
            connection.execute(delete(spent_nonces).where(spent_nonces.c.until <= format_time(now)))
            row = {"nonce": nonce, "until": format_time(now + lifetime)}
            return insert_missing(connection, spent_nonces, row)

        if not await self._store.write(job):
            raise RefusedError("this login was used already", reason="stale", advice="Log in again.")


async def join_nodes(
    settings: RelaySettings,
    store: Store,
    switchboard: Switchboard,
    keys: LogKeys,
    *,
    clock: Callable[[], datetime],
) -> Nodes:
    """Take part, as the settings say. Raises UnreachableError when NATS does not answer, UsageError."""
    if not settings.bus:
        return Nodes(None, presence.OneNode(switchboard), directory.OneNode(), None)
    node = relay_origin(settings.node)
    bus = Bus(settings.bus, node, bus_prefix(keys), ca_file=settings.bus_ca)
    await bus.start()
    await bus.hold(directory.node_subject(node), 0, lost=lambda: None)
    return Nodes(
        bus,
        presence.ManyNodes(switchboard, store, bus, node=node),
        directory.ManyNodes(store, bus, node=node, clock=clock),
        SharedNonces(store, keys),
    )


def bus_prefix(keys: LogKeys) -> str:
    """Keeps the relays of several organisations apart that share a NATS server."""
    return f"remote-assist.{keys.first_origin.rpartition('/')[2][:16]}"

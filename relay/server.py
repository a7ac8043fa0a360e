"""One relay, put together: its parts, its port, its background work, its clean end.

start: permissions ─▶ trust ─▶ port ─▶ store ─▶ log whole? ─▶ routes ─▶ `address`
stop: close sockets, finish writing
"""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO, Self

import structlog
from aiohttp import web
from sqlalchemy import Connection

from relay.access import Caller, Tokens
from relay.answers import Parts, answers
from relay.limits.sources import Sources
from relay.limits.strangers import Strangers
from relay.links.front_door import FrontDoor, bind, origins_of, own_address, split_listen
from relay.links.lane import Traffic
from relay.links.sockets import OpenSockets
from relay.links.switchboard import Switchboard
from relay.log.keys import LogKeys
from relay.log.rotation import Rotation
from relay.metrics import Metrics, serve_metrics
from relay.nodes import Nodes, join_nodes
from relay.parts.ground import Ground, Present, new_penalties
from relay.parts.log import LogParts, open_log
from relay.parts.tickets import Delivery, open_delivery, open_tickets
from relay.readiness import Readiness
from relay.routes import build_application
from relay.storage.data_folder import ADDRESS, hold, open_database, replace_file, require_data
from relay.storage.postgres import hold_server
from relay.storage.store import Store
from relay.tls_files import TlsFiles
from relay.trust import TrustFolder
from remote_assist.core.messages import ListGiven, Message, StoreRoom
from remote_assist.core.room import Marks
from remote_assist.errors import AssistError, UnreachableError
from remote_assist.settings import RelaySettings

WATCH_SECONDS = 1.0
"""How often the lists in the data folder are looked at."""

KEEPALIVE_SECONDS = 30.0
SHUTDOWN_SECONDS = 5.0
DRAIN_LOOK_SECONDS = 0.1


class Relay:
    """A relay that serves while its `async with` is open. `address` is its URL."""

    def __init__(
        self,
        settings: RelaySettings,
        *,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        accept_rollback: bool = False,
    ) -> None:
        self.address = ""
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._accept_rollback = accept_rollback
        self._present = Present(
            OpenSockets(),
            Switchboard(entropy=entropy, streams_per_session=settings.streams_per_session),
            Traffic(),
            Readiness(),
        )
        self._log: LogParts | None = None
        self.metrics: Metrics
        self._lock: BinaryIO | None = None
        self._held: Connection | None = None
        self._store: Store | None = None
        self._nodes: Nodes | None = None
        self._delivery: Delivery | None = None
        self._door: FrontDoor | None = None
        self._runner: web.AppRunner | None = None
        self._metrics_runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def log(self) -> LogParts:
        """The parts of its log, once it started."""
        assert self._log is not None
        return self._log

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Check everything, then listen. Raises UsageError, ContentError, VerificationError, UnreachableError."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def drain(self) -> None:
        """Take nothing new and leave load balancers `drain_seconds` to see it; at once when nobody is connected."""
        self._present.readiness.draining = True
        structlog.get_logger("server").info("draining", sockets=len(self._present.sockets))
        for _ in range(math.ceil(self._settings.drain_seconds / DRAIN_LOOK_SECONDS)):
            if not len(self._present.sockets):
                break
            await asyncio.sleep(DRAIN_LOOK_SECONDS)

    async def stop(self) -> None:
        """Take nothing new, tell everybody, finish what is queued, close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._door is not None:
            await self._door.close()
        await self._present.sockets.close_all()
        for runner in (self._runner, self._metrics_runner):
            if runner is not None:
                await runner.cleanup()
        if self._delivery is not None:
            await self._delivery.systems.close()
        if self._nodes is not None and self._nodes.bus is not None:
            await self._nodes.bus.close()
        for push in self._log.pushes if self._log is not None else ():
            await push.close()
        if self._store is not None:
            await self._store.close()
        if self._held is not None:
            await asyncio.to_thread(self._held.close)
        if self._lock is not None:
            self._lock.close()

    async def _start(self) -> None:
        settings = self._settings
        require_data(settings.data, settings.database)
        self._lock = hold(settings.data)
        files = TlsFiles(settings.tls_cert, settings.tls_key)
        tls = files.context
        keys = LogKeys(settings.data)
        trust = TrustFolder(settings.data, keys.current, clock=self._clock)
        listening = bind(settings.host, settings.port, tls=tls is not None)
        try:
            port = listening.getsockname()[1]
            origins = origins_of(settings.host, port, tls=tls is not None, asked=_own_names(settings))
            if settings.database:
                self._held = await asyncio.to_thread(hold_server, settings.database, several=bool(settings.bus))
            self._store = Store(open_database(settings.data, settings.database), min_free_bytes=settings.min_free_bytes)
            door = self._open_door()
            application = await self._assemble(self._store, keys, trust, origins, door)
            self._runner = web.AppRunner(
                application,
                access_log=None,
                handle_signals=False,
                keepalive_timeout=KEEPALIVE_SECONDS,
                shutdown_timeout=SHUTDOWN_SECONDS,
            )
            await self._runner.setup()
            assert self._runner.server is not None
            door.open(listening, self._runner.server, tls=tls)
            self._tasks.append(asyncio.create_task(_watch_certificate(files)))
            self._door = door
        except BaseException:
            listening.close()
            raise
        self.address = own_address(port, tls=tls is not None, origins=origins)
        replace_file(settings.data / ADDRESS, f"{self.address}\n".encode())
        structlog.get_logger("server").info("serving", address=self.address)

    async def _assemble(
        self, store: Store, keys: LogKeys, trust: TrustFolder, origins: tuple[str, ...], door: FrontDoor
    ) -> web.Application:
        settings, clock, present = self._settings, self._clock, self._present
        nodes = self._nodes = await join_nodes(settings, store, present.switchboard, keys, clock=clock)
        ground = Ground(
            settings,
            clock,
            self._entropy,
            origins,
            lambda: self.address or origins[0],
            store,
            keys,
            trust,
            door,
            nodes,
            present,
        )
        tokens = Tokens(store, clock=clock, entropy=self._entropy, several=nodes.several)
        await tokens.load()
        delivery = self._delivery = open_delivery(ground)
        log = self._log = await open_log(ground, delivery, accept_rollback=self._accept_rollback)
        tickets = open_tickets(ground, delivery, log.chains)
        metrics = self.metrics = _metrics(ground, log)
        present.readiness.watch(store)

        async def caller_of(request: web.Request) -> Caller | None:
            return await tokens.caller(
                request.headers.get("Authorization", ""), revoked=trust.lists.revocations.serials
            )

        application = build_application(
            answers(Parts(ground, tokens, log, tickets, delivery.outbox, metrics)),
            caller_of=caller_of,
            origins=origins,
            max_body_bytes=settings.body_max_bytes,
            visits=door,
            check_new=present.readiness.check_new,
            answer_seconds=settings.answer_deadline_seconds,
        )
        await self._serve_metrics(metrics)
        works = (*delivery.works(), *tickets.works(), *log.works(), self._watch(trust, door, log))
        self._tasks = [asyncio.create_task(work) for work in works]
        return application

    async def _serve_metrics(self, metrics: Metrics) -> None:
        if not self._settings.metrics_listen:
            return
        host, port = split_listen(self._settings.metrics_listen)
        try:
            self._metrics_runner = await serve_metrics(metrics, host, port)
        except OSError as error:
            raise UnreachableError(
                f"metrics cannot listen on {self._settings.metrics_listen}: {error.strerror}",
                advice="Change `metrics_listen` in the settings file.",
            ) from error

    def _open_door(self) -> FrontDoor:
        settings = self._settings
        return FrontDoor(
            Strangers(most=settings.unauthenticated_connections, most_per_address=settings.unauthenticated_per_address),
            new_penalties(settings),
            Sources(settings.trusted_proxies),
            deadline_seconds=settings.handshake_deadline_seconds,
            clock=self._clock,
        )

    async def _watch(self, trust: TrustFolder, door: FrontDoor, log: LogParts) -> None:
        """Take newer lists; what they revoke ends at once. Forget strangers who left."""
        while True:
            if self._present.readiness.look(self._marks):
                await self._tell_room()
            await asyncio.sleep(WATCH_SECONDS)
            door.sweep()
            if trust.refresh():
                self._present.switchboard.drop_revoked(trust.lists.revocations.serials)
                await self._tell_lists(trust.narrowing)
            await _change_log_key(log.rotation)

    @property
    def _marks(self) -> Marks:
        settings = self._settings
        return Marks(settings.warn_free_bytes, settings.new_session_free_bytes, settings.min_free_bytes)

    async def _tell_room(self) -> None:
        """Tell every agent how much room there is now."""
        await self._tell(StoreRoom(level=self._present.readiness.room.word))

    async def _tell_lists(self, lists: tuple[bytes, ...]) -> None:
        """Show every agent what counts no more: a revoked technician is out there, a revoked pack used no more."""
        for signed in lists:
            await self._tell(ListGiven(signed=signed))

    async def _tell(self, message: Message) -> None:
        await asyncio.gather(*(line.say(message) for line in self._present.switchboard.lines), return_exceptions=True)


async def _change_log_key(rotation: Rotation) -> None:
    try:
        await rotation.look()
    except (AssistError, OSError) as error:
        structlog.get_logger("rotation").warning("delayed", cause=type(error).__name__)


async def _watch_certificate(files: TlsFiles) -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        await asyncio.to_thread(files.refresh)


def _own_names(settings: RelaySettings) -> tuple[str, ...]:
    """The names given in the settings; a node answers to its own as well."""
    return tuple(dict.fromkeys((*settings.origins, settings.node))) if settings.node else settings.origins


def _metrics(ground: Ground, log: LogParts) -> Metrics:
    present, door = ground.present, ground.door
    metrics = Metrics(ground.store, present.switchboard, present.traffic, strangers=lambda: door.strangers)
    metrics.bus, metrics.pushes, metrics.anchors = ground.nodes.bus, log.pushes, log.anchors
    return metrics

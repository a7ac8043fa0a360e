"""One relay, put together: its parts, its port, its background work, its clean end.

start: permissions ─▶ trust ─▶ port ─▶ store ─▶ log whole? ─▶ routes ─▶ `address`
stop: close sockets, finish writing
"""

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import BinaryIO, Self

import structlog
from aiohttp import web
from sqlalchemy import Connection

from relay.access import Caller, Tokens, Verb
from relay.alarm_desk import AlarmDesk
from relay.alarm_pages import AlarmPages
from relay.alarm_work import AlarmWork
from relay.anchors import Anchor, open_anchors
from relay.appends import Appends
from relay.bodies import Answer, Bodies
from relay.book import TicketBook
from relay.chains import Chains
from relay.checkpoints import Checkpoints
from relay.chunks import Chunks
from relay.control_socket import ControlSocket
from relay.courier import Courier
from relay.data_folder import ADDRESS, hold, open_database, read_cosign_seed, replace_file, require_data
from relay.front_door import FrontDoor, bind, origins_of, own_address, split_listen
from relay.hook_pages import HookPages
from relay.lane import Traffic
from relay.ledger import Ledger
from relay.log_keys import LogKeys
from relay.log_pages import LogPages
from relay.login import Logins
from relay.login_pages import LoginPages
from relay.metrics import Metrics, MetricsPage, serve_metrics
from relay.nameplate_sockets import NameplateSockets, PairingLimits
from relay.nodes import Nodes, join_nodes
from relay.nonces import LoginNonces
from relay.outbox import Outbox
from relay.pages import ChainPages, SessionPages
from relay.penalties import Penalties, Tariff
from relay.postgres import hold_server
from relay.push import Push, open_pushes
from relay.quotas import HourlyQuota
from relay.readiness import Readiness
from relay.rendezvous import Rendezvous, ask_share, invite_share
from relay.retention import Retention, consequences
from relay.rotation import Rotation
from relay.routes import build_application
from relay.session_proofs import SessionProofs
from relay.sessions import count_live
from relay.sockets import OpenSockets
from relay.sources import Sources
from relay.standby import Standby
from relay.store import Store
from relay.strangers import Strangers
from relay.stream_sockets import StreamSockets
from relay.switchboard import Switchboard
from relay.ticket_desk import TicketDesk
from relay.ticket_pages import TicketPages
from relay.ticket_rules import SessionRules
from relay.ticket_systems import TicketSystems
from relay.tls_files import TlsFiles
from relay.trust import TrustFolder
from remote_assist.core.messages import Message, RevocationsGiven, StoreRoom
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
        self._sockets = OpenSockets()
        self._traffic = Traffic()
        self._readiness = Readiness()
        self._metrics_runner: web.AppRunner | None = None
        self._switchboard = Switchboard(entropy=entropy, streams_per_session=settings.streams_per_session)
        self._systems: TicketSystems | None = None
        self._rules: SessionRules
        self.rotation: Rotation
        self._alarms: AlarmDesk
        self._lock: BinaryIO | None = None
        self._held: Connection | None = None
        self._store: Store | None = None
        self._nodes: Nodes | None = None
        self._runner: web.AppRunner | None = None
        self._door: FrontDoor | None = None
        self._pushes: tuple[Push, ...] = ()
        self._anchors: tuple[Anchor, ...] = ()
        self.chains: Chains
        self.figures: Callable[[], Awaitable[bytes]]
        self.retention: Retention
        self._tasks: list[asyncio.Task[None]] = []

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
        self._readiness.draining = True
        structlog.get_logger("server").info("draining", sockets=len(self._sockets))
        for _ in range(math.ceil(self._settings.drain_seconds / DRAIN_LOOK_SECONDS)):
            if not len(self._sockets):
                break
            await asyncio.sleep(DRAIN_LOOK_SECONDS)

    async def stop(self) -> None:
        """Take nothing new, tell everybody, finish what is queued, close the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._door is not None:
            await self._door.close()
        await self._sockets.close_all()
        for runner in (self._runner, self._metrics_runner):
            if runner is not None:
                await runner.cleanup()
        if self._systems is not None:
            await self._systems.close()
        if self._nodes is not None and self._nodes.bus is not None:
            await self._nodes.bus.close()
        for push in self._pushes:
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
        settings, clock, entropy = self._settings, self._clock, self._entropy
        nodes = self._nodes = await join_nodes(settings, store, self._switchboard, keys, clock=clock)
        tokens = Tokens(store, clock=clock, entropy=entropy, several=nodes.several)
        await tokens.load()
        systems = TicketSystems(settings.ticket_systems, settings.ticket_rules.default)
        courier = Courier(
            store,
            systems,
            settings.ticket_rules,
            clock=clock,
            owner=f"{socket.gethostname()}:{settings.data.resolve()}",  # the same at every start, nobody else's
            interval_seconds=settings.outbox_interval_seconds,
        )
        self._systems = systems
        outbox = Outbox(
            store,
            clock=clock,
            interval_seconds=settings.outbox_interval_seconds,
            digest_seconds={name: one.digest_seconds for name, one in settings.ticket_systems.items()},
            written=courier.notice,
            several=nodes.several,
        )
        ledger = Ledger(keys, clock=clock)
        store.on_undo(ledger.forget)
        await store.write(ledger.catch_up)
        checkpoints = Checkpoints(
            store,
            keys,
            settings.data,
            clock=clock,
            interval_seconds=settings.checkpoint_interval_seconds,
            several=nodes.several,
            cosign_seed=read_cosign_seed(settings.data),
        )
        ordered = consequences(lambda: chunks.forget(), clock)
        self.chains = Chains(store, ledger, checkpoints, trust, keys, clock=clock, consequences=ordered)
        await checkpoints.start(self.chains.write if self._accept_rollback else None)
        chunks = Chunks(
            store,
            self.chains.write,
            clock=clock,
            session_bytes=settings.chunk_bytes_per_session,
            all_bytes=settings.chunk_bytes,
        )
        self.retention = Retention(
            store,
            self.chains,
            settings.retention,
            clock=clock,
            destroyed=chunks.forget,
            interval_seconds=settings.retention_interval_seconds,
        )
        metrics = Metrics(store, self._switchboard, self._traffic, strangers=lambda: door.strangers)
        metrics.bus = nodes.bus
        self.figures = metrics.text

        async def caller_of(request: web.Request) -> Caller | None:
            return await tokens.caller(
                request.headers.get("Authorization", ""), revoked=trust.lists.revocations.serials
            )

        application = build_application(
            self._answers(
                store,
                tokens,
                outbox,
                courier,
                Appends(store, ledger, outbox, checkpoints, trust, origins=origins, clock=clock),
                checkpoints,
                self.chains,
                chunks,
                trust,
                origins,
                door,
                metrics,
                nodes,
            ),
            caller_of=caller_of,
            origins=origins,
            max_body_bytes=settings.body_max_bytes,
            visits=door,
            check_new=self._readiness.check_new,
            answer_seconds=settings.answer_deadline_seconds,
        )
        self.rotation = Rotation(
            keys,
            trust,
            store,
            self.chains,
            checkpoints,
            clock=clock,
            overlap_seconds=settings.log_key_overlap_seconds,
        )
        await self.rotation.look()
        self._readiness.watch(store)
        self._pushes = metrics.pushes = open_pushes(
            settings.push, store, checkpoints, self.chains, settings.data, host_name=socket.gethostname(), clock=clock
        )
        self._anchors = metrics.anchors = open_anchors(
            settings.anchors, store, checkpoints, self.chains, settings.data, clock=clock
        )
        await self._serve_metrics(metrics)
        pushing = (push.work() for push in self._pushes)
        proofs = SessionProofs(store, checkpoints, settings.data, clock=clock, written=courier.notice)
        works = (
            outbox.work(),
            courier.work(),
            self._alarms.work(),
            self._rules.watch(),
            checkpoints.work(),
            proofs.work(),
            self._watch(trust, door),
            self.retention.work(),
            self.rotation.work(),
            *pushing,
            *(anchor.work() for anchor in self._anchors),
        )
        self._tasks = [asyncio.create_task(work) for work in works]
        return application

    def _answers(
        self,
        store: Store,
        tokens: Tokens,
        outbox: Outbox,
        courier: Courier,
        appends: Appends,
        checkpoints: Checkpoints,
        own: Chains,
        chunks: Chunks,
        trust: TrustFolder,
        origins: tuple[str, ...],
        door: FrontDoor,
        metrics: Metrics,
        nodes: Nodes,
    ) -> dict[Verb, Answer]:
        settings, clock, entropy = self._settings, self._clock, self._entropy
        penalties = Penalties(_tariff(settings))
        bodies = Bodies(max_bytes=settings.body_max_bytes, deadline_seconds=settings.handshake_deadline_seconds)
        logins = Logins(
            tokens,
            LoginNonces(
                lifetime_seconds=settings.login_nonce_seconds,
                entropy=entropy,
                secret=nodes.nonces.secret if nodes.nonces else b"",
            ),
            trust,
            clock=clock,
            lifetime_seconds=settings.token_lifetime_seconds,
            shared=nodes.nonces,
        )
        login = LoginPages(logins, trust, penalties, bodies, origins=origins, clock=clock)
        book = TicketBook(store, clock=clock, live=nodes.presence.live)
        assert self._systems is not None
        desk = TicketDesk(
            store,
            book,
            self._systems,
            courier,
            own,
            default=settings.ticket_rules.default,
            clock=clock,
            origin=lambda: self.address or origins[0],
        )
        rules = SessionRules(
            store, desk, self._switchboard, settings.ticket_rules, settings.ticket_systems, clock=clock
        )
        self._rules = rules
        tickets = TicketPages(desk, outbox, bodies)
        self._alarms = AlarmDesk(
            store,
            desk,
            settings.alarm_sources,
            clock=clock,
            origin=lambda: self.address or origins[0],
            interval_seconds=max(0.1, settings.outbox_interval_seconds),
        )
        hooks = HookPages(desk, penalties, clock=clock)
        alarms = AlarmPages(self._alarms, penalties, clock=clock)
        sessions = SessionPages(store, nodes.presence.live)
        log = LogPages(store, checkpoints)
        chains = ChainPages(own, bodies)
        rendezvous = Rendezvous(
            lifetime_seconds=settings.nameplate_lifetime_seconds,
            early_leaves=settings.nameplate_early_leaves,
            entropy=entropy,
            invites=invite_share(settings.nameplates, settings.nameplates_per_technician),
            asks=ask_share(settings.asks, settings.asks_per_address),
        )
        metrics.nameplates = rendezvous
        standby = Standby(
            store,
            trust,
            penalties,
            self._sockets,
            origins=origins,
            known=door.known,
            clock=clock,
            entropy=entropy,
            handshake_seconds=settings.handshake_deadline_seconds,
        )
        work = AlarmWork(store, bodies, clock=clock)
        nameplates = NameplateSockets(
            rendezvous,
            penalties,
            self._sockets,
            _pairing_limits(settings),
            live_sessions=lambda key: count_live(store, key, nodes.presence.live),
            may_open=rules.may_open,
            directory=nodes.directory,
            standby=standby,
            known=door.known,
            clock=clock,
        )
        rules.burn_codes = nameplates.close_ticket
        streams = StreamSockets(
            store,
            self._switchboard,
            penalties,
            self._sockets,
            self._traffic,
            clock=clock,
            max_bytes=settings.pipe_buffer_bytes,
            ticket_seconds=settings.stream_ticket_seconds,
            bytes_per_second=settings.session_bytes_per_second,
            stalled_seconds=settings.stalled_reader_seconds,
            known=door.known,
            presence=nodes.presence,
        )
        control = ControlSocket(
            store,
            appends,
            chunks,
            checkpoints,
            self._switchboard,
            penalties,
            self._sockets,
            origins=origins,
            clock=clock,
            entropy=entropy,
            max_bytes=settings.message_max_bytes,
            handshake_seconds=settings.handshake_deadline_seconds,
            opening_seconds=settings.opening_deadline_seconds,
            known=door.known,
            presence=nodes.presence,
            room=lambda: self._readiness.room,
            revocations=lambda: trust.revocations,
            acknowledged=metrics.acknowledged,
        )
        return {
            Verb.HEALTH: login.health,
            Verb.READY: self._readiness.ready,
            Verb.METRICS: MetricsPage(metrics, settings).metrics,
            Verb.ABOUT: login.about,
            Verb.CHALLENGE: login.challenge,
            Verb.LOGIN: login.login,
            Verb.LISTS: login.lists,
            Verb.CHECKPOINT: log.checkpoint,
            Verb.CONSISTENCY: log.consistency,
            Verb.ANCHORINGS: log.anchorings,
            Verb.SUCCESSIONS: log.successions,
            Verb.TILE: log.tile,
            Verb.ENTRIES: log.entries,
            Verb.TICKETS: tickets.tickets,
            Verb.TICKET: tickets.ticket,
            Verb.NEW_TICKET: tickets.new_ticket,
            Verb.NEW_NOTE: tickets.new_note,
            Verb.ALARM: alarms.alarm,
            Verb.OPEN_ALARMS: work.open_alarms,
            Verb.CLAIM: work.claim,
            Verb.MACHINES: standby.machines,
            Verb.HOOK: hooks.hook,
            Verb.START: tickets.start,
            Verb.RECONCILE: tickets.reconcile,
            Verb.REPAIR: tickets.repair,
            Verb.OUTBOX: tickets.outbox,
            Verb.RETRY: tickets.retry,
            Verb.SESSIONS: sessions.sessions,
            Verb.SESSION: sessions.session,
            Verb.RECORDS: sessions.records,
            Verb.CHAINS: chains.chains,
            Verb.CHAIN: chains.chain,
            Verb.CHAIN_RECORDS: chains.records,
            Verb.NEW_RECORDS: chains.new_records,
            Verb.CHUNK: chunks.chunk,
            Verb.NAMEPLATE: nameplates.nameplate,
            Verb.STREAM: streams.technician,
            Verb.JOIN: nameplates.join,
            Verb.ASK: nameplates.ask,
            Verb.ACCEPT: nameplates.accept,
            Verb.STANDBY: standby.standby,
            Verb.AGENT: control.agent,
            Verb.AGENT_STREAM: streams.agent,
        }

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
            Penalties(_tariff(settings)),
            Sources(settings.trusted_proxies),
            deadline_seconds=settings.handshake_deadline_seconds,
            clock=self._clock,
        )

    async def _watch(self, trust: TrustFolder, door: FrontDoor) -> None:
        """Take newer lists; what they revoke ends at once. Forget strangers who left."""
        while True:
            if self._readiness.look(self._marks):
                await self._tell_room()
            await asyncio.sleep(WATCH_SECONDS)
            door.sweep()
            if trust.refresh():
                self._switchboard.drop_revoked(trust.lists.revocations.serials)
                await self._tell_revoked(trust.revocations)
            await self._change_log_key()

    async def _change_log_key(self) -> None:
        try:
            await self.rotation.look()
        except (AssistError, OSError) as error:
            structlog.get_logger("rotation").warning("delayed", cause=type(error).__name__)

    @property
    def _marks(self) -> Marks:
        settings = self._settings
        return Marks(settings.warn_free_bytes, settings.new_session_free_bytes, settings.min_free_bytes)

    async def _tell_room(self) -> None:
        """Tell every agent how much room there is now."""
        await self._tell(StoreRoom(level=self._readiness.room.word))

    async def _tell_revoked(self, signed: bytes | None) -> None:
        """Show every agent whose certificates count no more: they end what a revoked technician has there."""
        if signed is not None:
            await self._tell(RevocationsGiven(signed=signed))

    async def _tell(self, message: Message) -> None:
        await asyncio.gather(*(line.say(message) for line in self._switchboard.lines), return_exceptions=True)


async def _watch_certificate(files: TlsFiles) -> None:
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        await asyncio.to_thread(files.refresh)


def _own_names(settings: RelaySettings) -> tuple[str, ...]:
    """The names given in the settings; a node answers to its own as well."""
    return tuple(dict.fromkeys((*settings.origins, settings.node))) if settings.node else settings.origins


def _tariff(settings: RelaySettings) -> Tariff:
    return Tariff(
        unit=timedelta(seconds=settings.penalty_seconds),
        holds=timedelta(seconds=settings.penalty_holds_seconds),
        most=timedelta(seconds=settings.penalty_most_seconds),
        forget=timedelta(seconds=settings.penalty_forget_seconds),
    )


def _pairing_limits(settings: RelaySettings) -> PairingLimits:
    return PairingLimits(
        joins=HourlyQuota(settings.joins_per_address_per_hour, what="joins from this address"),
        asks=HourlyQuota(settings.asks_per_address_per_hour, what="codes asked for from this address"),
        failures=HourlyQuota(settings.failed_pairings_per_technician_per_hour, what="failed pairings of yours"),
        sessions_per_technician=settings.sessions_per_technician,
        deadline_seconds=settings.pairing_deadline_seconds,
        message_max_bytes=settings.pairing_message_max_bytes,
    )

"""Who answers each verb of a relay: pages, sockets and what they ask, put together.

Rule: every verb of relay/access.py is answered by one method named here; relay/routes.py says where.
"""

from dataclasses import dataclass

from relay.access import Tokens, Verb
from relay.bodies import Answer, Bodies
from relay.limits.nonces import LoginNonces
from relay.limits.penalties import Penalties
from relay.limits.quotas import HourlyQuota
from relay.links.control_socket import ControlSocket
from relay.links.nameplate_sockets import NameplateSockets, PairingLimits
from relay.links.rendezvous import Rendezvous, ask_share, invite_share
from relay.links.standby import Standby
from relay.links.stream_sockets import StreamSockets
from relay.log.sessions import count_live
from relay.login import Logins
from relay.metrics import Metrics, MetricsPage
from relay.pages.alarm_work import AlarmWork
from relay.pages.alarms import AlarmPages
from relay.pages.hooks import HookPages
from relay.pages.log import LogPages
from relay.pages.login import LoginPages
from relay.pages.sessions import ChainPages, SessionPages
from relay.pages.tickets import TicketPages
from relay.parts.ground import Ground, new_penalties
from relay.parts.log import LogParts
from relay.parts.tickets import TicketParts
from relay.tickets.outbox import Outbox
from remote_assist.settings import RelaySettings

Answers = dict[Verb, Answer]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the answers ask."""

    ground: Ground
    tokens: Tokens
    log: LogParts
    tickets: TicketParts
    outbox: Outbox
    metrics: Metrics


def answers(parts: Parts) -> Answers:
    """An answer for every verb. The metrics hear of the nameplates, the ticket rules of who burns a ticket's codes."""
    ground, settings = parts.ground, parts.ground.settings
    penalties = new_penalties(settings)
    bodies = Bodies(max_bytes=settings.body_max_bytes, deadline_seconds=settings.handshake_deadline_seconds)
    return {
        Verb.READY: ground.present.readiness.ready,
        Verb.METRICS: MetricsPage(parts.metrics, settings).metrics,
        **_login(parts, penalties, bodies),
        **_log(parts, bodies),
        **_tickets(parts, penalties, bodies),
        **_links(parts, penalties),
    }


def _login(parts: Parts, penalties: Penalties, bodies: Bodies) -> Answers:
    ground, settings, nonces = parts.ground, parts.ground.settings, parts.ground.nodes.nonces
    logins = Logins(
        parts.tokens,
        LoginNonces(
            lifetime_seconds=settings.login_nonce_seconds,
            entropy=ground.entropy,
            secret=nonces.secret if nonces else b"",
        ),
        ground.trust,
        clock=ground.clock,
        lifetime_seconds=settings.token_lifetime_seconds,
        shared=nonces,
    )
    pages = LoginPages(logins, ground.trust, penalties, bodies, origins=ground.origins, clock=ground.clock)
    return {
        Verb.HEALTH: pages.health,
        Verb.ABOUT: pages.about,
        Verb.CHALLENGE: pages.challenge,
        Verb.LOGIN: pages.login,
        Verb.LISTS: pages.lists,
    }


def _log(parts: Parts, bodies: Bodies) -> Answers:
    store, log = parts.ground.store, parts.log
    pages = LogPages(store, log.checkpoints)
    sessions = SessionPages(store, parts.ground.nodes.presence.live)
    chains = ChainPages(log.chains, bodies)
    return {
        Verb.CHECKPOINT: pages.checkpoint,
        Verb.CONSISTENCY: pages.consistency,
        Verb.ANCHORINGS: pages.anchorings,
        Verb.SUCCESSIONS: pages.successions,
        Verb.TILE: pages.tile,
        Verb.ENTRIES: pages.entries,
        Verb.SESSIONS: sessions.sessions,
        Verb.SESSION: sessions.session,
        Verb.RECORDS: sessions.records,
        Verb.CHAINS: chains.chains,
        Verb.CHAIN: chains.chain,
        Verb.CHAIN_RECORDS: chains.records,
        Verb.NEW_RECORDS: chains.new_records,
        Verb.CHUNK: log.chunks.chunk,
    }


def _tickets(parts: Parts, penalties: Penalties, bodies: Bodies) -> Answers:
    ground, desk = parts.ground, parts.tickets.desk
    pages = TicketPages(desk, parts.outbox, bodies)
    work = AlarmWork(ground.store, bodies, clock=ground.clock)
    return {
        Verb.TICKETS: pages.tickets,
        Verb.TICKET: pages.ticket,
        Verb.NEW_TICKET: pages.new_ticket,
        Verb.NEW_NOTE: pages.new_note,
        Verb.START: pages.start,
        Verb.RECONCILE: pages.reconcile,
        Verb.REPAIR: pages.repair,
        Verb.OUTBOX: pages.outbox,
        Verb.RETRY: pages.retry,
        Verb.HOOK: HookPages(desk, penalties, clock=ground.clock).hook,
        Verb.ALARM: AlarmPages(parts.tickets.alarms, penalties, clock=ground.clock).alarm,
        Verb.OPEN_ALARMS: work.open_alarms,
        Verb.CLAIM: work.claim,
    }


def _links(parts: Parts, penalties: Penalties) -> Answers:
    standby = _standby(parts.ground, penalties)
    nameplates = _nameplates(parts, penalties, standby)
    streams = _streams(parts.ground, penalties)
    return {
        Verb.NAMEPLATE: nameplates.nameplate,
        Verb.JOIN: nameplates.join,
        Verb.ASK: nameplates.ask,
        Verb.ACCEPT: nameplates.accept,
        Verb.MACHINES: standby.machines,
        Verb.STANDBY: standby.standby,
        Verb.STREAM: streams.technician,
        Verb.AGENT_STREAM: streams.agent,
        Verb.AGENT: _control(parts, penalties).agent,
    }


def _standby(ground: Ground, penalties: Penalties) -> Standby:
    return Standby(
        ground.store,
        ground.trust,
        penalties,
        ground.present.sockets,
        origins=ground.origins,
        known=ground.door.known,
        clock=ground.clock,
        entropy=ground.entropy,
        handshake_seconds=ground.settings.handshake_deadline_seconds,
    )


def _nameplates(parts: Parts, penalties: Penalties, standby: Standby) -> NameplateSockets:
    ground, settings = parts.ground, parts.ground.settings
    rendezvous = Rendezvous(
        lifetime_seconds=settings.nameplate_lifetime_seconds,
        early_leaves=settings.nameplate_early_leaves,
        entropy=ground.entropy,
        invites=invite_share(settings.nameplates, settings.nameplates_per_technician),
        asks=ask_share(settings.asks, settings.asks_per_address),
    )
    parts.metrics.nameplates = rendezvous
    nameplates = NameplateSockets(
        rendezvous,
        penalties,
        ground.present.sockets,
        _pairing_limits(settings),
        live_sessions=lambda key: count_live(ground.store, key, ground.nodes.presence.live),
        may_open=parts.tickets.rules.may_open,
        directory=ground.nodes.directory,
        standby=standby,
        known=ground.door.known,
        clock=ground.clock,
    )
    parts.tickets.rules.burn_codes = nameplates.close_ticket
    return nameplates


def _streams(ground: Ground, penalties: Penalties) -> StreamSockets:
    settings, present = ground.settings, ground.present
    return StreamSockets(
        ground.store,
        present.switchboard,
        penalties,
        present.sockets,
        present.traffic,
        clock=ground.clock,
        max_bytes=settings.pipe_buffer_bytes,
        ticket_seconds=settings.stream_ticket_seconds,
        bytes_per_second=settings.session_bytes_per_second,
        stalled_seconds=settings.stalled_reader_seconds,
        known=ground.door.known,
        presence=ground.nodes.presence,
    )


def _control(parts: Parts, penalties: Penalties) -> ControlSocket:
    ground, settings, log = parts.ground, parts.ground.settings, parts.log
    return ControlSocket(
        ground.store,
        log.appends,
        log.chunks,
        log.checkpoints,
        ground.present.switchboard,
        penalties,
        ground.present.sockets,
        origins=ground.origins,
        clock=ground.clock,
        entropy=ground.entropy,
        max_bytes=settings.message_max_bytes,
        handshake_seconds=settings.handshake_deadline_seconds,
        opening_seconds=settings.opening_deadline_seconds,
        known=ground.door.known,
        presence=ground.nodes.presence,
        room=lambda: ground.present.readiness.room,
        narrowing=lambda: ground.trust.narrowing,
        acknowledged=parts.metrics.acknowledged,
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

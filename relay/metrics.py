"""Figures for Prometheus at /metrics: counted where they are true, read when somebody asks.

Rule 1: no label holds a name, address, code, session or token.
Rule 2: by default they are told on loopback only, and only when no proxy could stand before it: as soon as `origins` or
`trusted_proxies` are set, `metrics_listen` must say where, and then they are told only there.
"""

from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, func, select

from relay.access import Caller
from relay.bus import Bus
from relay.links.front_door import is_loopback
from relay.links.lane import Traffic
from relay.links.rendezvous import Order, Rendezvous
from relay.links.sockets import REFUSED
from relay.links.switchboard import Switchboard
from relay.log.chunks import stored_bytes
from relay.push.live import Push
from relay.storage.schema import outbox, sessions
from relay.storage.store import Store
from relay.tickets.deliveries import count_undelivered
from relay.witness.anchors import Anchor
from remote_assist.errors import RefusedError
from remote_assist.settings import RelaySettings

FORWARDED = ("Forwarded", "X-Forwarded-For", "Via")
BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics(Collector):
    """The figures of one relay."""

    def __init__(
        self, store: Store, switchboard: Switchboard, traffic: Traffic, *, strangers: Callable[[], int]
    ) -> None:
        self._store = store
        self._switchboard = switchboard
        self._traffic = traffic
        self._strangers = strangers
        self.bus: Bus | None = None
        self.nameplates: Rendezvous | None = None
        self._open_sessions, self._waiting, self._chunk_bytes = 0, 0, 0
        self._deliveries = {"waiting": 0, "dead": 0}
        self.pushes: tuple[Push, ...] = ()
        self.anchors: tuple[Anchor, ...] = ()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._acknowledging = Histogram(
            "remote_assist_acknowledgement_seconds",
            "From an Append read to its acknowledgement handed to the socket.",
            buckets=BUCKETS,
            registry=self._registry,
        )

    def acknowledged(self, seconds: float) -> None:
        """An Append was answered."""
        self._acknowledging.observe(seconds)

    async def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        self._open_sessions, self._waiting = await self._store.read(_count)
        self._chunk_bytes = await self._store.read(stored_bytes)
        self._deliveries = await self._store.read(count_undelivered)
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is true now."""
        for name, value, text in (
            ("agents", self._switchboard.agents, "Agents connected."),
            ("streams", self._switchboard.streams, "Streams open or being put through."),
            ("sessions_open", self._open_sessions, "Sessions that have not ended, connected or not."),
            ("outbox_waiting", self._waiting, "Records that are not on their ticket yet."),
            ("chunk_bytes", self._chunk_bytes, "Sealed recordings, bundles and files stored beside the log."),
            ("deliveries_waiting", self._deliveries["waiting"], "Notes on their way to other ticket systems."),
            ("deliveries_dead", self._deliveries["dead"], "Notes that nobody tries to deliver any more."),
            ("strangers", self._strangers(), "Connections that have not shown who they are."),
            ("writes_waiting", self._store.waiting, "Jobs waiting for the writer."),
            ("free_bytes", self._store.free_bytes, "Free space on the disk of the database."),
        ):
            if value is None:
                continue
            yield GaugeMetricFamily(f"remote_assist_{name}", text, value=value)
        yield from self._code_figures()
        yield from self._push_figures()
        yield from self._anchor_figures()
        if self.bus is not None:
            yield GaugeMetricFamily(
                "remote_assist_bus_connected", "Whether NATS can be asked about other nodes.", value=self.bus.connected
            )
        yield CounterMetricFamily(
            "remote_assist_stream_bytes", "Bytes passed between the ends of streams.", value=self._traffic.bytes
        )
        refused = CounterMetricFamily("remote_assist_refusals", "Refusals by reason.", labels=["reason"])
        for reason, count in sorted(REFUSED.items()):
            refused.add_metric([reason], count)
        yield refused

    def _code_figures(self) -> Iterator[Metric]:
        if self.nameplates is None:
            return
        codes = GaugeMetricFamily("remote_assist_codes", "Support codes that are out.", labels=["order"])
        for order in Order:
            codes.add_metric([order.value], self.nameplates.count(order))
        yield codes

    def _push_figures(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("remote_assist_push_waiting", "Records not pushed yet.", labels=["push"])
        lag = GaugeMetricFamily("remote_assist_push_lag_seconds", "Age of the oldest of them.", labels=["push"])
        for one in self.pushes:
            figures = one.figures
            waiting.add_metric([one.name], figures.waiting)
            lag.add_metric([one.name], figures.lag_seconds)
        if self.pushes:
            yield waiting
            yield lag

    def _anchor_figures(self) -> Iterator[Metric]:
        age = GaugeMetricFamily(
            "remote_assist_anchor_age_seconds", "Since a witness took a checkpoint; -1: never.", labels=["anchor"]
        )
        failures = GaugeMetricFamily("remote_assist_anchor_failures", "Failed tries since.", labels=["anchor"])
        for one in self.anchors:
            figures = one.figures
            age.add_metric([one.name], figures.age_seconds)
            failures.add_metric([one.name], figures.failures)
        if self.anchors:
            yield age
            yield failures


class MetricsPage:
    """GET /metrics on the relay's own port, for loopback."""

    def __init__(self, metrics: Metrics, settings: RelaySettings) -> None:
        self._metrics = metrics
        self._own_port = bool(settings.metrics_listen)
        self._fronted = bool(settings.origins or settings.trusted_proxies)

    async def metrics(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """The figures, or 404 for everybody who may not have them."""
        forwarded = any(name in request.headers for name in FORWARDED)
        if self._own_port or self._fronted or forwarded or not is_loopback(request.remote or ""):
            raise RefusedError("there is nothing at this address", reason="absent")
        return web.Response(body=await self._metrics.text(), headers={"Content-Type": TYPE})


async def serve_metrics(metrics: Metrics, host: str, port: int) -> web.AppRunner:
    """A port with /metrics and nothing else. Raises OSError when it is taken."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=await metrics.text(), headers={"Content-Type": TYPE})

    application = web.Application()
    application.router.add_get("/metrics", page)
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host.strip("[]"), port).start()
    return runner


def _count(connection: Connection) -> tuple[int, int]:
    open_sessions = connection.execute(select(func.count()).where(sessions.c.ended.is_(None))).scalar_one()
    waiting = connection.execute(select(func.count()).where(outbox.c.note.is_(None))).scalar_one()
    return open_sessions, waiting

"""Runs collectors against a `Target`: a whole bundle into a stream, or a few facts for a check.

Rule 1: a collector that fails, hangs or is missing costs its own facts only; what others found is kept.
Rule 2: when the caller's task is cancelled, nothing is left running, the bundle is closed with a manifest that says
`cancelled`, and the cancellation goes on to the caller.
Rule 3: collectors that provide redaction seeds come first; nothing else is redacted before their seeds are known.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from remote_assist import __version__
from remote_assist.core.catalog import model as model
from remote_assist.core.redaction import Collected, Redacted, Redactor
from remote_assist.core.requests import Progress
from remote_assist.core.sealed_stream import ID_BYTES, Sealer
from remote_assist.core.target import Target
from remote_assist.diagnostics.bundle import ItemReport, Manifest, TextReport
from remote_assist.diagnostics.bundle_writer import BundleWriter
from remote_assist.diagnostics.catalog_section import near
from remote_assist.diagnostics.gather import Outcome, gather
from remote_assist.diagnostics.look import Look, together
from remote_assist.diagnostics.seeds import seeds_of
from remote_assist.diagnostics.trend_facts import wanted
from remote_assist.errors import RefusedError, UsageError

CLOSING_SECONDS = 2.0
"""How long a cancelled bundle may take to write its manifest."""


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """What went into a bundle: `size` and `sha256` are of the file as streamed; `tokens`: what its tokens stand for."""

    bundle: str
    status: str
    items: tuple[ItemReport, ...]
    size: int
    sha256: str
    seconds: float
    tokens: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FactSet:
    """Facts in memory and how each collector fared (ok, cut, failed, timed-out, unavailable)."""

    facts: dict[str, object]
    statuses: dict[str, str]


async def collect_bundle(
    catalog: model.Catalog,
    bundle_id: str,
    target: Target,
    *,
    write: Callable[[bytes], Awaitable[None]],
    progress: Callable[[Progress], None],
    clock: Callable[[], datetime],
    entropy: Callable[[int], bytes] = secrets.token_bytes,
    redaction_key: bytes = b"",
    services_folder: str = "",
    since: datetime | None = None,
    seal_to: bytes = b"",
    declined: frozenset[str] = frozenset(),
    trend: dict[str, object] | None = None,
) -> BundleSummary:
    """Stream a bundle's tar.zst into `write` while it is made.

    `redaction_key` is the customer's own, so that tokens agree with those of earlier bundles; else one for this run.
    `since`: of logs, only what is newer; `seal_to`: 32 bytes of X25519 whose owner alone can open the bundle (nothing
    is collected when it cannot be sealed); `declined`: collectors the customer struck, which are not run; `trend`:
    what the samples of `watch` say.
    Raises UsageError for a bundle or collector the catalog does not have, RefusedError when it cannot be sealed, and
    what `write` raises.
    """
    bundle = catalog.bundles.get(bundle_id)
    if bundle is None:
        raise UsageError(f"there is no bundle '{bundle_id}'{near(bundle_id, list(catalog.bundles))}")
    missing = [name for name in bundle.collectors if name not in catalog.collectors]
    if missing:
        raise UsageError(f"bundle '{bundle_id}' names a collector that does not exist: {missing[0]}")
    look = Look(
        target,
        now=clock(),
        services_folder=services_folder,
        niceness=bundle.niceness,
        since=since,
        trend=trend,
    )
    redactor = Redactor(redaction_key or entropy(32), profile=bundle.redaction_profile, secret_key=entropy(32))
    sealer = Sealer(seal_to, entropy(ID_BYTES)) if seal_to else None
    writer = BundleWriter(write, look.now, redactor.sweep, sealer)
    run = _BundleRun(catalog, bundle, look, writer, progress, redactor, declined)
    return await run.perform(clock)


async def collect_facts(
    catalog: model.Catalog,
    collectors: Iterable[str],
    target: Target,
    *,
    clock: Callable[[], datetime],
    services_folder: str = "",
    since: datetime | None = None,
    trend: dict[str, object] | None = None,
) -> FactSet:
    """Facts for a precheck, a verify or a local check: unredacted, in memory, never leaving the caller."""
    look = Look(target, now=clock(), services_folder=services_folder, since=since, trend=trend)
    asked = [catalog.collectors[name] for name in wanted(collectors, look) if name in catalog.collectors]
    try:
        outcomes = await together(gather(each, look) for each in asked)
    finally:
        await look.close()
    return FactSet(
        {each.id: outcome.facts for each, outcome in zip(asked, outcomes, strict=True) if outcome.usable},
        {each.id: outcome.status for each, outcome in zip(asked, outcomes, strict=True)},
    )


class _BundleRun:
    """One bundle being made: collectors on one side of a queue with room for all of them, the writer on the other."""

    def __init__(
        self,
        catalog: model.Catalog,
        bundle: model.Bundle,
        look: Look,
        writer: BundleWriter,
        progress: Callable[[Progress], None],
        redactor: Redactor,
        declined: frozenset[str],
    ) -> None:
        self._bundle = bundle
        self._look = look
        self._writer = writer
        self._progress = progress
        self._redactor = redactor
        self._seeding = ({path.partition(".")[0] for path in bundle.seeds} & set(bundle.collectors)) - declined
        order = sorted(wanted(bundle.collectors, look), key=lambda name: name not in self._seeding)
        self._collectors = [catalog.collectors[name] for name in order if name not in declined]
        self._declined = [catalog.collectors[name] for name in order if name in declined]
        self._queue: asyncio.Queue[tuple[model.Collector, Outcome] | None] = asyncio.Queue(len(order) + 1)
        self._reports: dict[str, ItemReport] = {}
        self._finished = 0
        self._begun = time.monotonic()

    async def perform(self, clock: Callable[[], datetime]) -> BundleSummary:
        """Collect, write, close; see the rules above."""
        gathering = asyncio.create_task(self._gather_all())
        writing = asyncio.create_task(self._write_all())
        status = "cancelled"
        try:
            limit = self._bundle.timeout_seconds
            await asyncio.wait({gathering, writing}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            status = "complete" if gathering.done() else "partial"
        finally:
            await _ended(gathering)
            await self._look.close()
            self._queue.put_nowait(None)
            try:
                await self._close(writing, status, clock)
            finally:
                await _ended(writing)
        if not gathering.cancelled():
            gathering.result()
        return self._summary(status)

    async def _close(self, writing: asyncio.Task[None], status: str, clock: Callable[[], datetime]) -> None:
        """Let what is queued be written, then the manifest; a peer that stopped reading gets a moment only."""
        try:
            async with asyncio.timeout(CLOSING_SECONDS if status == "cancelled" else self._bundle.timeout_seconds):
                await writing
                await self._writer.finish(self._manifest(status, clock()))
        except TimeoutError as error:
            raise RefusedError("the bundle could not be written in time", reason="too-slow") from error

    async def _gather_all(self) -> None:
        slots = asyncio.Semaphore(self._bundle.parallel)
        for collector in self._declined:
            self._tell(collector.id, "declined", 0.0)

        async def one(collector: model.Collector) -> None:
            async with slots:
                self._tell(collector.id, "started", 0.0)
                outcome = await gather(collector, self._look)
            self._finished += 1
            self._tell(collector.id, outcome.status, outcome.seconds)
            self._queue.put_nowait((collector, outcome))

        async with asyncio.TaskGroup() as group:
            for collector in self._collectors:
                group.create_task(one(collector))

    async def _write_all(self) -> None:
        waiting = set(self._seeding)
        held: list[tuple[model.Collector, Outcome]] = []
        while (item := await self._queue.get()) is not None:
            held.append(item)
            collector, outcome = item
            if collector.id in waiting:
                self._redactor.add_seeds(seeds_of(self._bundle.seeds, collector.id, outcome.facts))
                waiting.discard(collector.id)
            if not waiting:
                await self._write_held(held)
        await self._write_held(held)

    async def _write_held(self, held: list[tuple[model.Collector, Outcome]]) -> None:
        while held:
            await self._write_item(*held.pop(0))

    async def _write_item(self, collector: model.Collector, outcome: Outcome) -> None:
        if not outcome.usable:
            self._report(collector, outcome)
            return
        try:
            files = await asyncio.to_thread(self._files, collector, outcome)
        except RefusedError as error:
            self._report(collector, outcome, status="failed", reason=f"withheld: {error.message}")
            return
        if self._writer.unpacked_size + sum(len(each.raw) for each in files.values()) > self._bundle.max_bytes:
            self._report(collector, outcome, status="cut", reason="the bundle had reached its size limit")
            return
        written = [
            TextReport(file=name, size=len(each.raw), sha256=await self._writer.add(name, each))
            for name, each in files.items()
        ]
        facts, *texts = written
        counts: Counter[str] = Counter()
        for each in files.values():
            counts.update(each.counts)
        self._report(
            collector,
            outcome,
            file=facts.file,
            size=facts.size,
            sha256=facts.sha256,
            redacted=counts,
            texts=tuple(texts),
        )

    def _files(self, collector: model.Collector, outcome: Outcome) -> dict[str, Redacted]:
        """What a collector puts into the bundle, the facts first; runs beside the event loop. Raises RefusedError."""
        files = {f"facts/{collector.id}.json": self._redacted(collector, outcome.facts)}
        for name, text in outcome.texts.items():
            files[f"texts/{collector.id}.{name}.txt"] = self._redacted(collector, text)
        for name, each in files.items():
            self._redactor.sweep(name, each.raw)
        return files

    def _redacted(self, collector: model.Collector, raw: object) -> Redacted:
        return self._redactor.redact(Collected(raw, collector.sensitivity, {**collector.rows, **collector.fields}))

    def _report(
        self,
        collector: model.Collector,
        outcome: Outcome | None,
        *,
        status: str = "",
        reason: str = "",
        file: str = "",
        size: int = 0,
        sha256: str = "",
        redacted: dict[str, int] | None = None,
        texts: tuple[TextReport, ...] = (),
    ) -> None:
        said = outcome.reason if outcome else ""
        self._reports[collector.id] = ItemReport(
            collector=collector.id,
            version=collector.version,
            digest=collector.digest,
            status=status or (outcome.status if outcome else "cancelled"),
            reason=reason or self._redactor.text(said),
            seconds=round(outcome.seconds, 4) if outcome else 0.0,
            sensitivity=collector.sensitivity,
            file=file,
            size=size,
            sha256=sha256,
            redacted=dict(redacted or {}),
            texts=texts,
        )

    def _manifest(self, status: str, now: datetime) -> Manifest:
        for collector in self._declined:
            self._report(collector, Outcome("declined", reason="the customer did not want this read"))
        for collector in self._collectors:
            if collector.id not in self._reports:
                outcome = None if status == "cancelled" else Outcome("timed-out", reason="the bundle's time was up")
                self._report(collector, outcome)
        counts: Counter[str] = Counter()
        for report in self._reports.values():
            counts.update(report.redacted)
        return Manifest(
            format=1,
            program=f"remote-assist {__version__}",
            platform=self._look.target.platform,
            bundle=self._bundle.id,
            version=self._bundle.version,
            digest=self._bundle.digest,
            status=status,
            started=self._look.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ended=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=round(time.monotonic() - self._begun, 4),
            profile=self._bundle.redaction_profile,
            redacted=dict(counts),
            items=tuple(self._reports[each.id] for each in (*self._collectors, *self._declined)),
        )

    def _summary(self, status: str) -> BundleSummary:
        return BundleSummary(
            bundle=self._bundle.id,
            status=status,
            items=tuple(self._reports[each.id] for each in (*self._collectors, *self._declined)),
            size=self._writer.size,
            sha256=self._writer.sha256,
            seconds=time.monotonic() - self._begun,
            tokens=self._redactor.remembered,
        )

    def _tell(self, item: str, status: str, seconds: float) -> None:
        self._progress(
            Progress(item=item, status=status, done=self._finished, total=len(self._collectors), seconds=seconds)
        )


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task of ours and wait until it is over; what it raised is looked at elsewhere."""
    task.cancel()
    await asyncio.wait({task})

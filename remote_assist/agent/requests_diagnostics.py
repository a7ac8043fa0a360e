"""Requests that look at the machine by the catalog: one bundle, streamed while it is made.

Rule: what runs is this agent's own catalog item; the request's version and digest must be its, or it is refused.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from remote_assist.agent.actions import Ending, bundle_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.progress import telling
from remote_assist.agent.recordings import BUNDLE_CHUNK, Recordings
from remote_assist.agent.sample_ring import SampleRing
from remote_assist.agent.sealed_copy import SealedCopy
from remote_assist.agent.striking import ask_to_strike
from remote_assist.agent.token_map import TokenMap
from remote_assist.core.catalog_model import Catalog
from remote_assist.core.estimates import estimate
from remote_assist.core.packs import NOBODY, PackTrust
from remote_assist.core.prompt import Prompt
from remote_assist.core.requests import Collect
from remote_assist.diagnostics.collect import collect_bundle
from remote_assist.diagnostics.pack_catalog import Shelved, Stocked, stock
from remote_assist.diagnostics.preview import checked_items, preview
from remote_assist.errors import RefusedError, UsageError
from remote_assist.transport.pack_folder import PackFolder

MAX_SINCE_SECONDS = 366 * 86400


class Item(Protocol):
    """What every catalog item has."""

    @property
    def version(self) -> int: ...

    @property
    def digest(self) -> str: ...


@dataclass
class Shelf:
    """This agent's catalog with the packs that count, read from disk once, when it is first needed.

    `trust`: who may sign packs, by the lists of this session. `tell` hears of every pack that is refused.
    """

    clock: Callable[[], datetime]
    home: Path | None = None
    trust: PackTrust = NOBODY
    services_folder: Path | None = None
    tokens: TokenMap | None = None
    struck: frozenset[str] = frozenset()
    tell: Callable[[Shelved], None] = lambda pack: None
    _catalog: Catalog | None = None

    async def catalog(self) -> Catalog:
        """The catalog. Raises ContentError when its files are damaged."""
        if self._catalog is None:
            stocked = await asyncio.to_thread(self._stock)
            for pack in stocked.packs:
                if pack.why_not:
                    self.tell(pack)
            self._catalog = stocked.catalog
        return self._catalog

    def _stock(self) -> Stocked:
        return stock([] if self.home is None else PackFolder(self.home).installed(), self.trust)

    def trend(self) -> dict[str, object] | None:
        """What the samples of `watch` say here, None where it keeps none."""
        return None if self.home is None else SampleRing(self.home).facts(self.clock().timestamp())

    @property
    def services(self) -> str:
        """The folder of the `process` service backend, or empty."""
        return "" if self.services_folder is None else str(self.services_folder.resolve())


class DiagnosticRequests:
    """Executors of bundles. With a `prompt` the customer is asked about each one, for `deadline_seconds`."""

    def __init__(
        self,
        shelf: Shelf,
        recordings: Recordings | None = None,
        prompt: Prompt | None = None,
        deadline_seconds: float = 60.0,
    ) -> None:
        self._shelf = shelf
        self._prompt = prompt
        self._deadline_seconds = deadline_seconds
        self._recordings = recordings if recordings is not None and recordings.policy.keep_bundles else None

    async def collect(self, caller: Caller, request: Collect) -> None:
        """Run a bundle; its tar.zst goes out as data frames while it is made."""
        catalog = await self._shelf.catalog()
        check_item(catalog.bundles.get(request.bundle), "bundle", request.bundle, request.version, request.digest)
        if not 0 <= request.since_seconds <= MAX_SINCE_SECONDS or len(request.seal_to) not in {0, 32}:
            raise UsageError("a bundle goes back at most a year, and is sealed to a key of 32 bytes")

        async def work(machine: Machine, running: Running) -> Ending:
            declined = await self._declined(catalog, request.bundle, machine.target.platform)
            running.require()
            await caller.accept(running)
            running.require()
            return await self._collect(caller, running, machine, catalog, request, declined)

        action = bundle_action(request.bundle, request.version, request.digest)
        await caller.finish(await caller.perform(action, work))

    async def _declined(self, catalog: Catalog, bundle: str, platform: str) -> frozenset[str]:
        """What the customer struck beforehand, and strikes now where each look is asked about."""
        struck = checked_items(self._shelf.struck, catalog)
        if self._prompt is None or not self._prompt.can_ask:
            return struck
        items = [each for each in preview(catalog, bundle, platform) if each.collector not in struck]
        expected = estimate(catalog.bundles[bundle], catalog.collectors, {})
        return struck | await ask_to_strike(self._prompt, items, expected, self._deadline_seconds)

    async def _collect(
        self,
        caller: Caller,
        running: Running,
        machine: Machine,
        catalog: Catalog,
        request: Collect,
        declined: frozenset[str],
    ) -> Ending:
        sent = 0
        copy = SealedCopy(self._recordings, BUNDLE_CHUNK, running.number)

        async def write(raw: bytes) -> None:
            await send(await copy.take(raw))

        async def send(raw: bytes) -> None:
            nonlocal sent
            if not raw:
                return
            await running.go_on()
            await caller.channel.send_data(raw)
            sent += len(raw)
            running.partial = Ending(size=sent, recording=copy.name, sizes={"bytes": sent, **copy.sizes})

        async with telling(caller) as tell:
            summary = await collect_bundle(
                catalog,
                request.bundle,
                machine.target,
                write=write,
                progress=tell,
                clock=self._shelf.clock,
                redaction_key=self._shelf.tokens.key() if self._shelf.tokens else b"",
                services_folder="" if caller.ground.place else self._shelf.services,
                since=self._shelf.clock() - timedelta(seconds=request.since_seconds) if request.since_seconds else None,
                seal_to=request.seal_to,
                declined=declined,
                trend=None if caller.ground.place else self._shelf.trend(),
            )
        await send(await copy.rest())
        if self._shelf.tokens is not None:
            self._shelf.tokens.remember(summary.tokens)
        failed = sum(item.status not in {"ok", "unavailable", "declined"} for item in summary.items)
        return Ending(
            size=summary.size,
            sha256=summary.sha256,
            truncated=summary.status != "complete",
            reason="" if summary.status == "complete" else summary.status,
            recording=copy.name,
            sizes={"bytes": summary.size, "items": len(summary.items), "failed": failed, **copy.sizes},
            sealed={"sha256": summary.sha256.encode()},
        )


def check_item(item: Item | None, kind: str, name: str, version: int, digest: str) -> None:
    """Raise RefusedError unless the request means exactly the item this agent has."""
    if item is None:
        raise RefusedError(f"this agent knows no {kind} of that name", reason="unknown-catalog-item")
    if (item.version, item.digest) != (version, digest):
        raise RefusedError(
            f"the {kind} {name} is another version here than there ({item.version}, asked for {version})",
            reason="catalog-differs",
            advice="Use the same release of remote-assist on both sides.",
        )

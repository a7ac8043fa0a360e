"""Requests that look at the machine by the catalog: one bundle, streamed while it is made.

Rule: what runs is this agent's own catalog item; the request's version and digest must be its, or it is refused.
"""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Protocol

from remote_assist.agent.actions import Ending, bundle_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.look_history import LookHistory
from remote_assist.agent.machine import Machine
from remote_assist.agent.progress import telling
from remote_assist.agent.prompt.striking import ask_to_strike
from remote_assist.agent.record.recordings import BUNDLE_CHUNK, Recordings
from remote_assist.agent.record.sealed_copy import SealedCopy
from remote_assist.agent.shelf import Shelf
from remote_assist.core.catalog.model import Catalog
from remote_assist.core.prompt import Prompt
from remote_assist.core.requests import Collect, EstimateLook, Expected
from remote_assist.diagnostics.collect import BundleSummary, collect_bundle
from remote_assist.diagnostics.preview import checked_items, preview
from remote_assist.errors import RefusedError, UsageError
from remote_assist.transport.local_target import LocalTarget

MAX_SINCE_SECONDS = 366 * 86400


class Item(Protocol):
    """What every catalog item has."""

    @property
    def version(self) -> int: ...

    @property
    def digest(self) -> str: ...


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
        expected = await self._shelf.expected(bundle)
        return struck | await ask_to_strike(self._prompt, items, expected, self._deadline_seconds)

    async def estimate(self, caller: Caller, request: EstimateLook) -> None:
        """How long a bundle will take and how large it will be. Not an action: the machine is not looked at."""
        catalog = await self._shelf.catalog()
        check_item(catalog.bundles.get(request.bundle), "bundle", request.bundle, request.version, request.digest)
        expected = await self._shelf.expected(request.bundle)
        await caller.answer(Expected(**asdict(expected)))

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
        if self._shelf.home is not None and isinstance(machine.target, LocalTarget):
            await asyncio.to_thread(LookHistory(self._shelf.home).remember, _runs(summary))
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


def _runs(summary: BundleSummary) -> dict[str, tuple[float, int]]:
    """What each collector that ran to its end took and brought."""
    return {
        item.collector: (item.seconds, item.size + sum(text.size for text in item.texts))
        for item in summary.items
        if item.status == "ok"
    }


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

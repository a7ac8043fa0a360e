"""What this agent has to look with: its catalog and packs, what the customer struck, how earlier looks fared."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from remote_assist.agent.look_history import LookHistory
from remote_assist.agent.sample_ring import SampleRing
from remote_assist.agent.token_map import TokenMap
from remote_assist.core.catalog.estimates import Estimate, estimate
from remote_assist.core.catalog.model import Catalog
from remote_assist.core.catalog.packs import NOBODY, PackTrust
from remote_assist.core.catalog.preview import Preview
from remote_assist.core.prompt import Prompt
from remote_assist.core.wishes import scope_of
from remote_assist.diagnostics.pack_catalog import Shelved, Stocked, stock
from remote_assist.diagnostics.preview import checked_items, preview
from remote_assist.errors import ContentError
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.pack_folder import PackFolder

FIRST, WHOLE = "first-look", "full"
"""The bundle most sessions begin with, and the one that holds every collector."""


@dataclass
class Shelf:
    """This agent's catalog with the packs that count, read from disk once, when it is first needed.

    `trust`: who may sign packs, by the lists of this session. `tell` hears of every pack that is refused. `struck`:
    items that are not to run.
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
        while self._catalog is None:
            trust = self.trust
            stocked = await asyncio.to_thread(self._stock, trust)
            if trust is not self.trust:
                continue  # it narrowed meanwhile
            for pack in stocked.packs:
                if pack.why_not:
                    self.tell(pack)
            self._catalog = stocked.catalog
        return self._catalog

    def trust_only(self, trust: PackTrust) -> None:
        """From now on these packs count, and no others; what runs already goes on."""
        self.trust, self._catalog = trust, None

    async def preview(self, platform: str) -> Preview:
        """Everything any bundle reads on this machine but what is struck already, and what that takes."""
        catalog = await self.catalog()
        struck = checked_items(self.struck, catalog)
        items = tuple(each for each in preview(catalog, WHOLE, platform) if each.collector not in struck)
        return Preview(items, await self.expected(FIRST), await self.expected(WHOLE))

    async def preview_for(self, wishes: Iterable[str], prompt: Prompt) -> Preview | None:
        """The preview, where a look is among the wishes and somebody could read it."""
        if not prompt.can_ask or "diagnose" not in map(scope_of, wishes):
            return None
        try:
            return await self.preview(LocalTarget().platform)
        except ContentError:  # damaged catalog files: a look will be refused, and other help is still possible
            return None

    def strike(self, collectors: frozenset[str]) -> None:
        """These do not run any more."""
        self.struck |= collectors

    async def expected(self, bundle: str) -> Estimate:
        """Size and time of a bundle, from how its collectors fared on this machine before. Raises KeyError."""
        catalog = await self.catalog()
        earlier = {} if self.home is None else await asyncio.to_thread(LookHistory(self.home).earlier)
        return estimate(catalog.bundles[bundle], catalog.collectors, earlier, self.struck)

    def _stock(self, trust: PackTrust) -> Stocked:
        packs = [] if self.home is None else PackFolder(self.home).installed()
        return stock(packs, trust) if packs else _shipped()

    def trend(self) -> dict[str, object] | None:
        """What the samples of `watch` say here, None where it keeps none."""
        return None if self.home is None else SampleRing(self.home).facts(self.clock().timestamp())

    @property
    def services(self) -> str:
        """The folder of the `process` service backend, or empty."""
        return "" if self.services_folder is None else str(self.services_folder.resolve())


@lru_cache(maxsize=1)
def _shipped() -> Stocked:
    """The catalog without packs: its files are ours and do not change while this program runs."""
    return stock([], NOBODY)

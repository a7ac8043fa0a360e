"""Every further collector of the catalog on this very machine: typed facts, or a reason why not."""

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import evaluate
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.gather import gather
from remote_assist.diagnostics.look import Look
from tests.diagnostics.conftest import now
from tests.diagnostics.real_target import RealTarget

SLOW = {"big_folders", "pending_updates"}
BUNDLES = {"first-look", "performance", "network", "disk", "web-server", "database", "container-host", "desktop"}
LINUX = [name for name, each in load_catalog().collectors.items() if each.implementations[0].platform == "linux"]


@pytest.mark.parametrize("name", sorted(set(LINUX) - SLOW))
async def test_a_collector_ends_with_typed_facts_or_a_reason(catalog: Catalog, target: RealTarget, name: str) -> None:
    look = Look(target, now=now())
    outcome = await gather(catalog.collectors[name], look)
    await look.close()
    assert outcome.status in {"ok", "cut", "unavailable"}, outcome.reason
    assert outcome.usable or outcome.reason
    if outcome.usable:
        assert isinstance(outcome.facts, list if catalog.collectors[name].rows else dict)


@pytest.mark.parametrize("name", sorted(set(LINUX) - SLOW))
async def test_a_collector_whose_every_program_is_missing_fails_with_grace(catalog: Catalog, name: str) -> None:
    class Bare(RealTarget):
        @property
        def missing(self) -> set[str]:
            return Everything()

        @missing.setter
        def missing(self, value: set[str]) -> None:
            pass

    class Everything(set[str]):
        def __contains__(self, item: object) -> bool:
            return True

    look = Look(Bare(), now=now())
    outcome = await gather(catalog.collectors[name], look)
    await look.close()
    assert outcome.status in {"ok", "cut", "unavailable"}, outcome.reason


def test_the_bundles_are_there_and_the_first_look_leaves_out_what_is_slow(catalog: Catalog) -> None:
    assert set(catalog.bundles) >= BUNDLES
    assert not SLOW & set(catalog.bundles["first-look"].collectors)
    assert set(catalog.bundles["full"].collectors) >= set(LINUX)
    for bundle in catalog.bundles.values():
        assert "host.hostname" in bundle.seeds and "users.name" in bundle.seeds


async def test_an_issue_whose_facts_a_bundle_never_asks_for_is_skipped_not_passed(
    catalog: Catalog, target: RealTarget
) -> None:
    found = await collect_facts(catalog, ["memory"], target, clock=now)
    told = evaluate(catalog, found.facts, statuses=found.statuses, all_outcomes=True)
    cpu = next(each for each in told if each.issue == "linux.cpu.overloaded")
    assert (cpu.outcome, cpu.message) == ("skipped", "this bundle does not look at cpu")
    failed = evaluate(catalog, {}, statuses={"cpu": "timed-out"}, all_outcomes=True)
    assert next(each for each in failed if each.issue == "linux.cpu.overloaded").outcome == "unknown"

"""What `watch` samples on macOS and Windows, over recorded outputs: the same facts and rules. Never run there."""

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.watching.samples import Latest, Sample, take
from remote_assist.diagnostics.gather import gather
from remote_assist.diagnostics.look import Look
from tests.diagnostics.test_collectors_macos import NOW, mac
from tests.diagnostics.test_collectors_windows import PRINTED, windows


async def sampled(catalog: Catalog, system: str) -> tuple[Sample, Latest]:
    facts = {}
    for name in catalog.bundles["watch"].collectors:
        if system == "macos":
            facts[name] = (await gather(catalog.collectors[name], Look(mac(), now=NOW))).facts
        elif name in PRINTED:
            facts[name] = (
                await gather(catalog.collectors[name], Look(windows(catalog, name, PRINTED[name]), now=NOW))
            ).facts
    return take(facts, None, NOW.timestamp())


async def test_a_mac_is_sampled_by_the_same_facts(catalog: Catalog) -> None:
    sample, latest = await sampled(catalog, "macos")
    assert [(each.mount, each.used_pct) for each in sample.disks] == [("/System/Volumes/Data", 96.0)]
    assert (sample.failed, sample.clock_offset_seconds) == (("com.example.backup",), 312.5)
    assert sample.new_templates == ("syncd: connection # failed",)
    assert latest.unhealthy == ("disk0",)


async def test_a_windows_machine_is_sampled_by_the_same_facts(catalog: Catalog) -> None:
    sample, latest = await sampled(catalog, "windows")
    assert [(each.mount, each.used_pct) for each in sample.disks] == [("C:\\", 98.0)]
    assert (sample.failed, sample.reboot_required, sample.bad_sectors) == (("Spooler",), True, {"0": 12})
    assert latest.worn_pct == {"0": 93}
    assert [each.name for each in latest.endings] == ["Cert:\\LocalMachine\\My\\AA11"]

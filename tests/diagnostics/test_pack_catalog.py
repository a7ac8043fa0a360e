"""Packs beside the shipped catalog: all of one or nothing of it, and hostile files end soon."""

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.catalog.packs import InstalledPack, Pack, PackTrust, Pin, build_pack, open_pack, sign_pack
from remote_assist.core.findings import evaluate
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.diagnostics.pack_catalog import Stocked, check_pack, stock
from remote_assist.errors import ContentError

KEY = new_key(b"k" * 32)
TRUST = PackTrust((public_line(KEY),))
COLLECTOR = """kind: Collector
metadata: {id: acme_raid, version: 1, title: RAID}
sensitivity: internal
implementations: [{os: linux, command: {argv: [cat, /proc/mdstat]}, extract: {failed: '(?P<failed>_)'}}]
fields: {failed: string}
"""
ISSUE = """kind: KnownIssue
metadata: {id: acme.raid, version: 1, title: RAID, severity: high}
collect: [acme_raid]
outcomes: [{fail: {when: 'acme_raid.failed == "_"', message: a disk is missing}}]
tests: [{name: bad, facts: {acme_raid: {failed: _}}, expect: [fail]}]
"""


def installed(*texts: str, name: str = "acme", version: int = 1) -> InstalledPack:
    files = {f"f{number}.yaml": text for number, text in enumerate(texts)}
    raw = sign_pack(build_pack(Pack(id=name, version=version, issued="", files=files)), KEY)
    return InstalledPack(name, Pin(version=version, digest=open_pack(raw).digest), raw)


def stocked(*packs: InstalledPack, trust: PackTrust = TRUST) -> Stocked:
    return stock(packs, trust)


def test_a_pack_that_counts_adds_its_items(catalog: Catalog) -> None:
    found = stocked(installed(COLLECTOR, ISSUE))
    assert set(found.catalog.issues) - set(catalog.issues) == {"acme.raid"}
    assert set(found.catalog.collectors) - set(catalog.collectors) == {"acme_raid"}
    (pack,) = found.packs
    assert (pack.id, pack.why_not) == ("acme", "")
    assert pack.signer.startswith("SHA256:")
    told = evaluate(found.catalog, {"acme_raid": {"failed": "_"}})
    assert [each.outcome for each in told if each.issue == "acme.raid"] == ["fail"]


def test_a_refused_pack_costs_its_own_items_only(catalog: Catalog) -> None:
    good = installed(COLLECTOR, ISSUE)
    bad = installed(ISSUE.replace("acme.", "other."), name="other")
    found = stocked(good, bad, trust=PackTrust(TRUST.keys, (bad.pin.digest,)))
    assert {each.id: bool(each.why_not) for each in found.packs} == {"acme": False, "other": True}
    assert "acme.raid" in found.catalog.issues
    assert "other.raid" not in found.catalog.issues
    assert set(stocked(good, trust=PackTrust()).catalog.issues) == set(catalog.issues)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ISSUE.replace("acme.raid", "linux.raid"), "does not carry the pack's name"),
        (COLLECTOR.replace("acme_raid", "host"), "does not carry the pack's name"),
        (COLLECTOR.replace("/proc/mdstat", "/etc/shadow"), "is never run to collect facts"),
        (COLLECTOR.replace("cat, /proc/mdstat", "cat, /proc/1/environ"), "is never run to collect facts"),
        (COLLECTOR.replace("argv: [cat, /proc/mdstat]", "argv: cat /etc/hosts"), "must be a list"),
        (COLLECTOR.replace("(?P<failed>_)", "(?P<failed>(a+)+)b"), "can take forever"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases are not allowed"),
        ("x: " + "[" * 5000, "exceeded maximum nesting depth"),
        ("x: " + "{a: " * 200 + "1" + "}" * 200, "levels deep"),
        ("kind: !!python/name:os.system x\n", "is not allowed"),
        ("kind: \x00Fix\n", "is not YAML"),
        ("kind: Fix\nkind: Fix\n", "given twice"),
    ],
    ids=lambda value: "" if "\n" in value or len(value) > 60 else value.replace(" ", "-"),
)
def test_a_pack_with_hostile_files_is_refused_with_the_reason(text: str, why: str) -> None:
    (pack,) = stocked(installed(text)).packs
    assert why in pack.why_not


def test_a_condition_that_would_never_end_is_unknown_soon() -> None:
    endless = "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))"
    text = ISSUE.replace('acme_raid.failed == "_"', endless.replace("l.", "acme_raid.l."))
    found = stocked(installed(COLLECTOR, text))
    told = evaluate(found.catalog, {"acme_raid": {"l": list(range(500))}})
    (finding,) = [each for each in told if each.issue == "acme.raid"]
    assert finding.outcome == "unknown"
    assert "too much to look through" in finding.message


def test_a_pack_is_looked_at_before_it_is_installed() -> None:
    check_pack(open_pack(build_pack(Pack(id="acme", version=1, issued="", files={"a.yaml": COLLECTOR}))))
    with pytest.raises(ContentError, match="the pack acme is refused"):
        check_pack(open_pack(build_pack(Pack(id="acme", version=1, issued="", files={"a.yaml": "kind: Nix\n"}))))

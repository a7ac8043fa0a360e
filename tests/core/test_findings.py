"""Facts to findings: first match wins, doubt is never a pass, and every finding points at its evidence."""

from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.findings import Evidence, Finding, Observed, evaluate, evaluate_issue
from remote_assist.diagnostics.catalog_loader import load_catalog

ISSUE = """
kind: KnownIssue
metadata: {id: own.disk, version: 3, title: Disk, severity: high, category: disk}
collect: [filesystems]
foreach: {item: fs, in: 'filesystems'}
outcomes:
  - fail:
      when: fs.used_pct >= 90.0
      let: {worst: 'filesystems.filter(f, f.used_pct >= 90.0)[0]'}
      message: '{fs.mount} is {fs.used_pct}% full, worst {worst.mount}, of {filesystems.size()}, {fs.nope}'
      fix: own.clean
  - warn: {when: fs.used_pct >= 80.0, message: '{fs.mount} fills'}
  - pass: {message: fine}
tests:
  - {name: x, facts: {filesystems: []}, expect: []}
---
kind: Fix
metadata: {id: own.clean, version: 2, title: Clean}
parameters:
  mount: {type: path, from: fs.mount}
  worst: {type: path, from: worst.mount}
  keep: {type: size, default: 1M}
consent: {text: Clean.}
risk: {impact: none, reversible: full}
steps: [{name: pause, wait: {for: 1s}}]
verify: [{when: 'true'}]
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "own.yaml").write_text(ISSUE)
    return load_catalog([tmp_path])


def about(catalog: Catalog, facts: dict[str, object], **statuses: str) -> list[Finding]:
    observed = Observed(facts, statuses, {"filesystems": "ab" * 32})
    return evaluate_issue(catalog.issues["own.disk"], catalog, observed)


def test_the_first_outcome_that_holds_is_the_finding(catalog: Catalog) -> None:
    facts: dict[str, object] = {
        "filesystems": [
            {"mount": "/", "used_pct": 97.0},
            {"mount": "/b", "used_pct": 81.25},
            {"mount": "/c", "used_pct": 1.0},
        ]
    }
    found = about(catalog, facts)
    assert [each.outcome for each in found] == ["fail", "warn", "pass"]
    assert [each.subject for each in found] == ["/", "/b", "/c"]
    assert found[0].message == "/ is 97% full, worst /, of 3, ?"
    assert found[0].evidence == (Evidence(collector="filesystems", pointer="/0", sha256="ab" * 32),)


def test_a_finding_names_issue_and_fix_with_version_digest_and_filled_parameters(catalog: Catalog) -> None:
    found = about(catalog, {"filesystems": [{"mount": "/x", "used_pct": 97.0}]})[0]
    assert (found.issue, found.version, found.digest) == ("own.disk", 3, catalog.issues["own.disk"].digest)
    assert (found.fix, found.fix_version, found.fix_digest) == ("own.clean", 2, catalog.fixes["own.clean"].digest)
    assert found.parameters == {"mount": "/x", "worst": "/x"}


def test_a_missing_collector_is_unknown_and_says_which(catalog: Catalog) -> None:
    found = about(catalog, {}, filesystems="timed-out")
    assert [each.outcome for each in found] == ["unknown"]
    assert "filesystems (timed-out)" in found[0].message


def test_an_error_in_a_condition_stops_at_unknown_and_does_not_fall_through_to_pass(catalog: Catalog) -> None:
    found = about(catalog, {"filesystems": [{"mount": "/"}, {"mount": "/b", "used_pct": "full"}]})
    assert [each.outcome for each in found] == ["unknown", "unknown"]


def test_facts_that_were_cut_never_prove_a_pass_but_still_a_fail(catalog: Catalog) -> None:
    facts: dict[str, object] = {"filesystems": [{"mount": "/", "used_pct": 97.0}, {"mount": "/c", "used_pct": 1.0}]}
    assert [each.outcome for each in about(catalog, facts, filesystems="cut")] == ["fail", "unknown"]


@pytest.mark.parametrize("facts", [{"filesystems": 7}, {"filesystems": {"a": 1}}, {"filesystems": None}])
def test_facts_of_another_form_are_unknown(catalog: Catalog, facts: dict[str, object]) -> None:
    assert {each.outcome for each in about(catalog, facts)} <= {"unknown"}


def test_more_items_than_the_limit_are_said_to_be_unknown(catalog: Catalog) -> None:
    found = about(catalog, {"filesystems": [{"mount": "/", "used_pct": 1.0}] * 300})
    assert len(found) == 201
    assert found[-1].outcome == "unknown"


def test_findings_come_gravest_first_and_passes_only_when_asked(catalog: Catalog) -> None:
    facts: dict[str, object] = {
        "filesystems": [{"mount": "/c", "used_pct": 1.0, "read_only": False, "inodes": 0, "inodes_used_pct": 0.0}],
        "cpu": {"load_per_cpu": 9.0, "load_5m": 9.0, "count": 1},
        "memory": {"available_pct": 1.0},
    }
    found = evaluate(catalog, facts)
    assert [each.issue for each in found][:2] == ["linux.memory.low", "linux.cpu.overloaded"]
    assert "pass" not in {each.outcome for each in found}
    assert "pass" in {each.outcome for each in evaluate(catalog, facts, all_outcomes=True)}


def test_an_issue_of_another_platform_is_not_asked(catalog: Catalog) -> None:
    found = {each.issue for each in evaluate(catalog, {}, platform="windows", all_outcomes=True)}
    assert found
    assert all("windows" in catalog.issues[issue].platforms for issue in found)
    assert not any(issue.startswith("linux.") for issue in found)


def test_a_regex_of_an_issue_adds_what_a_log_says(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "kind: KnownIssue\n"
        "metadata: {id: own.port, version: 1, title: Port, severity: low}\n"
        "collect:\n  - services: {with: {lines: 20}, extract: {port: 'bind.*:(?P<port>\\d+) .*in use'}}\n"
        "foreach: {item: u, in: 'services.filter(u, has(u.port))'}\n"
        "outcomes: [{fail: {when: u.port == 80, message: '{u.name}'}}]\n"
    )
    catalog = load_catalog([tmp_path])
    rows = [{"name": "a", "log": ["x", "cannot bind 0.0.0.0:80 (address in use)"]}, {"name": "b", "log": []}]
    found = evaluate_issue(catalog.issues["own.port"], catalog, Observed({"services": rows}, {}, {}))
    assert [(each.outcome, each.message) for each in found] == [("fail", "a")]


def test_every_test_of_the_shipped_catalog_passes() -> None:
    from remote_assist.diagnostics.catalog_lint import run_tests

    catalog = load_catalog()
    assert len(catalog.issues) >= 6
    for issue in catalog.issues.values():
        assert issue.tests
        for name, expected, got in run_tests(issue, catalog):
            assert got == expected, f"{issue.id}: {name}"


@pytest.mark.parametrize(("status", "outcomes"), [("unavailable", {"skipped"}), ("timed-out", {"unknown"})])
def test_trends_are_not_missed_where_nobody_watches(status: str, outcomes: set[str]) -> None:
    shipped = load_catalog()
    trends = {name for name, issue in shipped.issues.items() if [use.collector for use in issue.collect] == ["trend"]}
    found = evaluate(shipped, {"host": {}}, statuses={"host": "ok", "trend": status}, all_outcomes=True)
    assert len(trends) > 5
    assert {finding.outcome for finding in found if finding.issue in trends} == outcomes

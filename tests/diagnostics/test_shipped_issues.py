"""What every shipped known issue and fix must bring with it."""

import time

import pytest

from remote_assist.core.catalog.model import PLATFORMS, Catalog, Fix, KnownIssue
from remote_assist.core.findings import evaluate
from remote_assist.diagnostics.catalog_lint import run_tests
from remote_assist.diagnostics.catalog_loader import load_catalog, shipped_folder

SHIPPED = load_catalog()
ISSUES = list(SHIPPED.issues.values())
FIXES = list(SHIPPED.fixes.values())


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.id)
def test_an_issue_passes_its_own_tests_which_show_trouble_health_and_ignorance(issue: KnownIssue) -> None:
    told = list(run_tests(issue, SHIPPED))
    assert [(name, got) for name, expected, got in told if got != expected] == []
    seen = {outcome for _, expected, _ in told for outcome in expected}
    assert len(told) >= 3
    assert seen & {"fail", "warn"}
    assert "unknown" in seen
    healthy = any(not expected or set(expected) <= {"pass", "skipped"} for _, expected, _ in told)
    assert healthy or issue.item, "shows no healthy machine"


@pytest.mark.parametrize("issue", ISSUES, ids=lambda issue: issue.id)
def test_every_outcome_of_an_issue_is_reached_by_one_of_its_tests(issue: KnownIssue) -> None:
    reached = {outcome for _, expected, _ in run_tests(issue, SHIPPED) for outcome in expected}
    assert {case.result for case in issue.outcomes} - {"pass"} <= reached


def test_an_issue_without_facts_is_never_passed(catalog: Catalog) -> None:
    told = [each for one in PLATFORMS for each in evaluate(catalog, {}, platform=one, all_outcomes=True)]
    assert {each.outcome for each in told} == {"unknown"}
    assert {each.issue for each in told} == set(catalog.issues)


def test_an_issue_explains_itself_to_people(catalog: Catalog) -> None:
    for issue in catalog.issues.values():
        assert len(issue.explanation.strip()) >= 60, issue.id
        assert issue.category and issue.title, issue.id
        assert all(case.message for case in issue.outcomes), issue.id


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.id)
def test_a_fix_says_its_conditions_in_words_and_is_offered(fix: Fix) -> None:
    assert fix.prechecks
    assert all(each.says and each.message for each in fix.prechecks)
    assert fix.verify
    assert all(each.says for each in fix.verify)
    assert any(case.fix == fix.id for issue in ISSUES for case in issue.outcomes)
    for step in fix.steps:
        if step.verb == "command":
            assert step.undo or step.irreversible or step.readonly or step.undone_by, step.name
    if fix.risk.reversible == "full":
        assert not any(step.irreversible for step in fix.steps)


def test_the_whole_catalog_is_evaluated_quickly(catalog: Catalog) -> None:
    facts = {name: value for issue in catalog.issues.values() for name, value in issue.tests[0].facts.items()}
    begun = time.monotonic()
    evaluate(catalog, facts, all_outcomes=True)
    assert time.monotonic() - begun < 2.0  # about 0.1 s here when nothing else runs


def test_files_of_the_catalog_stay_small() -> None:
    for file in shipped_folder().glob("*.yaml"):
        assert len(file.read_text().splitlines()) < 450, file.name

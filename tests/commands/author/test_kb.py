"""`kb` as a person runs it."""

import json
from pathlib import Path

import pytest

from remote_assist.cli import main

GOOD = """kind: KnownIssue
metadata: {id: own.issue, version: 1, title: Own, severity: low}
collect: [cpu]
outcomes: [{fail: {when: cpu.count > 1, message: '{cpu.count}'}}]
tests: [{name: two, facts: {cpu: {count: 2}}, expect: [fail]}]
"""


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    status = main(list(words))
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def test_kb_list_shows_every_item_with_digest_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines, _ = run(capsys, "kb", "list", "--json")
    items = [json.loads(line) for line in lines]
    assert status == 0
    assert {each["kind"] for each in items} == {"collector", "bundle", "issue", "fix"}
    assert all(len(each["digest"]) == 64 for each in items)
    assert run(capsys, "kb", "list", "--plain")[1] == [each["id"] for each in items]


def test_kb_lint_of_the_shipped_catalog_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "kb", "lint") == (0, ["no problem found"], "")


def test_kb_lint_prints_every_problem_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(GOOD.replace("severity: low", "severity: loud") + "platfroms: [linux]\n")
    status, lines, _ = run(capsys, "kb", "lint", str(file))
    assert status == 2
    assert lines[0].startswith(f"{file}:2: 'severity' is 'loud'")
    assert "did you mean 'platforms'?" in lines[1]
    said = [json.loads(line) for line in run(capsys, "kb", "lint", str(tmp_path), "--json")[1]]
    assert [each["line"] for each in said] == [2, 6]


def test_kb_test_runs_the_issues_own_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(GOOD)
    assert run(capsys, "kb", "test", str(file))[:2] == (0, ["ok  own.issue: two", "1 passed, 0 failed"])
    file.write_text(GOOD.replace("expect: [fail]", "expect: [pass]"))
    status, lines, _ = run(capsys, "kb", "test", str(file))
    assert status == 1
    assert lines[0] == "FAILED  own.issue: two: expected pass, got fail"
    answer = json.loads(run(capsys, "kb", "test", str(file), "--json")[1][0])
    assert answer == {"issue": "own.issue", "test": "two", "expected": ["pass"], "got": ["fail"], "passed": False}


def test_kb_test_of_files_that_do_not_hold_together_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(GOOD.replace("cpu.count > 1", "cpuu.count > 1"))
    assert run(capsys, "kb", "test", str(file))[0] == 2

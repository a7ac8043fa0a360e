"""Catalog files: what is accepted, and that every fault is named with file, line and the nearest known key."""

import re
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import FIELD_TYPES, PARAMETER_TYPES, SENSITIVITIES, STEP_VERBS
from remote_assist.diagnostics.catalog_lint import lint, run_tests
from remote_assist.diagnostics.catalog_loader import load_catalog, read_catalog, shipped_folder
from remote_assist.errors import ContentError

EXAMPLES = Path(__file__).parent / "data" / "worked_examples.yaml"
COLLECTOR = """kind: Collector
metadata: {id: own, version: 1, title: Own}
sensitivity: public
implementations: [{os: linux, builtin: host}]
"""
ISSUE = """kind: KnownIssue
metadata: {id: own.issue, version: 1, title: Own, severity: low}
collect: [cpu]
outcomes: [{fail: {when: cpu.count > 1, message: '{cpu.count}'}}]
tests: [{name: t, facts: {cpu: {count: 2}}, expect: [fail]}]
"""
FIX = """kind: Fix
metadata: {id: own.fix, version: 1, title: Own}
parameters: {unit: {type: unit}}
consent: {text: 'Restart {params.unit}.'}
risk: {impact: none, reversible: full}
steps: [{name: restart, service: {name: '{params.unit}', state: restarted}}]
verify: [{when: 'services.exists(s, s.name == params.unit)'}]
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "own.yaml").write_text(text)
    return [f"{each.line}: {each.sentence}" for each in lint(tmp_path)[1]]


def test_the_shipped_catalog_has_no_problem() -> None:
    assert lint(shipped_folder())[1] == []


def test_the_worked_examples_of_the_format_are_read_whole() -> None:
    reading = read_catalog([EXAMPLES])
    assert reading.problems == []
    assert len(reading.catalog.issues) == 4
    fix = reading.catalog.fixes["linux.disk.journald-vacuum"]
    assert [step.verb for step in fix.steps] == ["command", "file.write", "service"]
    assert fix.needs_root and fix.rollback
    assert fix.steps[0].arguments["timeout"] == 120.0
    assert fix.steps[0].irreversible == "deleted log entries cannot be restored"
    windows = reading.catalog.issues["windows.update.service-stuck"]
    assert windows.collect[3].inline is not None
    assert "Get-WinEvent" in windows.collect[3].inline.powershell


@pytest.mark.parametrize("text", [COLLECTOR, ISSUE, FIX])
def test_small_whole_items_have_no_problem(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (COLLECTOR + "sensitivty: x\n", "5: unknown key 'sensitivty' in the document; did you mean 'sensitivity'?"),
        (COLLECTOR + "sensitivity: x\n", "5: the key 'sensitivity' is given twice"),
        (COLLECTOR.replace("public", "open"), "3: 'sensitivity' is 'open'; it must be one of public"),
        (COLLECTOR.replace("version: 1", "version: one"), "2: 'version' must be a whole number"),
        (COLLECTOR.replace("version: 1", "version: 0"), "2: 'version' must be at least 1"),
        (COLLECTOR.replace(", title: Own", ""), "2: 'title' is missing"),
        (COLLECTOR.replace("builtin: host", "builtin: hots"), "4: there is no builtin 'hots'; did you mean 'host'?"),
        (COLLECTOR.replace("builtin: host", "builtin: host, powershell: x"), "exactly one of"),
        (COLLECTOR.replace("builtin: host", "command: {argv: uname -a}"), "'argv' must be a list"),
        (COLLECTOR.replace("builtin: host", "command: {argv: ['{params.x}']}"), "may not come from a parameter"),
        (COLLECTOR + "limits: {timeout: 10}\n", "5: 'timeout' must be a duration"),
        (COLLECTOR + "limits: {max_bytes: big}\n", "5: 'max_bytes' must be a size"),
        (COLLECTOR + "rows: {a: strng}\n", "5: 'a' is 'strng'; it must be one of"),
        (COLLECTOR.replace("Collector", "Colector"), "1: kind 'Colector' is unknown; did you mean 'Collector'?"),
        ("apiVersion: remote-assist/v2\n" + COLLECTOR, "1: apiVersion is 'remote-assist/v2'"),
        (COLLECTOR.replace("id: own", "id: host"), "the id 'host' is used twice"),
        ("a: &x 1\nb: *x\n", "aliases are not allowed"),
        ("a: !!python/object:os.system x\n", "the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed"),
        ("a: [1, 2\n", "this is not YAML"),
        ("a: " + "[" * 60 + "]" * 60, "levels deep"),
        ("a: \x07\n", "this is not YAML"),
        ("- 1\n", "must be a mapping"),
        (ISSUE.replace("collect: [cpu]", "collect: [cpuu]"), "3: there is no collector 'cpuu'; did you mean 'cpu'?"),
        (ISSUE.replace("cpu.count > 1", "memory.count > 1"), "undeclared reference to 'memory"),
        (ISSUE.replace("cpu.count > 1", "cpu.count >"), "4: the expression `cpu.count >` does not hold"),
        (ISSUE.replace("{cpu.count}", "{cpuu.count}"), "'{cpuu.count}' names nothing known here; did you mean 'cpu'?"),
        (ISSUE.replace("{cpu.count}", "{cpu.count + 1}"), "braces hold a value path"),
        (ISSUE.replace("fail: {", "fial: {"), "an outcome is one of fail, warn, pass"),
        (ISSUE.replace("message:", "fix: own.nofix, message:"), "there is no fix 'own.nofix'"),
        (ISSUE.replace("message:", "fix: linux.service.free-port, message:"), "cannot be filled from here"),
        (ISSUE.replace("expect: [fail]", "expect: [bad]"), "'bad' is no outcome"),
        (ISSUE.partition("tests")[0], "a known issue needs 'tests'"),
        (ISSUE + "evidence: [memory]\n", "'memory' is not collected by this issue"),
        (FIX.replace("service:", "servcie:"), "'servcie' is no step verb; did you mean 'service'?"),
        (FIX.replace("{params.unit}', state", "{params.unti}', state"), "is no parameter of this fix; did you mean"),
        (FIX.replace("type: unit", "type: string"), "a string needs a 'pattern'"),
        (FIX.replace("type: unit", "type: enum"), "an enum needs 'values'"),
        (FIX.replace("services.exists", "service.exists"), "undeclared reference to 'service"),
        (FIX.replace("type: unit", "type: string, pattern: '('"), "the pattern is none"),
        (FIX.partition("verify")[0], "a fix needs 'verify'"),
        (
            FIX.replace("service: {name: '{params.unit}', state: restarted}", "command: {argv: [a]}"),
            "must state 'undo', 'readonly: true' or 'irreversible: reason'",
        ),
        (FIX.replace("state: restarted", "state: gone"), "'state' is 'gone'"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, text: str, found: str) -> None:
    said = problems(tmp_path, text)
    assert any(found in each for each in said), said


def test_every_problem_is_reported_and_loading_names_the_first(tmp_path: Path) -> None:
    text = COLLECTOR.replace("public", "open") + "colour: red\nlimits: {timeout: x, rows: 3}\n"
    assert len(problems(tmp_path, text)) == 4
    with pytest.raises(ContentError, match=r"own\.yaml:3: 'sensitivity' is 'open'.*\(3 more\)"):
        load_catalog([tmp_path])


def test_words_that_yaml_1_1_takes_for_booleans_stay_words(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(ISSUE.replace("title: Own", "title: on").replace("name: t,", "name: no,"))
    issue = load_catalog([tmp_path]).issues["own.issue"]
    assert (issue.title, issue.tests[0].name) == ("on", "no")


def test_the_digest_follows_the_content_and_not_its_layout(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "own.yaml").write_text(text)
        return load_catalog([tmp_path]).collectors["own"].digest

    first = digest(COLLECTOR)
    assert (
        digest("# a comment\n" + COLLECTOR.replace("{os: linux, builtin: host}", "{builtin: host, os: linux}")) == first
    )
    assert digest(COLLECTOR.replace("builtin: host", "builtin: cpu")) != first


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="no such file"):
        load_catalog([tmp_path / "none.yaml"])


def test_a_file_that_is_too_long_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_bytes(b"#" * (1 << 20) + b"#")
    (tmp_path / "raw.yaml").write_bytes(b"\xff\xfe")
    said = [each.sentence for each in read_catalog([tmp_path]).problems]
    assert any("longer than" in each for each in said)
    assert any("not UTF-8" in each for each in said)


def test_every_example_of_the_documentation_holds_and_passes_its_own_tests(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "catalog.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 3
    for number, text in enumerate(examples):
        (tmp_path / f"{number}.yaml").write_text(text)
    reading, found = lint(tmp_path)
    assert found == []
    issue = reading.catalog.issues["example.spool-stuck"]
    assert [got == expected for _, expected, got in run_tests(issue, reading.catalog)] == [True] * 4


def test_the_documentation_names_every_verb_and_every_type() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "catalog.md").read_text()
    for word in (*STEP_VERBS, *FIELD_TYPES, *PARAMETER_TYPES, *SENSITIVITIES):
        assert word in page, word

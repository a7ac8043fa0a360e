"""`kb new`, `kb explain`, `kb schema`, and what `kb lint` says about what nobody uses or reaches."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from remote_assist.cli import main
from remote_assist.diagnostics.catalog_loader import shipped_folder
from remote_assist.diagnostics.catalog_schema import catalog_schema
from remote_assist.diagnostics.catalog_templates import TEMPLATES

VALIDATOR = Draft202012Validator(catalog_schema())


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main(["kb", *map(str, words)])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_a_new_file_lints_and_tests_at_once(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.yaml"
    name = "acme_uptime" if kind == "collector" else "acme.first"
    assert run(capsys, "new", kind, name, "-o", file)[0] == 0
    assert run(capsys, "lint", file)[:2] == (0, "no problem found\n")
    assert run(capsys, "test", file)[0] == 0
    assert run(capsys, "new", kind, name, "-o", file)[0] == 2, "a file that is there is not written over"
    assert name in run(capsys, "new", kind, name)[1]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("linux.service.port-taken", "fix linux.service.free-port: "),
        ("linux.service.free-port", "offered by  linux.service.port-taken"),
        ("smart", "unverified: nobody has run it there yet"),
        ("first-look", "collects    host"),
    ],
)
def test_an_item_is_explained_in_plain_words(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, shown, _ = run(capsys, "explain", name)
    assert status == 0
    assert said in shown
    assert json.loads(run(capsys, "explain", name, "--json")[1])["id"] == name


def test_an_unknown_item_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = run(capsys, "explain", "linux.service.port-takn")
    assert status == 2
    assert "did you mean 'linux.service.port-taken'" in said


def test_the_schema_takes_every_shipped_document_and_no_unknown_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, "schema")[1]) == catalog_schema()
    for file in sorted(shipped_folder().glob("*.yaml")):
        for document in yaml.load_all(file.read_text(), _Plain):
            assert VALIDATOR.is_valid(document), f"{file.name}: {document['metadata']['id']}"
            assert not VALIDATOR.is_valid({**document, "no_such_key": 1})
            wrong: dict[str, Any] = {**document, "metadata": {**document["metadata"], "version": "one"}}
            assert not VALIDATOR.is_valid(wrong)


class _Plain(yaml.SafeLoader):
    """Without dates."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tf":
    _Plain.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"))
    )

ISSUE = """kind: KnownIssue
metadata: {id: own.issue, version: 1, title: Own, severity: low}
collect: [cpu, memory]
outcomes:
  - fail: {when: cpu.count > 1, let: {half: cpu.count / 2}, message: '{cpu.count}'}
  - warn: {when: cpu.count > 1, message: again}
  - warn: {message: always}
  - pass: {message: never}
tests: [{name: two, facts: {cpu: {count: 2}}, expect: [fail]}]
---
kind: Fix
metadata: {id: own.fix, version: 1, title: Own}
parameters: {unit: {type: unit}, spare: {type: int}}
consent: {text: 'Start {params.unit}.'}
risk: {impact: none, downtime: none, reversible: full}
steps: [{name: start, service: {name: '{params.unit}', state: started}}]
verify: [{when: 'true'}]
"""


def test_what_is_used_nowhere_or_never_reached_is_said_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(ISSUE)
    lines = run(capsys, "lint", file)[1].splitlines()
    said = [line.removeprefix(f"{file}:") for line in lines]
    assert said == [
        "3: 'memory' is collected and used by no condition or message",
        "5: 'half' is used nowhere",
        "6: this is never reached: the fail before it has its condition",
        "8: this is never reached: the warn before it is always true",
        "13: the parameter 'spare' is used nowhere",
    ]

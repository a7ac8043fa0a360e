"""CEL behind its door: true, false or unknown, and nothing that hangs or lies."""

import subprocess
import sys
import time

import pytest

from remote_assist.core.conditions import Conditions, Unknown, names_in
from remote_assist.errors import ContentError

CONDITIONS = Conditions(["fs", "u", "params"])


def test_conditions_are_true_or_false() -> None:
    assert CONDITIONS.holds("fs.exists(f, f.used >= 90.0)", {"fs": [{"used": 95.0}]}) is True
    assert CONDITIONS.holds("fs.exists(f, f.used >= 90.0)", {"fs": [{"used": 5.0}]}) is False
    assert CONDITIONS.holds('u.name.split("/")[1] == "b"', {"u": {"name": "a/b"}}) is True


@pytest.mark.parametrize(
    ("expression", "facts"),
    [
        ("fs.exists(f, f.used > 1.0)", {}),
        ("u.nope > 1", {"u": {"name": "x"}}),
        ("u.name > 1", {"u": {"name": "x"}}),
        ("u.name", {"u": {"name": "x"}}),
        ("fs[3].used > 1.0", {"fs": []}),
        ("u.n / 0 == 1", {"u": {"n": 1}}),
        ("u.n * 9223372036854775807 > 0", {"u": {"n": 3}}),
    ],
)
def test_what_cannot_be_evaluated_is_unknown_and_never_a_verdict(expression: str, facts: dict[str, object]) -> None:
    assert isinstance(CONDITIONS.holds(expression, facts), Unknown)


def test_a_true_side_decides_an_or_whose_other_side_is_missing() -> None:
    assert CONDITIONS.holds("u.nope == 1 || u.a == 1", {"u": {"a": 1}}) is True
    assert CONDITIONS.holds("has(u.nope) && u.nope == 1", {"u": {"a": 1}}) is False


@pytest.mark.parametrize("expression", ["nope.x == 1", "fs ==", "u.name.nosuchfunction()", "fs.map(", "x" * 5000])
def test_syntax_errors_and_undeclared_names_are_content_errors(expression: str) -> None:
    with pytest.raises(ContentError):
        CONDITIONS.compile(expression)


def test_an_undeclared_name_is_named_with_its_column() -> None:
    with pytest.raises(ContentError, match=r"column \d+: undeclared reference to 'filesystem'"):
        CONDITIONS.compile("filesystem.size() > 1")


def test_values_come_back_plain() -> None:
    facts = {"fs": [{"port": 80, "on": True, "none": None, "names": ["a"], "pct": 1.5}]}
    assert CONDITIONS.value("fs.filter(f, f.port == 80)[0]", facts) == facts["fs"][0]
    assert CONDITIONS.value("fs.map(f, f.port)", facts) == [80]


def test_hostile_facts_cannot_make_it_run_long() -> None:
    begun = time.monotonic()
    many = {"fs": [{"n": n} for n in range(20_000)]}
    assert isinstance(CONDITIONS.holds("fs.all(f, fs.all(g, f.n + g.n >= 0))", many), Unknown)
    CONDITIONS.holds('u.name.matches("(a+)+b")', {"u": {"name": "a" * 50_000}})
    assert time.monotonic() - begun < 2.0


def test_names_are_found_outside_texts_and_fields() -> None:
    assert names_in('services.exists(s, s.name == "ports" && params.unit != s.port)') >= {"services", "params", "s"}
    assert "ports" not in names_in('s.name == "ports"')
    assert "port" not in names_in("s.port == 1")


def test_without_the_extra_it_loads_and_says_what_to_install() -> None:
    program = (
        "import sys\nsys.modules['cel_expr_python'] = None\n"
        "from remote_assist.core.conditions import Conditions\n"
        "from remote_assist.errors import RefusedError\n"
        "try:\n    Conditions(['a'])\n"
        "except RefusedError as error:\n    print(error.reason, error.message, error.advice)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no-rules ")
    assert "[rules]" in done.stdout


@pytest.mark.parametrize(
    ("expression", "value", "words"),
    [
        ("fs.used > 1", {}, "the fact 'used' is missing"),
        ("fs.used > 1", {"used": "much"}, "a value is of another kind than expected"),
        ("fs[3] == 1", [1], "there is no item 3 in a list of 1"),
        ("1 / fs == 1", 0, "a number is divided by zero"),
        ("fs.used.pct == 1", {"used": 3}, "a value has no parts, and one of them is asked for"),
        ("int(fs) == 1", "many", "a text is no int"),
        ("fs * 9223372036854775807 == 1", 5, "a number is too large"),
    ],
)
def test_why_something_cannot_be_said_is_told_in_plain_words(expression: str, value: object, words: str) -> None:
    verdict = Conditions({"fs"}).value(expression, {"fs": value})
    assert verdict == Unknown(words)


def test_facts_that_were_not_collected_are_named() -> None:
    assert Conditions({"fs"}).value("fs == 1", {}) == Unknown("the facts of 'fs' are missing")

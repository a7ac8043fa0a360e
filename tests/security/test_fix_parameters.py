"""T24 and T4: no value of a fix's parameter reaches a program as anything but one argv item it may be."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.catalog.fix_parameters import check_parameters
from remote_assist.core.catalog.model import Fix, Parameter
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.fixes import apply_plan, plan_fix
from remote_assist.errors import RefusedError
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget

NASTY = [
    "; reboot", "$(reboot)", "`reboot`", "a|b", "a&b", "a>b", "<a", "a\nb", "a\0b", "-rf", "--help", "../../etc",
    "a b", "'", '"', "\\", "{params.x}", "${HOME}", "*", "~", "é", "\u202e", "", "a/../b", "a" * 300, "%s", "!x",
]  # fmt: skip
FREE_PORT = load_catalog().fixes["linux.service.free-port"]
SAFE_UNIT = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:@-")


@pytest.fixture
def target() -> RealTarget:
    return RealTarget()


@pytest.fixture
def journal(target: RealTarget) -> Journal:
    return Journal(target)


def fix_with(parameter: Parameter) -> Fix:
    import dataclasses

    return dataclasses.replace(FREE_PORT, parameters={parameter.name: parameter})


def refused(fix: Fix, value: str) -> bool:
    try:
        check_parameters(fix, {"x": value})
    except RefusedError as error:
        assert error.reason == "parameter"
        return True
    return False


@pytest.mark.parametrize("kind", ["unit", "int", "size", "enum", "string", "path"])
@pytest.mark.parametrize("value", NASTY, ids=[repr(each)[:20] for each in NASTY])
def test_values_that_mean_something_to_a_shell_or_an_option_parser_are_refused(kind: str, value: str) -> None:
    parameter = Parameter("x", kind, pattern="[a-z0-9]{1,20}", values=("one", "two"))
    assert refused(fix_with(parameter), value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("unit", "nginx.service"), ("unit", "getty@tty1.service"), ("unit", "web-a"), ("int", "8080"), ("int", "-1"),
        ("size", "500M"), ("size", "9000"), ("size", "2GiB"), ("enum", "two"), ("string", "abc1"),
        ("path", "/etc/nginx/nginx.conf"), ("path", "/srv/my files/ü"),
    ],
)  # fmt: skip
def test_values_that_fit_are_taken(kind: str, value: str) -> None:
    parameter = Parameter("x", kind, pattern="[a-z0-9]{1,20}", values=("one", "two"))
    typed = check_parameters(fix_with(parameter), {"x": value})["x"]
    assert typed == (int(value) if kind == "int" else value)


@given(st.text(max_size=300))
def test_any_unit_that_is_taken_is_made_of_safe_characters(value: str) -> None:
    if not refused(fix_with(Parameter("x", "unit")), value):
        assert set(value) <= SAFE_UNIT
        assert not value.startswith(("-", "."))


@given(st.text(max_size=60))
def test_any_path_that_is_taken_is_absolute_and_stays_where_it_says(value: str) -> None:
    if not refused(fix_with(Parameter("x", "path")), value):
        assert value.startswith("/")
        assert ".." not in Path(value).parts
        assert value.isprintable()


@given(st.integers(), st.integers(min_value=-100, max_value=100))
def test_numbers_stay_within_their_range(value: int, low: int) -> None:
    parameter = Parameter("x", "int", minimum=str(low), maximum=str(low + 10))
    assert refused(fix_with(parameter), str(value)) == (not low <= value <= low + 10)


def test_sizes_are_compared_as_sizes() -> None:
    parameter = Parameter("x", "size", minimum="100M", maximum="1G")
    assert [each for each in ("99M", "100M", "1024M", "2G", "1") if not refused(fix_with(parameter), each)] == [
        "100M",
        "1024M",
    ]


def test_a_parameter_nobody_declared_or_that_is_missing_is_refused() -> None:
    with pytest.raises(RefusedError, match="has no parameter 'shell'"):
        check_parameters(FREE_PORT, {"unit": "a", "holder": "b", "port": "1", "shell": "x"})
    with pytest.raises(RefusedError, match="'holder' is missing"):
        check_parameters(FREE_PORT, {"unit": "a", "port": "1"})


ECHO = """
kind: Fix
metadata: {{id: own.echo, version: 1, title: Echo}}
parameters: {{text: {{type: string, pattern: '[^-].{{0,200}}'}}}}
consent: {{text: Echo.}}
risk: {{impact: none, reversible: full}}
steps:
  - name: write down what arrived
    command: {{argv: ['{python}', '{program}', '{out}', '{{params.text}}', 'x={{params.text}}']}}
    check: skip
    undo: none
verify: [{{when: 'true'}}]
"""


@pytest.mark.parametrize(
    "value", ["a; touch pwned", "$(touch pwned)", "a `id` b", 'x\' "y"', "a|b&&c>d", "*", "%PATH%"]
)
async def test_argv_items_arrive_verbatim_and_no_shell_is_ever_started(
    tmp_path: Path, value: str, target: RealTarget, journal: Journal
) -> None:
    out = tmp_path / "out"
    program = tmp_path / "echo.py"
    program.write_text("import sys, pathlib\npathlib.Path(sys.argv[1]).write_text('\\n'.join(sys.argv[2:]))\n")
    (tmp_path / "echo.yaml").write_text(ECHO.format(python=sys.executable, program=program, out=out))
    catalog = load_catalog([tmp_path])
    prepared = await plan_fix(catalog, "own.echo", {"text": value}, target, elevated=False, clock=now)
    assert prepared.plan.runnable, prepared.plan.why_not
    result = await apply_plan(prepared, target, progress=lambda _: None, undo=journal)
    assert result.status == "resolved"
    assert out.read_text().splitlines() == [value, f"x={value}"]
    programs = {act[1] for act in target.log if act[0] in {"run", "spawn"}}
    assert programs == {sys.executable}
    assert not (tmp_path / "pwned").exists()

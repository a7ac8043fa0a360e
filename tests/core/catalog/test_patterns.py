"""Patterns that cannot take forever, and those that could."""

import pytest

from remote_assist.core.catalog.patterns import MAX_PATTERN_CHARS, pattern_fault


@pytest.mark.parametrize(
    "pattern", [r"(?P<port>\d+)", r"(?i)bind.*:(?P<p>\d+).*(?:in use|EADDRINUSE)", "[a-z]{1,20}", ""]
)
def test_plain_patterns_hold(pattern: str) -> None:
    assert pattern_fault(pattern) == ""


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|b+)*", r"(\w+\s?)*x", "(?:a{1,100}){1,100}", "((x*)y)*", "(?=(a+))*b"]
)
def test_a_repeat_inside_a_repeat_is_refused(pattern: str) -> None:
    assert "can take forever" in pattern_fault(pattern)


def test_many_repeats_in_a_row_and_long_or_broken_patterns_are_refused() -> None:
    assert "can take very long" in pattern_fault(".*a.*b.*c.*d")
    assert "longer than" in pattern_fault("a" * (MAX_PATTERN_CHARS + 1))
    assert "is none" in pattern_fault("(")
    assert "is none" in pattern_fault("(" * 300)

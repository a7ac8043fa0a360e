"""A file's change in a plan: told apart, without its two headers, bounded."""

from remote_assist.core.plan_words import MAX_DIFF_LINES, diff_lines, is_diff
from remote_assist.core.requests import PlanStep

DIFF = "--- /etc/a.conf\n+++ /etc/a.conf\n@@ -1,2 +1,2 @@\n--- a comment of theirs\n+listen 80\n same"


def step(after: str) -> PlanStep:
    return PlanStep(name="n", before="b", after=after, undo="")


def test_a_change_of_a_file_is_told_from_a_state() -> None:
    assert is_diff(step(DIFF))
    assert not is_diff(step("active")) and not is_diff(step(""))


def test_only_the_two_headers_go() -> None:
    assert diff_lines(DIFF) == ["@@ -1,2 +1,2 @@", "--- a comment of theirs", "+listen 80", " same"]
    assert diff_lines("one\ntwo") == ["one", "two"]


def test_a_long_diff_says_how_much_is_not_shown() -> None:
    lines = diff_lines("\n".join(f"+{number}" for number in range(MAX_DIFF_LINES + 5)))
    assert len(lines) == MAX_DIFF_LINES + 1 and lines[-1] == "… 5 more lines"

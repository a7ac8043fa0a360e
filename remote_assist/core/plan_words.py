"""A fix's plan for people: which steps change a file, and how that change reads."""

from remote_assist.core.requests import PlanStep

MAX_DIFF_LINES = 60
"""Most lines of one file's change that are shown; agents send no more."""


def is_diff(step: PlanStep) -> bool:
    """Whether a step's `after` is a unified diff: it has several lines, as nothing else there has."""
    return "\n" in step.after


def diff_lines(after: str) -> list[str]:
    """The lines of a diff, without the two that name the file; of too many the first, and how many there are more."""
    lines = after.split("\n")
    if lines[0].startswith("--- ") and lines[1].startswith("+++ "):
        lines = lines[2:]
    more = len(lines) - MAX_DIFF_LINES
    return [*lines[:MAX_DIFF_LINES], f"… {more} more lines"] if more > 0 else lines

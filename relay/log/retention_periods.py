"""Periods for which sealed content stays readable: what a `[retention]` table may say."""

import re

PRESETS = {"pci-1y": 365, "hipaa-6y": 6 * 365 + 2, "sox-7y": 7 * 365 + 2}
"""Name → days. What each rule asks for, and who decides that it applies: docs/compliance.md."""

CONTENT, RECORDINGS = "content", "recordings"
CLASSES = (CONTENT, RECORDINGS)
"""What a period can be set for: all sealed content of a session, or its recordings, bundles and files alone."""

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


def days_of(period: str) -> int | None:
    """Days in a period: a preset's name or `90d`; None for any other text."""
    found = _DAYS.fullmatch(period)
    return PRESETS.get(period) if found is None else int(found[1])


def fault_in(retention: dict[str, str]) -> str:
    """What is wrong with a `[retention]` table, or nothing."""
    for kind, period in retention.items():
        if kind not in CLASSES:
            return f"there is no class '{kind}'; classes: {', '.join(CLASSES)}"
        if days_of(period) is None:
            return f"{kind} is '{period}'; it is a number of days (90d) or one of {', '.join(PRESETS)}"
    return ""

"""Bars as SVG: one figure of a report, drawn by hand, because a plotting library weighs more than the rest of a report.

Rule: text is escaped and safe; a bar's value stands beside it as well, so nothing is told by length alone.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from remote_assist.core.hostile import HostileStr, safe_text

WIDTH, LABEL_WIDTH, ROW, GAP = 640, 200, 18, 6
SERIES_COLOURS = ("#1b6ca8", "#e08e0b", "#3a8f5c")
MAX_BARS = 40


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of bar: a value for each label, and how it is written."""

    name: str
    values: tuple[float, ...]
    words: tuple[str, ...]


def bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> str:
    """A horizontal bar chart; the last MAX_BARS labels when there are more."""
    shown = range(max(0, len(labels) - MAX_BARS), len(labels))
    most = max((one.values[at] for one in series for at in shown), default=0) or 1
    rows, top = [], 40
    for at in shown:
        rows.append(f'<text x="{LABEL_WIDTH - 8}" y="{top + 13}" text-anchor="end">{_text(labels[at])}</text>')
        for one, colour in zip(series, SERIES_COLOURS, strict=False):
            width = (WIDTH - LABEL_WIDTH - 110) * one.values[at] / most
            rows.append(f'<rect x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{ROW - 4}" fill="{colour}"/>')
            rows.append(f'<text x="{LABEL_WIDTH + width + 5:.1f}" y="{top + 12}">{_text(one.words[at])}</text>')
            top += ROW
        top += GAP
    keys = "".join(
        f'<rect x="{LABEL_WIDTH + at * 145}" y="24" width="10" height="10" fill="{colour}"/>'
        f'<text x="{LABEL_WIDTH + at * 145 + 14}" y="33">{_text(one.name)}</text>'
        for at, (one, colour) in enumerate(zip(series, SERIES_COLOURS, strict=False))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'font-family="system-ui,sans-serif" font-size="12"><title>{_text(title)}</title>'
        f'<text x="0" y="14" font-size="14" font-weight="bold">{_text(title)}</text>{keys}{"".join(rows)}</svg>'
    )


def _text(text: str) -> str:
    return html.escape(str(safe_text(HostileStr(text), max_chars=60)))

"""Progress as lines: one bar for the job, one short bar for each item."""

from rich.text import Text

from remote_assist.core.requests import Progress
from remote_assist.tui.pending import ProgressBoard
from remote_assist.tui.theme import ACCENT, FAINT, STATUS
from remote_assist.tui.widgets.lines import bar
from remote_assist.tui.widgets.text import cut, joined, shown

ITEM_BAR = 8
ENDED = frozenset({"done", "ok", "resolved", "failed", "skipped", "cancelled", "refused", "timed-out", "rolled-back"})
"""Statuses after which an item moves no more."""


def board_text(board: ProgressBoard, width: int) -> Text:
    """All items of a job, in the order they appeared."""
    lines = [item_text(progress, width) for progress in board.items.values()]
    return Text("\n", end="").join(lines)


def item_text(progress: Progress, width: int) -> Text:
    """`✔ ████████ certificates      0.4 s`"""
    ended = progress.status in ENDED
    sign, colour = STATUS.get(progress.status, ("✔", STATUS["done"][1]) if ended else ("…", ACCENT))
    own = None if not ended else 1.0
    seconds = f"  {progress.seconds:.1f} s" if progress.seconds else ""
    said = "" if progress.status in {"done", "ok", "running", "started"} else f"  {progress.status}"
    line = joined((f"{sign} ", colour), bar(own, ITEM_BAR), " ", shown(progress.item, max_chars=200))
    return cut(line.append_text(shown(said, colour, max_chars=40)).append(seconds, FAINT), width)


def summary_text(board: ProgressBoard, width: int) -> Text:
    """`████████░░░░  19/22  logs`: the whole job on one line."""
    latest = board.latest
    if latest is None:
        return bar(None, min(24, width))
    count = f"  {latest.done}/{latest.total}  " if latest.total else f"  {latest.done}  "
    line = joined(bar(board.fraction, min(24, max(4, width // 3))), count, shown(latest.item, FAINT, max_chars=120))
    return cut(line, width)

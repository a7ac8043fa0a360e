"""The code a customer made, as their terminal shows it: large, how to say it, to whom, and for how long. Pure.

Rule: who reads it sees the warning before they can have said the last word: it stands under the code, not behind a key.
"""

from dataclasses import dataclass

from remote_assist.agent.prompt.columns import cells, padded
from remote_assist.agent.texts import say
from remote_assist.core.codes import NAMEPLATE_DIGITS, SupportCode, spoken

MARGIN = "   "


@dataclass(frozen=True, slots=True)
class Offer:
    """A code that waits to be taken, good for so many seconds from now."""

    code: SupportCode
    seconds: float

    @property
    def spoken(self) -> str:
        """As one says it on the telephone, in the customer's language; the words themselves are English."""
        return spoken(self.code, str(say("asked.digits")).split())


def code_lines(offer: Offer, elapsed_seconds: float, width: int) -> list[str]:
    """What the customer reads, top to bottom, for a terminal of `width` columns."""
    left = max(0, int(offer.seconds - elapsed_seconds))
    body = [
        say("asked.title"),
        "",
        *_framed(offer.code, width - 4),
        "",
        say("asked.say", spoken=offer.spoken),
        "",
        say("asked.never"),
        say("asked.if-told"),
        "",
        say("asked.left", minutes=left // 60, seconds=f"{left % 60:02d}"),
    ]
    return [f"  {line}" if line else "" for line in body]


def _framed(code: SupportCode, width: int) -> list[str]:
    """The code in a frame, on one line where it fits, else one part a line."""
    half, words = NAMEPLATE_DIGITS // 2, code.words.split("-")
    digits = "  ".join(" ".join(part) for part in (code.nameplate[:half], code.nameplate[half:]))
    whole = MARGIN.join([digits, *words])
    rows = [whole] if cells(whole) + 2 * cells(MARGIN) + 2 <= width else [digits, *words]
    wide = max(cells(row) for row in rows) + 2 * cells(MARGIN)
    inside = ["", *(f"{MARGIN}{row}" for row in rows), ""]
    return ["┌" + "─" * wide + "┐", *(f"│{padded(row, wide)}│" for row in inside), "└" + "─" * wide + "┘"]

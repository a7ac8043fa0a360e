"""One thing redaction looks for: a pattern, where it is worth trying, and a second look at what it hit.

Every pattern is linear: no nested repetition over the same characters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from remote_assist.core.detect.anchors import Anchors


@dataclass(frozen=True, slots=True)
class Detector:
    """A class of personal or secret text. Group `s`, where there is one, is what is replaced.

    `anchors`: where the pattern is worth trying. `sure`: so specific that it is also looked for in structural
    fields and in the final sweep.
    """

    kind: str
    pattern: re.Pattern[str]
    anchors: Anchors
    valid: Callable[[re.Match[str]], bool] | None = None
    sure: bool = False


def detector(
    kind: str,
    pattern: str,
    *,
    words: str = "",
    shapes: str = "",
    hexes: str = "",
    plates: str = "",
    clue: str = "",
    starts: bool = False,
    valid: Callable[[re.Match[str]], bool] | None = None,
    sure: bool = False,
) -> Detector:
    """A row of a table; anchors are pieces joined by `|`, none at all means: try everywhere (detect/anchors.py)."""
    anchors = Anchors(
        words=tuple(words.split("|")) if words else (),
        shapes=tuple(shapes.encode().split(b"|")) if shapes else (),
        hexes=tuple(hexes.encode().split(b"|")) if hexes else (),
        plates=tuple(plates.encode().split(b"|")) if plates else (),
        clue=re.compile(clue) if clue else None,
        starts=starts,
    )
    return Detector(kind, re.compile(pattern, re.MULTILINE), anchors, valid, sure)

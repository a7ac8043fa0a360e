"""A QR code in half blocks: two modules a character. Light modules are drawn, so it also holds without colour on a
dark terminal; where there is colour, black on white is said outright."""

import functools

import segno
from rich.text import Text

BLOCKS = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
"""(upper, lower) dark → the character that leaves the dark ones out."""

STYLE = "#ffffff on #000000"
QUIET = 2
"""Light modules around it. The standard's four leave no room at 80×24; two are what readers were seen to need."""


def qr_text(content: str) -> Text:
    """The smallest code that holds `content`, of error correction L or better."""
    return Text(_blocks(content), STYLE, end="")


@functools.lru_cache(maxsize=1)
def _blocks(content: str) -> str:
    """Made once: the screen around it is drawn anew each second."""
    code = segno.make_qr(content, error="l")
    rows = [[bool(module) for module in row] for row in code.matrix_iter(border=QUIET)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = (
        "".join(BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )
    return "\n".join(lines)

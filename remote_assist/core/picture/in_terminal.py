"""A picture as a terminal shows it: by Kitty's graphics, as sixels, or in half blocks, which every terminal can. Pure.

Rule: out goes only what is made here from points: digits, base64 and the three protocols' own signs.
"""

import base64
from collections.abc import Mapping

from remote_assist.core.picture.png import Picture, encode_png

KITTY, SIXEL, BLOCKS = "kitty", "sixel", "blocks"
WAYS = (KITTY, SIXEL, BLOCKS)

_KITTY_TERMS = ("kitty", "ghostty")
_SIXEL_TERMS = ("foot", "mlterm", "yaft", "sixel", "contour")
_KITTY_PIECE = 4096
_LEVELS = 6
"""Levels of each colour in sixels: 216 colours, as many as every such terminal has."""

_CELL = (8, 16)
"""Points of a character's cell, as sixels assume it: most terminals have larger ones, and none needs more detail."""


def way_of(environment: Mapping[str, str]) -> str:
    """What the terminal that names itself in this environment can show. Inside tmux or screen: half blocks."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "").lower()
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):
        return BLOCKS
    if environment.get("KITTY_WINDOW_ID") or any(name in term for name in _KITTY_TERMS) or program in _KITTY_TERMS:
        return KITTY
    if program in {"wezterm", "mintty"} or any(name in term for name in _SIXEL_TERMS):
        return SIXEL
    return BLOCKS


def shown(picture: Picture, way: str, columns: int, rows: int) -> str:
    """The picture for a terminal of so many columns and rows, ending with a new line."""
    if way == KITTY:
        return _kitty(picture, *_cells(picture, columns, rows))
    wide, high = _cells(picture, columns, rows)
    if way == SIXEL:
        return _sixel(_fitted(picture, wide * _CELL[0], high * _CELL[1]))
    return _blocks(_fitted(picture, wide, high * 2))


def _cells(picture: Picture, columns: int, rows: int) -> tuple[int, int]:
    """The largest box of cells, twice as high as wide, that holds the picture without distortion."""
    scale = min(columns / picture.width, 2 * rows / picture.height)
    return max(1, int(picture.width * scale)), max(1, int(picture.height * scale / 2))


def _fitted(picture: Picture, width: int, height: int) -> Picture:
    """Scaled to exactly this size, each point the mean of four of those it stands for."""
    xs = [_spread(x, width, picture.width) for x in range(width)]
    points = bytearray()
    for y in range(height):
        tops = _spread(y, height, picture.height)
        for near, far in xs:
            four = [picture.at(x, top) for x in (near, far) for top in tops]
            points += bytes(sum(colours) // 4 for colours in zip(*four, strict=True))
    return Picture(width, height, bytes(points))


def _spread(place: int, small: int, large: int) -> tuple[int, int]:
    """Two places of `large` that stand for this one of `small`."""
    return (4 * place + 1) * large // (4 * small), (4 * place + 3) * large // (4 * small)


def _kitty(picture: Picture, columns: int, rows: int) -> str:
    text = base64.standard_b64encode(encode_png(picture)).decode()
    pieces = [text[at : at + _KITTY_PIECE] for at in range(0, len(text), _KITTY_PIECE)]
    first = f"a=T,f=100,c={columns},r={rows},q=2,"
    parts = [
        f"\x1b_G{first if number == 0 else ''}m={int(number + 1 < len(pieces))};{piece}\x1b\\"
        for number, piece in enumerate(pieces)
    ]
    return "".join(parts) + "\n"


def _blocks(picture: Picture) -> str:
    lines = []
    for top in range(0, picture.height - 1, 2):
        cells = []
        for x in range(picture.width):
            upper, lower = picture.at(x, top), picture.at(x, top + 1)
            cells.append("\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*upper, *lower))
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def _sixel(picture: Picture) -> str:
    palette = [
        f"#{red * 36 + green * 6 + blue};2;{red * 20};{green * 20};{blue * 20}"
        for red in range(_LEVELS)
        for green in range(_LEVELS)
        for blue in range(_LEVELS)
    ]
    bands = [_band(picture, top) for top in range(0, picture.height, 6)]
    return f'\x1bPq"1;1;{picture.width};{picture.height}{"".join(palette)}{"-".join(bands)}\x1b\\\n'


def _band(picture: Picture, top: int) -> str:
    """Six lines: for each colour in them the columns it colours."""
    columns: dict[int, list[int]] = {}
    for x in range(picture.width):
        for line in range(min(6, picture.height - top)):
            red, green, blue = (value * _LEVELS // 256 for value in picture.at(x, top + line))
            columns.setdefault(red * 36 + green * 6 + blue, [0] * picture.width)[x] |= 1 << line
    return "$".join(f"#{colour}{_run_lengths(bits)}" for colour, bits in sorted(columns.items()))


def _run_lengths(bits: list[int]) -> str:
    parts, at = [], 0
    while at < len(bits):
        end = at
        while end < len(bits) and bits[end] == bits[at]:
            end += 1
        sign = chr(63 + bits[at])
        parts.append(f"!{end - at}{sign}" if end - at > 3 else sign * (end - at))
        at = end
    return "".join(parts)

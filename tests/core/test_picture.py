"""Pictures: one profile of PNG, read strictly, and what terminals are given of them."""

import random
import re
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.picture import MAX_SIDE, SIGNATURE, Picture, decode_png, encode_png
from remote_assist.core.picture_in_terminal import BLOCKS, KITTY, SIXEL, shown, way_of
from remote_assist.errors import ContentError

SMALL = Picture(3, 2, bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 8, 8, 8, 7, 7, 7]))


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    return SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def _header(width: int = 1, height: int = 1, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


ONE_POINT = (b"IDAT", zlib.compress(b"\0abc"))
END = (b"IEND", b"")


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_what_is_packed_comes_out_the_same(width: int, height: int, dice: object) -> None:
    points = bytes(dice.randrange(256) for _ in range(3 * width * height))  # type: ignore[attr-defined]  # a Random
    picture = Picture(width, height, points)
    assert decode_png(encode_png(picture)) == picture


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"GIF89a", "no picture"),
        (SIGNATURE, "cut off"),
        (encode_png(SMALL)[:-9], "cut off"),
        (encode_png(SMALL) + b"x" * 12, "of the kind"),
        (encode_png(SMALL).replace(b"IDAT", b"IDAX"), "damaged"),
        (_png((b"IDAT", b""), END), "of the kind"),
        (_png((b"IHDR", b"short"), ONE_POINT, END), "damaged"),
        (_png(END), "damaged"),
        (_png(_header(colour=6), ONE_POINT, END), "of the kind"),
        (_png(_header(depth=16), ONE_POINT, END), "of the kind"),
        (_png(_header(0, 1), ONE_POINT, END), "larger"),
        (_png(_header(MAX_SIDE + 1, 1), ONE_POINT, END), "larger"),
        (_png(_header(MAX_SIDE, MAX_SIDE), ONE_POINT, END), "larger"),
        (_png(_header(), (b"tEXt", b"hello"), ONE_POINT, END), "of the kind"),
        (_png(_header(), (b"IDAT", b"rubbish"), END), "damaged"),
        (_png(_header(), (b"IDAT", zlib.compress(b"\1abc")), END), "not what its header says"),
        (_png(_header(), (b"IDAT", zlib.compress(b"\0abcd")), END), "not what its header says"),
        (_png(_header(), (b"IDAT", zlib.compress(b"\0" * (64 << 20))), END), "not what its header says"),
    ],
)
def test_everything_else_is_refused_with_a_sentence(raw: bytes, why: str) -> None:
    with pytest.raises(ContentError, match=why):
        decode_png(raw)


def test_half_of_it_has_every_second_point() -> None:
    wide = Picture(5, 3, bytes(range(45)))
    assert wide.halved() == Picture(2, 1, bytes([0, 1, 2, 6, 7, 8]))
    assert Picture(4, 2, bytes(range(24))).halved() == Picture(2, 1, bytes([0, 1, 2, 6, 7, 8]))


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, BLOCKS),
        ({"TERM": "xterm-256color"}, BLOCKS),
        ({"TERM": "xterm-kitty"}, KITTY),
        ({"TERM": "xterm", "KITTY_WINDOW_ID": "1"}, KITTY),
        ({"TERM": "xterm", "TERM_PROGRAM": "ghostty"}, KITTY),
        ({"TERM": "foot"}, SIXEL),
        ({"TERM": "xterm", "TERM_PROGRAM": "WezTerm"}, SIXEL),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, BLOCKS),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, BLOCKS),
    ],
)
def test_the_way_is_what_the_terminal_says_of_itself(environment: dict[str, str], way: str) -> None:
    assert way_of(environment) == way


def test_half_blocks_show_two_points_a_cell() -> None:
    two = Picture(1, 2, bytes([1, 2, 3, 4, 5, 6]))
    assert shown(two, BLOCKS, 1, 1) == "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[0m\n"
    wide = shown(Picture(200, 100, bytes(60_000)), BLOCKS, 40, 30).splitlines()
    assert (len(wide), wide[0].count("▀")) == (10, 40)
    assert len(shown(Picture(100, 1000, bytes(300_000)), BLOCKS, 80, 20).splitlines()) == 20


def test_kitty_gets_a_png_of_our_own_in_pieces() -> None:
    noise = Picture(60, 60, random.Random(5).randbytes(10_800))
    text = shown(noise, KITTY, 80, 24)
    pieces = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert len(pieces) > 1
    assert pieces[0][0].startswith("a=T,f=100,c=")
    assert [keys.rpartition("m=")[2] for keys, _ in pieces] == ["1"] * (len(pieces) - 1) + ["0"]
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in pieces) + "\n" == text


def test_sixels_say_each_colour_of_a_band_once() -> None:
    text = shown(Picture(2, 2, bytes([255, 0, 0] * 4)), SIXEL, 2, 1)
    assert text.startswith('\x1bPq"1;1;16;16#0;2;0;0;0')
    assert text.endswith("#180!16~-#180!16~-#180!16N\x1b\\\n")
    parts = shown(Picture(2, 1, bytes([255, 0, 0, 0, 255, 0])), SIXEL, 1, 1)
    assert "#30" in parts
    assert "$#180" in parts

"""Pictures: one profile of PNG, read strictly, and what terminals are given of them."""

import base64
import random
import re
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.picture.in_terminal import BLOCKS, KITTY, SIXEL, shown, way_of
from remote_assist.core.picture.png import MAX_SIDE, SIGNATURE, Picture, decode_png, decode_ppm, encode_png
from remote_assist.errors import ContentError
from tests.scenarios.stock import need

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
    assert all(len(data) == 4096 for _, data in pieces[:-1])  # what the protocol allows, and a multiple of 4 as it asks
    assert decode_png(base64.b64decode("".join(data for _, data in pieces), validate=True)) == noise


def test_sixels_say_each_colour_of_a_band_once() -> None:
    text = shown(Picture(2, 2, bytes([255, 0, 0] * 4)), SIXEL, 2, 1)
    assert text.startswith('\x1bPq"1;1;16;16#0;2;0;0;0')
    assert text.endswith("#180!16~-#180!16~-#180!16N\x1b\\\n")
    parts = shown(Picture(2, 1, bytes([255, 0, 0, 0, 255, 0])), SIXEL, 1, 1)
    assert "#30" in parts
    assert "$#180" in parts


def test_a_decoder_of_others_reads_our_sixels(tmp_path: Path) -> None:
    need("sixel2png")
    noise = Picture(48, 96, random.Random(7).randbytes(48 * 96 * 3))
    text = shown(noise, SIXEL, 6, 6)
    argv = ["sixel2png", "-i", "-", "-o", str(tmp_path / "back.png")]
    subprocess.run(argv, input=text.encode(), check=True, timeout=60)
    back = png_of_others((tmp_path / "back.png").read_bytes())
    assert (back.width, back.height) == (48, 96)
    assert all(abs(seen - sent * 6 // 256 * 51) <= 1 for seen, sent in zip(back.points, noise.points, strict=True))


def test_a_decoder_of_others_reads_our_png(tmp_path: Path) -> None:
    need("img2sixel", "sixel2png")
    colours = Picture(16, 16, bytes([255, 0, 0] * 128 + [0, 0, 255] * 128))
    (tmp_path / "own.png").write_bytes(encode_png(colours))
    sixels = subprocess.run(
        ["img2sixel", str(tmp_path / "own.png")], check=True, capture_output=True, timeout=60
    ).stdout
    argv = ["sixel2png", "-i", "-", "-o", str(tmp_path / "back.png")]
    subprocess.run(argv, input=sixels, check=True, timeout=60)
    back = png_of_others((tmp_path / "back.png").read_bytes())
    red, blue = back.at(8, 3), back.at(8, 12)  # as near as sixels come
    assert min(red[0], blue[2]) > 240
    assert (red[1:], blue[:2]) == ((0, 0), (0, 0))


def png_of_others(raw: bytes) -> Picture:
    """A PNG of 8 bits each of red, green and blue, its lines filtered in any of the five ways (PNG, section 9)."""
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(raw):
        size, name = struct.unpack_from(">I4s", raw, at)
        chunks[name] = chunks.get(name, b"") + raw[at + 8 : at + 8 + size]
        at += size + 12
    width, height, depth, kind = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, kind) == (8, 2)
    packed, step = zlib.decompress(chunks[b"IDAT"]), 3 * width
    points, above = bytearray(), bytes(step)
    for top in range(0, height * (step + 1), step + 1):
        line = bytearray(packed[top + 1 : top + 1 + step])
        for x in range(step):
            left, corner = (line[x - 3], above[x - 3]) if x >= 3 else (0, 0)
            line[x] = (line[x] + _predicted(packed[top], left, above[x], corner)) % 256
        points += line
        above = bytes(line)
    return Picture(width, height, bytes(points))


def _predicted(way: int, left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    nearest = min((abs(guess - one), order, one) for order, one in enumerate((left, up, corner)))[2]
    return (0, left, up, (left + up) // 2, nearest)[way]


def test_a_ppm_is_read_strictly() -> None:
    head = b"P6\n3 2\n255\n"
    assert decode_ppm(head + SMALL.points) == SMALL
    for other in (b"", head, head + SMALL.points + b"x", b"P6\n0 0\n255\n", b"P6\n# x\n3 2\n255\n" + SMALL.points):
        with pytest.raises(ContentError):
            decode_ppm(other)

"""A picture as it travels: one profile of PNG (8 bits each of red, green and blue, no line filtered), read strictly.

Rule: a picture comes from a machine that may lie. What is not exactly this profile, or longer than it says, is refused
before anything looks at it; what is shown is made anew from the points that were read. Pure.
"""

import re
import struct
import zlib
from dataclasses import dataclass

from remote_assist.errors import ContentError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_SIDE = 16_384
MAX_POINTS = 40_000_000
"""About 8K by 5K."""

_HEADER = struct.Struct(">IIBBBBB")
_RGB = (8, 2, 0, 0, 0)


_PPM = re.compile(rb"P6\n(\d{1,5}) (\d{1,5})\n255\n")


@dataclass(frozen=True, slots=True)
class Picture:
    """`points` are width × height × 3 bytes of red, green, blue, line by line from the top."""

    width: int
    height: int
    points: bytes

    def halved(self) -> "Picture":
        """Every second point of every second line: a quarter of the bytes."""
        lines = []
        step = 3 * self.width
        for top in range(0, self.height - 1, 2):
            line = self.points[top * step : top * step + step - step % 6]
            lines.append(b"".join(line[at : at + 3] for at in range(0, len(line), 6)))
        return Picture(self.width // 2, len(lines), b"".join(lines))

    def at(self, x: int, y: int) -> tuple[int, int, int]:
        """One point."""
        place = 3 * (y * self.width + x)
        return self.points[place], self.points[place + 1], self.points[place + 2]


def encode_png(picture: Picture) -> bytes:
    """The picture as PNG."""
    step = 3 * picture.width
    lines = b"".join(b"\0" + picture.points[at : at + step] for at in range(0, len(picture.points), step))
    header = _HEADER.pack(picture.width, picture.height, *_RGB)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, content) for name, content in chunks)


def decode_ppm(raw: bytes) -> Picture:
    """The picture in a PPM (P6) of 8 bits a colour, its head without comments. Raises ContentError for all else."""
    head = _PPM.match(raw)
    if head is None:
        raise ContentError("this is no picture")
    width, height = int(head[1]), int(head[2])
    points = raw[head.end() :]
    if not width or not height or len(points) != 3 * width * height:
        raise ContentError("the picture is not as large as it says")
    return Picture(width, height, points)


def decode_png(raw: bytes) -> Picture:
    """The picture in `raw`. Raises ContentError for every other file, a damaged one, and other kinds of PNG."""
    if not raw.startswith(SIGNATURE):
        raise ContentError("this is no picture")
    at, packed, header = len(SIGNATURE), bytearray(), b""
    while at < len(raw):
        name, content, at = _next_chunk(raw, at)
        if name == b"IHDR" and not header:
            header = content
        elif name == b"IDAT" and header:
            packed += content
        elif name == b"IEND" and at == len(raw):
            return _unpacked(header, bytes(packed))
        else:
            raise ContentError("this is no picture of the kind that agents make")
    raise ContentError("the picture is cut off")


def _unpacked(header: bytes, packed: bytes) -> Picture:
    if len(header) != _HEADER.size:
        raise ContentError("the picture is damaged")
    width, height, *kind = _HEADER.unpack(header)
    if tuple(kind) != _RGB:
        raise ContentError("this is no picture of the kind that agents make")
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE or width * height > MAX_POINTS:
        raise ContentError("the picture is larger than a screen can be")
    step = 3 * width + 1
    unpack = zlib.decompressobj()
    try:
        lines = unpack.decompress(packed, step * height + 1)
    except zlib.error as error:
        raise ContentError("the picture is damaged") from error
    if len(lines) != step * height or any(lines[::step]):
        raise ContentError("the picture is not what its header says")
    points = b"".join(lines[at + 1 : at + step] for at in range(0, len(lines), step))
    return Picture(width, height, points)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _next_chunk(raw: bytes, at: int) -> tuple[bytes, bytes, int]:
    length = int.from_bytes(raw[at : at + 4], "big")
    end = at + 12 + length
    if end > len(raw):
        raise ContentError("the picture is cut off")
    name, content = raw[at + 4 : at + 8], raw[at + 8 : end - 4]
    if zlib.crc32(name + content) != int.from_bytes(raw[end - 4 : end], "big"):
        raise ContentError("the picture is damaged")
    return name, content, end

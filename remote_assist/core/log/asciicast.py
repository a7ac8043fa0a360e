"""asciicast v2, the recording of a terminal: a header line, then a line per event (docs/audit-format.md).

    {"version": 2, "width": 80, "height": 24, "timestamp": 1767225600, …}
    [0.248, "o", "shown text"]   [1.0, "r", "120x40"]   [2.5, "m", "marker"]   [3.1, "i", "typed"]
    [0.248, "x", "base64"]       the exact bytes of the "o" before it, when they were not UTF-8

Players show o, r and m, and pass over codes they do not know. Rule 1: no byte is lost: what is not text stands in
"x" whole. Rule 2: a reader believes no length, type or order of what it reads; it raises ContentError and no more.
"""

import base64
import binascii
import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from remote_assist.errors import ContentError

OUTPUT, INPUT, RESIZE, MARKER, EXACT = "o", "i", "r", "m", "x"

MAX_LINE_BYTES = 1 << 20
"""Longest line read; ours are far shorter."""

MAX_SECONDS = 10 * 365 * 86400.0


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line. `timestamp`: when it began, in seconds since the epoch. Unknown fields are passed over."""

    version: int
    width: int
    height: int
    timestamp: int = 0
    title: str = ""
    env: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened `seconds` after the beginning: kind (o, i, r, m, x) and its text."""

    seconds: float
    kind: str
    text: str


class TextDecoder:
    """Output bytes → events: characters cut by a read are kept together, bytes that are no text are kept exactly."""

    def __init__(self, kind: str = OUTPUT) -> None:
        self._kind = kind
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def events(self, seconds: float, raw: bytes, *, final: bool = False) -> list[Event]:
        """The events of the next bytes; with `final` also of what was kept back."""
        text = self._decoder.decode(raw, final)
        if not text:
            return []
        try:
            text.encode()
        except UnicodeEncodeError:
            exact = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
            shown = "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)
            return [Event(seconds, self._kind, shown), Event(seconds, EXACT, exact)]
        return [Event(seconds, self._kind, text)]


def header_line(header: Header) -> bytes:
    """The first line of a recording."""
    return msgspec.json.encode(header) + b"\n"


def event_line(event: Event) -> bytes:
    """One line of a recording."""
    return msgspec.json.encode([round(event.seconds, 6), event.kind, event.text]) + b"\n"


def parse_header(line: bytes) -> Header:
    """The header in a recording's first line. Raises ContentError."""
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContentError("this is no asciicast recording: its first line is not a header") from error
    if header.version != 2:
        raise ContentError(f"this is an asciicast of version {header.version}; version 2 is played here")
    if not (0 < header.width <= 10_000 and 0 < header.height <= 10_000):
        raise ContentError("the recording names an impossible window")
    return header


def parse_event(line: bytes, number: int) -> Event:
    """The event in line `number`. Raises ContentError."""
    try:
        seconds, kind, text = msgspec.json.decode(line, type=tuple[float, str, str])
        text.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ContentError(f"line {number} of the recording is damaged") from error
    if not 0 <= seconds <= MAX_SECONDS:
        raise ContentError(f"line {number} of the recording names an impossible time")
    return Event(seconds, kind, text)


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines of a recording that comes in pieces. Raises ContentError for one that is too long."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line)
        if len(rest) > MAX_LINE_BYTES:
            raise ContentError(f"a line of the recording is longer than {MAX_LINE_BYTES} bytes")
    if rest:
        yield rest


def read_cast(pieces: Iterable[bytes]) -> tuple[Header, Iterator[Event]]:
    """The header of a recording, and its events as they are read. Raises ContentError, now and while reading."""
    lines = lines_of(pieces)
    first = next(lines, None)
    if first is None:
        raise ContentError("the recording is empty")
    return parse_header(first), (parse_event(line, number) for number, line in enumerate(lines, start=2))


def output_bytes(events: Iterable[Event]) -> Iterator[bytes]:
    """The exact bytes that were shown, in order. Raises ContentError."""
    held: str | None = None
    for event in events:
        if event.kind == EXACT and held is not None:
            yield _exact(event.text)
            held = None
            continue
        if held is not None:
            yield held.encode()
            held = None
        if event.kind == OUTPUT:
            held = event.text
    if held is not None:
        yield held.encode()


def _exact(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ContentError("the exact bytes of an output are damaged") from error

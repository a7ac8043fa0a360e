"""The frames of an end (RFC 6455), taken apart while they come in: masked binary ones become unmasked ones.

    first ─ length ─ mask ─ payload…   ──▶   first ─ length ─ payload…    one frame, or as many as it came in pieces

Rule 1: what is taken is passed on at once; an intermediary may cut a message into other frames (RFC 6455 5.4), so
nothing waits here but a header or a ping that has not come whole, at most 131 bytes, and what came beside many others.
Rule 2: only what surely is binary, a ping or a pong is taken. The first frame that is not, whether text, a close or
nonsense, comes back untouched with all that follows: what it means is said elsewhere.
"""

import struct
from dataclasses import dataclass, field

from remote_assist.core.web_frames import (
    BINARY,
    FINAL,
    MASKED,
    MAX_CONTROL_BYTES,
    PING,
    PONG,
    apply_mask,
    frame_header,
)

_DATA = frozenset({BINARY, FINAL | BINARY, 0, FINAL})
_CONTROL = frozenset({FINAL | PING, FINAL | PONG})
_ANY = _DATA | _CONTROL
FRAMES_AT_ONCE = 64
"""So many are taken apart at once; a MiB of tiny ones would hold up everybody else for 200 ms and more."""

JOINED_BYTES = 4096
"""Up to so long a payload is cheaper copied behind its header than written as a piece of its own."""

_SHORT_HEADER = struct.Struct(">xB4s")
_HEADERS = {MASKED | 126: struct.Struct(">xxH4s"), MASKED | 127: struct.Struct(">xxQ4s")}
"""Of an end's frame by its second byte: length and mask. All others are short, with the length in that byte."""


@dataclass(slots=True)
class Taken:
    """What became of some bytes. `onward` goes to the other end, `unread` is where frames begin that are not ours."""

    onward: list[bytes] = field(default_factory=list)
    payload_bytes: int = 0
    frames: int = 0
    ping: bytes | None = None
    unread: bytes | None = None


class EndFrames:
    """One end's bytes, in order, in whatever pieces they come."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes
        self._kept = b""
        self._left = 0
        self._mask = b""
        self._is_last = False
        self._message_bytes = 0
        self._is_in_message = False
        self._opcode = BINARY
        self.has_more = False
        """There were more than FRAMES_AT_ONCE: the others are taken when anything, or nothing, is given."""

    @property
    def kept_bytes(self) -> int:
        """Bytes of a header or a ping that wait for the rest of it, or of what came after FRAMES_AT_ONCE."""
        return len(self._kept)

    def take(self, data: memoryview) -> Taken:
        """Take apart what came in. `data` may be reused afterwards. After `unread` nothing more may be given."""
        taken, self.has_more = Taken(), False
        if self._kept:
            data, self._kept = memoryview(self._kept + data), b""
        at = self._payload(data, 0, taken) if self._left else 0
        while at < len(data) and taken.unread is None and not self._kept:
            self.has_more = taken.frames == FRAMES_AT_ONCE
            at = self._keep(data, at) if self.has_more else self._frame(data, at, taken)
        return taken

    def rest(self) -> bytes:
        """What a reader who begins with the bytes to come needs before them: within a frame, a header for its rest."""
        if self._left:
            first = BINARY | (FINAL if self._is_last else 0)
            return frame_header(first, self._left, MASKED) + self._mask
        begun = frame_header(BINARY, 0, MASKED) + bytes(4) if self._is_in_message else b""
        return begun + self._kept

    def _frame(self, data: memoryview, at: int, taken: Taken) -> int:
        """One frame, or what there is of it. Returns where the next begins."""
        if len(data) - at < 2:
            return self._keep(data, at)
        first, second = data[at], data[at + 1]
        if second < MASKED or first not in (_DATA if second > MASKED | MAX_CONTROL_BYTES else _ANY):
            return self._leave(data, at, taken)
        header = _HEADERS.get(second, _SHORT_HEADER)
        begin = at + header.size
        if len(data) < begin:
            return self._keep(data, at)
        length, mask = header.unpack_from(data, at)
        if header is _SHORT_HEADER:
            length -= MASKED
        taken.frames += 1
        if first in _CONTROL:
            return self._control(data, at, begin, begin + length, taken)
        self._message_bytes += length
        if self._is_in_message is bool(first & BINARY) or self._message_bytes > self._max_bytes:
            return self._leave(data, at, taken)
        self._is_in_message, self._is_last = True, first >= FINAL
        self._left, self._mask = length, mask
        return self._payload(data, begin, taken)

    def _payload(self, data: memoryview, at: int, taken: Taken) -> int:
        part = data[at : at + self._left]
        length = len(part)
        self._left -= length
        ends = self._is_last and not self._left
        if length or ends:
            taken.onward += _unmasked(self._opcode | (FINAL if ends else 0), apply_mask(part, self._mask))
            taken.payload_bytes += length
            self._opcode = 0
        if ends:
            self._is_in_message, self._message_bytes, self._opcode = False, 0, BINARY
        elif turn := length % 4:
            self._mask = self._mask[turn:] + self._mask[:turn]
        return at + length

    def _control(self, data: memoryview, at: int, begin: int, end: int, taken: Taken) -> int:
        if len(data) < end:
            return self._keep(data, at)
        if data[at] == FINAL | PING:
            taken.ping = apply_mask(data[begin:end], bytes(data[begin - 4 : begin]))
        return end

    def _keep(self, data: memoryview, at: int) -> int:
        self._kept = bytes(data[at:])
        return len(data)

    def _leave(self, data: memoryview, at: int, taken: Taken) -> int:
        taken.unread = bytes(data[at:])
        return len(data)


def pong(payload: bytes) -> bytes:
    """The answer to a ping."""
    return frame_header(FINAL | PONG, len(payload)) + payload


def _unmasked(first: int, payload: bytes) -> tuple[bytes, ...]:
    header = frame_header(first, len(payload))
    return (header + payload,) if len(payload) <= JOINED_BYTES else (header, payload)

"""The frames of an end (RFC 6455), taken apart while they come in: masked binary ones become unmasked ones.

    first ─ length ─ mask ─ payload…   ──▶   first ─ length ─ payload…    one frame, or as many as it came in pieces

Rule 1: what is taken is passed on at once; an intermediary may cut a message into other frames (RFC 6455 5.4), so
nothing waits here but a header or a ping that has not come whole, at most 131 bytes.
Rule 2: only what surely is binary, a ping or a pong is taken. The first frame that is not, whether text, a close or
nonsense, comes back untouched with all that follows: what it means is said elsewhere.
"""

import struct
from dataclasses import dataclass, field

try:
    from websockets.speedups import apply_mask
except ImportError:  # where no compiled wheel exists
    from websockets.utils import apply_mask

MASKED, FINAL, BINARY = 0x80, 0x80, 0x02
PING, PONG = 0x89, 0x8A
_DATA = frozenset({BINARY, FINAL | BINARY, 0, FINAL})
MAX_CONTROL_BYTES = 125
JOINED_BYTES = 4096
"""Up to so long a payload is cheaper copied behind its header than written as a piece of its own."""

_SHORT, _MIDDLE, _LONG = struct.Struct(">BB"), struct.Struct(">BBH"), struct.Struct(">BBQ")


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

    @property
    def kept_bytes(self) -> int:
        """Bytes of a header or a ping that wait for the rest of it."""
        return len(self._kept)

    def take(self, data: memoryview) -> Taken:
        """Take apart what came in. `data` may be reused afterwards. After `unread` nothing more may be given."""
        taken = Taken()
        if self._kept:
            data, self._kept = memoryview(self._kept + data), b""
        at = self._payload(data, 0, taken) if self._left else 0
        while at < len(data) and taken.unread is None and not self._kept:
            at = self._frame(data, at, taken)
        return taken

    def rest(self) -> bytes:
        """What a reader who begins with the bytes to come needs before them: within a frame, a header for its rest."""
        if self._left:
            first = BINARY | (FINAL if self._is_last else 0)
            return _LONG.pack(first, MASKED | 127, self._left) + self._mask
        begun = _SHORT.pack(BINARY, MASKED) + bytes(4) if self._is_in_message else b""
        return begun + self._kept

    def _frame(self, data: memoryview, at: int, taken: Taken) -> int:
        """One frame, or what there is of it. Returns where the next begins."""
        if len(data) - at < 2:
            return self._keep(data, at)
        first, length = data[at], data[at + 1] & 0x7F
        if not data[at + 1] & MASKED or not (first in _DATA or (first in (PING, PONG) and length <= MAX_CONTROL_BYTES)):
            return self._leave(data, at, taken)
        begin = at + 2 + (0 if length <= MAX_CONTROL_BYTES else 2 if length == 126 else 8) + 4
        if len(data) < begin:
            return self._keep(data, at)
        if length > MAX_CONTROL_BYTES:
            length = int.from_bytes(data[at + 2 : begin - 4], "big")
        taken.frames += 1
        if first in (PING, PONG):
            return self._control(data, at, begin, begin + length, taken)
        if self._is_in_message is bool(first & BINARY) or self._message_bytes + length > self._max_bytes:
            return self._leave(data, at, taken)
        self._is_in_message, self._is_last = True, bool(first & FINAL)
        self._message_bytes += length
        self._left, self._mask = length, bytes(data[begin - 4 : begin])
        return self._payload(data, begin, taken)

    def _payload(self, data: memoryview, at: int, taken: Taken) -> int:
        part = data[at : at + self._left]
        if self._left and not part:
            return at
        self._left -= len(part)
        ends = self._is_last and not self._left
        if part or ends:
            payload = apply_mask(part, self._mask)
            taken.onward += _unmasked(self._opcode | (FINAL if ends else 0), payload)
            taken.payload_bytes += len(part)
            turn = len(part) % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
            self._opcode = 0
        if ends:
            self._is_in_message, self._message_bytes, self._opcode = False, 0, BINARY
        return at + len(part)

    def _control(self, data: memoryview, at: int, begin: int, end: int, taken: Taken) -> int:
        if len(data) < end:
            return self._keep(data, at)
        if data[at] == PING:
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
    return _SHORT.pack(PONG, len(payload)) + payload


def _unmasked(first: int, payload: bytes) -> tuple[bytes, ...]:
    length = len(payload)
    if length <= MAX_CONTROL_BYTES:
        return (_SHORT.pack(first, length) + payload,)
    header = _MIDDLE.pack(first, 126, length) if length < 1 << 16 else _LONG.pack(first, 127, length)
    return (header + payload,) if length <= JOINED_BYTES else (header, payload)

"""Frames of a WebSocket as a client has them (RFC 6455 section 5): a relay's taken apart while they come, ours built.

    first u8 · length u8, u16 or u64 · [mask u32] · payload

Rule 1: only whole messages come out, text as str; what is kept of one that is not whole is bounded.
Rule 2: control frames come back untouched: what a ping or a close means is said by the library (transport/link.py).
Rule 3: the first frame that may not come now is told as a fault, and nothing after it or after a close is taken.
"""

import os
from dataclasses import dataclass, field

from remote_assist.core.web_frames import (
    BINARY,
    CLOSE,
    FINAL,
    MASKED,
    MAX_CONTROL_BYTES,
    PING,
    PONG,
    TEXT,
    apply_mask,
    frame_header,
)

_BEGINS, _GOES_ON, _CONTROLS = frozenset({TEXT, BINARY}), 0x0, frozenset({CLOSE, PING, PONG})
LARGE_BYTES = 4096
"""Parts of a message that are as long are not copied before it is whole."""

Message = str | bytes


@dataclass(slots=True)
class Taken:
    """What became of some bytes: messages in their order, control frames for the library, and what was wrong."""

    messages: list[Message] = field(default_factory=list)
    control: bytes = b""
    fault: str = ""


class IncomingFrames:
    """A relay's bytes from the end of its handshake on, in order, in whatever pieces they come."""

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes
        self._kept = b""
        """A header or a control frame that has not come whole."""
        self._parts: list[memoryview | bytearray] = []
        """Of a message that has not come whole. Small parts are put together: fragments of a byte own no more."""
        self._bytes = 0
        self._left = 0
        """Bytes of the frame that are still to come."""
        self._opcode = 0
        """Of the message that has begun; 0 between messages."""
        self._is_last = False
        self._is_over = False

    def take(self, data: bytes) -> Taken:
        """Take apart what came in."""
        taken = Taken()
        if self._kept:
            data, self._kept = self._kept + data, b""
        at = 0
        while at < len(data) and not self._is_over and not self._kept:
            at = self._payload(data, at, taken) if self._left else self._frame(data, at, taken)
        return taken

    def _frame(self, data: bytes, at: int, taken: Taken) -> int:
        """One header and what there is behind it. Returns where the next bytes are."""
        if len(data) - at < 2:
            return self._keep(data, at)
        first, length = data[at], data[at + 1]
        begin = at + 2 + (0 if length <= MAX_CONTROL_BYTES else 2 if length == 126 else 8)
        if length & MASKED:
            return self._wrong(taken, "a masked frame")
        if first & FINAL and first & ~FINAL in _CONTROLS and length <= MAX_CONTROL_BYTES:
            return self._control(data, at, begin + length, taken)
        opcode = first & ~FINAL
        if opcode != _GOES_ON if self._opcode else opcode not in _BEGINS:
            return self._wrong(taken, "a frame that may not come here")
        if len(data) < begin:
            return self._keep(data, at)
        if length > MAX_CONTROL_BYTES:
            length = int.from_bytes(data[at + 2 : begin], "big")
        if self._bytes + length > self._max_bytes:
            return self._wrong(taken, f"a message of more than {self._max_bytes} bytes")
        self._opcode = self._opcode or opcode
        self._is_last = bool(first & FINAL)
        self._left = length
        self._bytes += length
        return self._payload(data, begin, taken)

    def _control(self, data: bytes, at: int, end: int, taken: Taken) -> int:
        if len(data) < end:
            return self._keep(data, at)
        taken.control += data[at:end]
        self._is_over = data[at] == FINAL | CLOSE
        return end

    def _payload(self, data: bytes, at: int, taken: Taken) -> int:
        end = min(at + self._left, len(data))
        self._left -= end - at
        if self._left or not self._is_last:
            self._keep_part(memoryview(data)[at:end])
        elif self._parts:
            self._end_message(b"".join((*self._parts, memoryview(data)[at:end])), taken)
        else:
            self._end_message(data[at:end], taken)
        return end

    def _keep_part(self, part: memoryview) -> None:
        if len(part) >= LARGE_BYTES:
            self._parts.append(part)
        elif self._parts and isinstance(self._parts[-1], bytearray):
            self._parts[-1] += part
        else:
            self._parts.append(bytearray(part))

    def _end_message(self, whole: bytes, taken: Taken) -> None:
        self._parts.clear()
        opcode, self._opcode, self._bytes = self._opcode, 0, 0
        try:
            taken.messages.append(whole.decode() if opcode == TEXT else whole)
        except UnicodeDecodeError:
            self._wrong(taken, "a text that is not UTF-8")

    def _keep(self, data: bytes, at: int) -> int:
        self._kept = data[at:]
        return len(data)

    def _wrong(self, taken: Taken, what: str) -> int:
        self._is_over, taken.fault = True, what
        return 0


def outgoing_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message in one frame, masked with bytes nobody can foretell (RFC 6455 section 10.3)."""
    mask = os.urandom(4)
    return b"".join((frame_header(FINAL | opcode, len(payload), MASKED), mask, apply_mask(payload, mask)))

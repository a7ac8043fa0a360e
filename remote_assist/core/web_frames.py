"""What both ends of a WebSocket know of its frames (RFC 6455 section 5.2): the first bytes, and the mask.

    first u8 · length u8, u16 or u64 · [mask u32] · payload

Taken apart elsewhere: transport/frames.py has a relay's whole messages, relay/links/frames.py an end's as they pass.
"""

import struct

try:
    from websockets.speedups import apply_mask as apply_mask
except ImportError:  # where no compiled wheel exists
    from websockets.utils import apply_mask as apply_mask

FINAL, MASKED = 0x80, 0x80
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
MAX_CONTROL_BYTES = 125
"""Longest payload of a control frame, and of any frame whose length stands in its second byte."""

_SHORT, _MIDDLE, _LONG = struct.Struct(">BB"), struct.Struct(">BBH"), struct.Struct(">BBQ")


def frame_header(first: int, length: int, masked: int = 0) -> bytes:
    """The bytes before the mask, or before the payload; `masked` is 0 or MASKED."""
    if length <= MAX_CONTROL_BYTES:
        return _SHORT.pack(first, masked | length)
    if length < 1 << 16:
        return _MIDDLE.pack(first, masked | 126, length)
    return _LONG.pack(first, masked | 127, length)

"""The resumable byte stream: frames, offsets, acknowledgements, replay. The wire file of PROTOCOL 2.

    frame = kind u8 · stream u32 · epoch u32 · offset u64 · ack u64 (all big endian) · payload

    DATA    payload at `offset` of the sender's bytes          FIN     no more bytes after `offset`
    ACK     no payload; `ack` bytes of the peer were used      RESET   the stream is over; payload says why (UTF-8)
    RESUME  first frames after a redial: nonce, then proof; `ack` is how many bytes of the peer arrived

Rule 1: bytes arrive once and in order, or the stream ends: an offset that is not the next one is an error.
Rule 2: what the peer has not acknowledged is kept for replay, at most `replay_bytes`; beyond that nothing is sent.
Rule 3: the epoch is that of the link the frame came by; it rises with each redial and never falls.
This file decides; it moves no bytes and knows no clock (transport/streams.py does).
"""

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from remote_assist.errors import LocalProtocolError, RemoteProtocolError

_HEADER = struct.Struct(">BIIQQ")
HEADER_BYTES = _HEADER.size
"""25."""

MAX_REASON_BYTES = 200
"""Longest text of a RESET."""

RESUME_PAYLOAD_BYTES = 33
"""One step byte and 32 bytes of nonce or proof (core/resume.py). An open stream refuses these frames."""

Bytes = bytes | memoryview


class Kind(IntEnum):
    """The first byte of a frame."""

    DATA = 1
    ACK = 2
    FIN = 3
    RESET = 4
    RESUME = 5


class Frame(NamedTuple):
    """One frame as parsed; `payload` is a view into the message it came in."""

    kind: Kind
    stream: int
    epoch: int
    offset: int
    ack: int
    payload: memoryview


class BytesArrived(NamedTuple):
    """The next bytes of the peer."""

    payload: memoryview


@dataclass(frozen=True, slots=True)
class AckArrived:
    """The peer used more of ours; there may be room again."""


@dataclass(frozen=True, slots=True)
class PeerFinished:
    """The peer will send no more bytes."""


@dataclass(frozen=True, slots=True)
class PeerReset:
    """The peer gave the stream up. `reason` is its own text: hostile."""

    reason: str


Arrival = BytesArrived | AckArrived | PeerFinished | PeerReset


def parse_frame(raw: bytes, *, max_payload: int) -> Frame:
    """The frame in one binary message. Raises RemoteProtocolError for anything malformed."""
    if len(raw) < HEADER_BYTES:
        raise RemoteProtocolError(f"a stream frame of {len(raw)} bytes is shorter than its header")
    number, stream, epoch, offset, ack = _HEADER.unpack_from(raw)
    try:
        kind = Kind(number)
    except ValueError as error:
        raise RemoteProtocolError(f"a stream frame of unknown kind {number}") from error
    payload = memoryview(raw)[HEADER_BYTES:]
    _check_payload(kind, len(payload), max_payload)
    return Frame(kind, stream, epoch, offset, ack, payload)


def build_frame(kind: Kind, stream: int, epoch: int, offset: int, ack: int, payload: Sequence[Bytes] = ()) -> bytes:
    """Bytes of one frame."""
    return b"".join((_HEADER.pack(kind, stream, epoch, offset, ack), *payload))


class ByteStream:
    """One end of a stream: what was sent, acknowledged, received and used. Give it frames, it tells what happened."""

    def __init__(
        self, stream: int, epoch: int, *, replay_bytes: int, frame_bytes: int, acknowledge_every_bytes: int
    ) -> None:
        self.stream = stream
        self.epoch = epoch
        self.sent = 0
        self.acknowledged = 0
        self.received = 0
        self.used = 0
        self.finished = False
        self.peer_finished = False
        self._told = 0
        self._replay_bytes = replay_bytes
        self._acknowledge_every_bytes = acknowledge_every_bytes
        self.max_payload = frame_bytes - HEADER_BYTES
        self._unacknowledged: deque[memoryview] = deque()  # whole payloads; the first may be acknowledged in part
        self._kept_from = 0  # offset of the first byte in there

    @property
    def room(self) -> int:
        """How many bytes may be sent now."""
        return self._replay_bytes - (self.sent - self.acknowledged)

    def send(self, parts: Sequence[Bytes]) -> bytes:
        """The DATA frame of the next bytes, kept for replay. Raises LocalProtocolError when there is no room."""
        frame = build_frame(Kind.DATA, self.stream, self.epoch, self.sent, self.used, parts)
        size = len(frame) - HEADER_BYTES
        if self.finished or not 0 < size <= min(self.room, self.max_payload):
            raise LocalProtocolError(f"{size} bytes cannot be sent on stream {self.stream} now")
        self.sent += size
        self._told = self.used
        self._unacknowledged.append(memoryview(frame)[HEADER_BYTES:])
        return frame

    def finish(self) -> bytes:
        """The FIN frame; nothing can be sent after it."""
        self.finished = True
        return self._plain(Kind.FIN)

    def reset(self, reason: str) -> bytes:
        """The RESET frame; `reason` is cut at 200 bytes."""
        self.finished = True
        text = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
        return build_frame(Kind.RESET, self.stream, self.epoch, self.sent, self.used, (text,))

    def use(self, count: int) -> None:
        """Say that `count` received bytes have been handed on, so that the peer may send as many more."""
        self.used += count
        if self.used > self.received:
            raise LocalProtocolError(f"stream {self.stream} used more bytes than arrived")

    @property
    def owes_acknowledgement(self) -> bool:
        """Whether so much was used since the last frame told so that an ACK is due."""
        return self.used - self._told >= self._acknowledge_every_bytes

    def acknowledge(self) -> bytes:
        """The ACK frame of all that was used."""
        self._told = self.used
        return self._plain(Kind.ACK)

    def receive(self, raw: bytes) -> Arrival:
        """What one message of the peer means. Raises RemoteProtocolError for what the peer must not send."""
        frame = parse_frame(raw, max_payload=self.max_payload)
        self._check_place(frame)
        self._take_ack(frame.ack)
        match frame.kind:
            case Kind.DATA:
                return self._take_data(frame)
            case Kind.ACK:
                return AckArrived()
            case Kind.FIN:
                self._check_offset(frame)
                self.peer_finished = True
                return PeerFinished()
            case Kind.RESET:
                return PeerReset(bytes(frame.payload).decode(errors="replace"))
            case _:
                raise RemoteProtocolError("a RESUME frame came while the stream was open")

    def resume(self, epoch: int, peer_received: int) -> list[bytes]:
        """Frames to send first on a new link, when the peer has `peer_received` of our bytes.

        Raises RemoteProtocolError when the epoch does not rise or the peer claims what cannot be.
        """
        if epoch <= self.epoch:
            raise RemoteProtocolError(f"stream {self.stream}: epoch {epoch} does not rise above {self.epoch}")
        if not self.acknowledged <= peer_received <= self.sent:
            raise RemoteProtocolError(f"stream {self.stream}: the peer claims {peer_received} of {self.sent} bytes")
        self.epoch = epoch
        self._told = self.used
        frames, offset = [], self._kept_from
        for part in self._unacknowledged:
            rest = part[max(0, peer_received - offset) :]
            if rest:
                start = offset + len(part) - len(rest)
                frames.append(build_frame(Kind.DATA, self.stream, epoch, start, self.used, (rest,)))
            offset += len(part)
        if self.finished:
            frames.append(self._plain(Kind.FIN))
        return frames

    def _plain(self, kind: Kind) -> bytes:
        return build_frame(kind, self.stream, self.epoch, self.sent, self.used)

    def _check_place(self, frame: Frame) -> None:
        if frame.stream != self.stream:
            raise RemoteProtocolError(f"a frame of stream {frame.stream} came on stream {self.stream}")
        if frame.epoch != self.epoch:
            change = "falls back" if frame.epoch < self.epoch else "rises without a resume"
            raise RemoteProtocolError(f"stream {self.stream}: epoch {frame.epoch} {change} (now {self.epoch})")

    def _check_offset(self, frame: Frame) -> None:
        if frame.offset != self.received:
            raise RemoteProtocolError(
                f"stream {self.stream}: bytes at offset {frame.offset} came where {self.received} was next"
            )

    def _take_ack(self, ack: int) -> None:
        if ack > self.sent:
            raise RemoteProtocolError(f"stream {self.stream}: {ack} bytes acknowledged, {self.sent} sent")
        if ack < self.acknowledged:
            raise RemoteProtocolError(f"stream {self.stream}: the acknowledgement falls from {self.acknowledged}")
        self.acknowledged = ack
        while self._unacknowledged and self._kept_from + len(self._unacknowledged[0]) <= ack:
            self._kept_from += len(self._unacknowledged.popleft())

    def _take_data(self, frame: Frame) -> BytesArrived:
        self._check_offset(frame)
        if self.peer_finished:
            raise RemoteProtocolError(f"stream {self.stream}: bytes after the end")
        self.received += len(frame.payload)
        if self.received - self.used > self._replay_bytes:
            raise RemoteProtocolError(f"stream {self.stream}: the peer sent more than it may keep for replay")
        return BytesArrived(frame.payload)


def _check_payload(kind: Kind, size: int, max_payload: int) -> None:
    """Which kinds carry bytes, and how many."""
    if kind is Kind.DATA:
        fits = 0 < size <= max_payload
    elif kind is Kind.RESET:
        fits = size <= MAX_REASON_BYTES
    else:
        fits = size == (RESUME_PAYLOAD_BYTES if kind is Kind.RESUME else 0)
    if not fits:
        raise RemoteProtocolError(f"a {kind.name} frame with a payload of {size} bytes")

"""Proof that a redialled link goes on with the same stream, and how long to wait between tries (PROTOCOL 2).

    both ends ▶ RESUME 1: nonce           offset = bytes sent, ack = bytes received
    both ends ▶ RESUME 2: HMAC-SHA256(resume key, label, role, stream, epoch, both nonces, both ends' offsets)

Rule 1: what an end proves names its role, so that nobody can send an end its own proof back.
Rule 2: a proof is over this try's nonces, epoch and offsets; nothing of an earlier try is worth anything.
Rule 3: until the proof holds, nothing of the stream changes: an end without the key costs a try, no more.
"""

import hmac
from dataclasses import dataclass
from enum import Enum

from remote_assist.core.messages import PROTOCOL_VERSION
from remote_assist.core.pairing_keys import joined
from remote_assist.core.stream import HEADER_BYTES, RESUME_PAYLOAD_BYTES, Kind, build_frame, parse_frame
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, VerificationError

NONCE_BYTES = RESUME_PAYLOAD_BYTES - 1
FRAME_BYTES = HEADER_BYTES + RESUME_PAYLOAD_BYTES
"""Length of every RESUME frame."""

_HELLO, _PROOF = b"\1", b"\2"

FIRST_WAIT_SECONDS = (0.5, 2.0)
"""Between these the first wait lies, at random, so that a relay's return is not a stampede."""

GROWTH, LONGEST_WAIT_SECONDS = 1.6, 15.0
"""Each wait is so much longer than the one before, up to the longest."""


class Role(Enum):
    """Which end of a stream."""

    TECHNICIAN = "technician"
    AGENT = "agent"

    @property
    def other(self) -> "Role":
        return Role.AGENT if self is Role.TECHNICIAN else Role.TECHNICIAN


class LinkNews(Enum):
    """What became of the way to the other end."""

    CUT = "cut"
    BACK = "back"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one end is at the moment of the redial: bytes it sent and received since the stream began."""

    nonce: bytes
    sent: int
    received: int


class Resumption:
    """One end's side of one try. Send `hello()`, give it what comes: the hello, then the proof."""

    def __init__(self, key: bytes, role: Role, *, stream: int, epoch: int, own: Standing) -> None:
        if len(own.nonce) != NONCE_BYTES:
            raise LocalProtocolError(f"a nonce has {NONCE_BYTES} bytes")
        self._key = key
        self._role = role
        self._stream = stream
        self._epoch = epoch
        self._own = own
        self._peer: Standing | None = None

    def hello(self) -> bytes:
        """The first frame to send."""
        return self._frame(_HELLO + self._own.nonce)

    def receive_hello(self, raw: bytes) -> bytes:
        """Take the other end's first frame; answer the second to send. Raises RemoteProtocolError."""
        nonce, sent, received = self._parse(raw, _HELLO)
        if nonce == self._own.nonce:
            raise RemoteProtocolError("the other end repeats our own nonce")
        self._peer = Standing(nonce, sent, received)
        if sent < self._own.received or received > self._own.sent:
            raise RemoteProtocolError(
                f"stream {self._stream}: the other end claims {sent} bytes sent and {received} received where "
                f"{self._own.received} arrived and {self._own.sent} were sent"
            )
        return self._frame(_PROOF + self._proof(self._role))

    def receive_proof(self, raw: bytes) -> int:
        """Take the other end's second frame; answer how many of our bytes it has.

        Raises VerificationError when it does not know the key or the frame is of another try.
        """
        if self._peer is None:
            raise LocalProtocolError("a proof comes after the hello")
        proof, sent, received = self._parse(raw, _PROOF)
        right = hmac.compare_digest(proof, self._proof(self._role.other))
        if not right or (sent, received) != (self._peer.sent, self._peer.received):
            raise VerificationError(
                f"whoever redialled stream {self._stream} could not prove to be its other end", where="resume"
            )
        return received

    def _proof(self, prover: Role) -> bytes:
        assert self._peer is not None
        ours, theirs = self._own, self._peer
        technician, agent = (ours, theirs) if self._role is Role.TECHNICIAN else (theirs, ours)
        return resume_proof(self._key, prover, self._stream, self._epoch, technician, agent)

    def _frame(self, payload: bytes) -> bytes:
        return build_frame(Kind.RESUME, self._stream, self._epoch, self._own.sent, self._own.received, (payload,))

    def _parse(self, raw: bytes, step: bytes) -> tuple[bytes, int, int]:
        frame = parse_frame(raw, max_payload=RESUME_PAYLOAD_BYTES)
        if frame.kind is not Kind.RESUME or bytes(frame.payload[:1]) != step:
            raise RemoteProtocolError(f"stream {self._stream}: a {frame.kind.name} frame where a resume is proven")
        if (frame.stream, frame.epoch) != (self._stream, self._epoch):
            raise RemoteProtocolError(
                f"a resume of stream {frame.stream}, epoch {frame.epoch} came for {self._stream}, {self._epoch}"
            )
        return bytes(frame.payload[1:]), frame.offset, frame.ack


def resume_proof(key: bytes, prover: Role, stream: int, epoch: int, technician: Standing, agent: Standing) -> bytes:
    """The 32 bytes that `prover` shows. Pinned by tests/vectors/resume."""
    fields = [f"remote-assist/{PROTOCOL_VERSION} resume".encode(), prover.value.encode()]
    fields += [stream.to_bytes(4, "big"), epoch.to_bytes(4, "big")]
    for one in (technician, agent):
        fields += [one.nonce, one.sent.to_bytes(8, "big"), one.received.to_bytes(8, "big")]
    return hmac.digest(key, joined(fields), "sha256")


def wait_seconds(failures: int, dice: float) -> float:
    """How long to wait before the next try, after so many that failed. `dice` is random, 0 to 1."""
    low, high = FIRST_WAIT_SECONDS
    growth = GROWTH ** min(failures, 32)  # beyond, the longest wait rules anyway, and a float would overflow
    return float(min((low + (high - low) * dice) * growth, LONGEST_WAIT_SECONDS * (0.5 + 0.5 * dice)))

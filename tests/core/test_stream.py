"""The resumable byte stream: golden frames, what a peer must not send, and no byte lost or doubled by any cut."""

from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_assist.core.stream import (
    HEADER_BYTES,
    AckArrived,
    BytesArrived,
    ByteStream,
    Kind,
    PeerFinished,
    PeerReset,
    build_frame,
    parse_frame,
)
from remote_assist.errors import LocalProtocolError, RemoteProtocolError

VECTORS = Path(__file__).parent.parent / "vectors"
GOOD = sorted((VECTORS / "frames").glob("*.hex"))
BAD = sorted((VECTORS / "frames-refused").glob("*.hex"))
MEANING = {
    "data": (Kind.DATA, 7, 2, 4096, 1 << 33, b"SSH-2.0-example\r\n"),
    "ack": (Kind.ACK, 7, 2, 10, 20, b""),
    "fin": (Kind.FIN, 7, 2, 10, 20, b""),
    "fin-at-the-largest-offset": (Kind.FIN, 2**32 - 1, 2**32 - 1, 2**64 - 1, 2**64 - 1, b""),
    "reset": (Kind.RESET, 7, 2, 1, 2, "the relay’s patience ended".encode()),
    "reset-without-reason": (Kind.RESET, 7, 2, 0, 0, b""),
    "resume": (Kind.RESUME, 7, 3, 5, 6, b"\1" + bytes(range(32))),
}


def _stream(*, replay: int = 64, frame: int = HEADER_BYTES + 16, every: int = 8, epoch: int = 1) -> ByteStream:
    return ByteStream(1, epoch, replay_bytes=replay, frame_bytes=frame, acknowledge_every_bytes=every)


@pytest.mark.parametrize("vector", GOOD, ids=lambda path: path.stem)
def test_a_golden_frame_means_what_it_meant_and_is_built_the_same(vector: Path) -> None:
    raw = bytes.fromhex(vector.read_text())
    frame = parse_frame(raw, max_payload=64)
    parts = (frame.kind, frame.stream, frame.epoch, frame.offset, frame.ack, bytes(frame.payload))
    assert parts == MEANING[vector.stem]
    assert build_frame(*parts[:5], (parts[5],)) == raw


@pytest.mark.parametrize("vector", BAD, ids=lambda path: path.stem)
def test_a_malformed_frame_is_refused(vector: Path) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_frame(bytes.fromhex(vector.read_text()), max_payload=64)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_protocol_error(raw: bytes) -> None:
    try:
        frame = parse_frame(raw, max_payload=64)
    except RemoteProtocolError:
        return
    fields = (frame.kind, frame.stream, frame.epoch, frame.offset, frame.ack)
    assert build_frame(*fields, (frame.payload,)) == raw


def test_bytes_pass_in_order_and_are_acknowledged() -> None:
    near, far = _stream(), _stream()
    assert near.room == 64
    arrived = far.receive(near.send((b"hello ", memoryview(b"world"))))
    assert isinstance(arrived, BytesArrived)
    assert bytes(arrived.payload) == b"hello world"
    assert near.room == 53
    assert not far.owes_acknowledgement
    far.use(11)
    assert far.owes_acknowledgement
    assert isinstance(near.receive(far.acknowledge()), AckArrived)
    assert near.room == 64
    assert not far.owes_acknowledgement


def test_data_going_back_carries_the_acknowledgement() -> None:
    near, far = _stream(), _stream()
    far.receive(near.send((b"12345678",)))
    far.use(8)
    near.receive(far.send((b"answer",)))
    assert near.acknowledged == 8
    assert not far.owes_acknowledgement


def test_what_the_peer_has_not_used_stops_the_sender() -> None:
    near, far = _stream(replay=16), _stream(replay=16)
    far.receive(near.send((b"x" * 16,)))
    assert near.room == 0
    with pytest.raises(LocalProtocolError):
        near.send((b"y",))
    far.use(16)
    near.receive(far.acknowledge())
    near.send((b"y",))


def test_nothing_is_sent_empty_too_long_or_after_the_end() -> None:
    near = _stream()
    for parts in ((), (b"x" * 17,)):
        with pytest.raises(LocalProtocolError):
            near.send(parts)
    near.finish()
    with pytest.raises(LocalProtocolError):
        near.send((b"x",))


def test_using_more_than_arrived_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        _stream().use(1)


def test_the_end_and_a_reset_are_told() -> None:
    far = _stream()
    assert isinstance(far.receive(_stream().finish()), PeerFinished)
    assert far.peer_finished
    assert _stream().receive(_stream().reset("aborted")) == PeerReset("aborted")


def test_a_long_reason_is_cut_between_characters() -> None:
    told = _stream().receive(_stream().reset("…" * 100))
    assert told == PeerReset("…" * 66)


def _frame(kind: Kind = Kind.DATA, *, stream: int = 1, epoch: int = 1, offset: int = 0, ack: int = 0) -> bytes:
    payload = {Kind.DATA: b"x", Kind.RESUME: b"r" * 33}.get(kind, b"")
    return build_frame(kind, stream, epoch, offset, ack, (payload,))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (_frame(stream=2), "stream 2 came on stream 1"),
        (_frame(epoch=0), "falls back"),
        (_frame(epoch=2), "rises without a resume"),
        (_frame(offset=1), "offset 1 came where 0"),
        (_frame(Kind.FIN, offset=1), "offset 1 came where 0"),
        (_frame(ack=1), "1 bytes acknowledged, 0 sent"),
        (_frame(Kind.ACK, ack=9), "9 bytes acknowledged, 0 sent"),
        (_frame(Kind.RESUME), "RESUME"),
    ],
)
def test_what_a_peer_must_not_send_is_named(raw: bytes, fault: str) -> None:
    with pytest.raises(RemoteProtocolError, match=fault):
        _stream().receive(raw)


def test_a_repeated_frame_is_refused() -> None:
    near, far = _stream(), _stream()
    raw = near.send((b"once",))
    far.receive(raw)
    with pytest.raises(RemoteProtocolError, match="came where 4 was next"):
        far.receive(raw)


def test_bytes_after_the_end_are_refused() -> None:
    far = _stream()
    far.receive(_frame(Kind.FIN))
    with pytest.raises(RemoteProtocolError, match="after the end"):
        far.receive(_frame())


def test_an_acknowledgement_never_falls() -> None:
    near = _stream()
    near.send((b"12345678",))
    near.receive(_frame(Kind.ACK, ack=8))
    with pytest.raises(RemoteProtocolError, match="falls"):
        near.receive(_frame(Kind.ACK, ack=7))


def test_a_peer_that_sends_beyond_its_replay_window_is_refused() -> None:
    generous, strict = _stream(replay=64), _stream(replay=16)
    strict.receive(generous.send((b"x" * 16,)))
    with pytest.raises(RemoteProtocolError, match="more than it may keep"):
        strict.receive(generous.send((b"x",)))


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_resume_without_a_higher_epoch_is_refused(epoch: int) -> None:
    with pytest.raises(RemoteProtocolError, match="does not rise"):
        _stream().resume(epoch, 0)


@pytest.mark.parametrize("claim", [3, 11])
def test_a_peer_cannot_claim_less_than_it_acknowledged_nor_more_than_was_sent(claim: int) -> None:
    near = _stream()
    near.send((b"0123456789",))
    near.receive(_frame(Kind.ACK, ack=4))
    with pytest.raises(RemoteProtocolError, match="claims"):
        near.resume(2, claim)


def test_resuming_sends_exactly_what_is_missing() -> None:
    near = _stream()
    near.send((b"01234",))
    near.send((b"56789",))
    near.finish()
    frames = [parse_frame(raw, max_payload=16) for raw in near.resume(2, 3)]
    assert [(one.kind, one.epoch, one.offset, bytes(one.payload)) for one in frames] == [
        (Kind.DATA, 2, 3, b"34"),
        (Kind.DATA, 2, 5, b"56789"),
        (Kind.FIN, 2, 10, b""),
    ]


class Pair:
    """Two ends and what is on its way between them; a cut loses all of that."""

    def __init__(self) -> None:
        self.ends = (_stream(replay=48, every=5), _stream(replay=48, every=5))
        self.on_the_way: tuple[deque[bytes], deque[bytes]] = (deque(), deque())
        self.sent, self.got = [b"", b""], [b"", b""]
        self.finished = [False, False]

    def send(self, who: int, size: int) -> None:
        size = min(size, self.ends[who].room)
        if size > 0 and not self.ends[who].finished:
            raw = bytes((len(self.sent[who]) + i) % 251 for i in range(size))
            self.on_the_way[who].append(self.ends[who].send((raw[:3], raw[3:])))
            self.sent[who] += raw

    def finish(self, who: int) -> None:
        if not self.ends[who].finished:
            self.on_the_way[who].append(self.ends[who].finish())

    def deliver(self, who: int) -> None:
        """The oldest message from `who` arrives; the receiver uses it and acknowledges when it should."""
        if self.on_the_way[who]:
            other = self.ends[1 - who]
            match other.receive(self.on_the_way[who].popleft()):
                case BytesArrived(payload):
                    self.got[who] += bytes(payload)
                    other.use(len(payload))
                case PeerFinished():
                    self.finished[who] = True
            if other.owes_acknowledgement:
                self.on_the_way[1 - who].append(other.acknowledge())

    def cut(self) -> None:
        for lost in self.on_the_way:
            lost.clear()
        epoch = self.ends[0].epoch + 1
        received = [end.received for end in self.ends]
        for who in (0, 1):
            self.on_the_way[who].extend(self.ends[who].resume(epoch, received[1 - who]))

    def settle(self) -> None:
        while any(self.on_the_way):
            for who in (0, 1):
                self.deliver(who)


STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 1), st.integers(1, 16)),
    st.tuples(st.just("deliver"), st.integers(0, 1)),
    st.tuples(st.just("cut")),
)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=60), st.booleans())
def test_any_cuts_deliver_every_byte_once_and_in_order(steps: list[tuple[str, int]], last_cut: bool) -> None:
    pair = Pair()
    for name, *arguments in steps:
        getattr(pair, name)(*arguments)
        for who in (0, 1):
            assert pair.sent[who].startswith(pair.got[who])
            kept = pair.ends[who].sent - pair.ends[who].acknowledged
            assert 0 <= kept <= 48
    for who in (0, 1):
        pair.finish(who)
    if last_cut:
        pair.cut()
    pair.settle()
    assert pair.got == pair.sent
    assert pair.finished == [True, True]

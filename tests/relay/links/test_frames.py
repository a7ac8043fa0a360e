"""An end's frames: any bytes in any pieces, compared with what the `websockets` library makes of them."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from relay.links.frames import FRAMES_AT_ONCE, EndFrames, Taken

MAX_BYTES = 300
MAX_KEPT_BYTES = 131
_WORD = st.binary(max_size=MAX_BYTES + 8)

frames = st.builds(
    Frame,
    opcode=st.sampled_from([Opcode.BINARY] * 4 + [Opcode.CONT] * 3 + list(Opcode)),
    data=_WORD,
    fin=st.booleans(),
)


def wire(frame: Frame, *, mask: bool = True) -> bytes:
    """A frame as bytes; a control frame that may not be is written all the same."""
    raw = frame.serialize(mask=mask) if frame.opcode in (0, 1, 2) else None
    if raw is None:
        data = frame.data[:125] if frame.fin else b""
        raw = Frame(Opcode.BINARY, data).serialize(mask=mask)
        raw = bytes([0x80 | frame.opcode]) + raw[1:]
    return raw


def messages(protocol: Protocol, raw: bytes) -> list[bytes]:
    """The whole binary messages before anything else is said, as the library hears them."""
    protocol.receive_data(raw)
    found, parts = [], []
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode in (Opcode.PING, Opcode.PONG):
            continue
        if event.opcode not in (Opcode.BINARY, Opcode.CONT):
            break
        parts.append(bytes(event.data))
        if event.fin:
            found.append(b"".join(parts))
            parts = []
    return found


def taken_of(pieces: Sequence[bytes]) -> list[Taken]:
    taker, found = EndFrames(MAX_BYTES), []
    memory = bytearray(max(map(len, pieces), default=0))
    for piece in pieces:
        memory[: len(piece)] = piece
        found.append(taker.take(memoryview(memory)[: len(piece)]))
        memory[:] = bytes(len(memory))  # as when another stream is read into it
        assert taker.kept_bytes <= MAX_KEPT_BYTES
        if found[-1].unread is not None:
            break
    return found


def cut(raw: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted({place % (len(raw) + 1) for place in at} | {0, len(raw)})
    return [raw[begin:end] for begin, end in pairwise(places)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(frames.map(wire), st.binary(max_size=20)), max_size=8).map(b"".join), st.lists(st.integers(0))
)
@example(wire(Frame(Opcode.BINARY, b"unmasked"), mask=False), [])
@example(wire(Frame(Opcode.BINARY, b"x" * MAX_BYTES)), [])
@example(wire(Frame(Opcode.BINARY, b"x" * (MAX_BYTES + 1))), [])
@example(b"\x82\xff" + b"\xff" * 12, [3])
@example(wire(Frame(Opcode.BINARY, b"begun", fin=False)) + wire(Frame(Opcode.BINARY, b"anew")), [])
def test_any_bytes_mean_what_the_library_hears_in_whatever_pieces_they_come(raw: bytes, at: list[int]) -> None:
    found = taken_of(cut(raw, at))
    onward = b"".join(piece for taken in found for piece in taken.onward)
    heard = messages(ServerProtocol(state=OPEN, max_size=MAX_BYTES), raw)
    assert messages(ClientProtocol(parse_uri("ws://example.com/"), state=OPEN, max_size=None), onward) == heard
    assert sum(taken.payload_bytes for taken in found) >= sum(map(len, heard))


def test_what_is_not_taken_comes_back_from_its_first_byte_on() -> None:
    close = wire(Frame(Opcode.CLOSE, b"\x03\xe8bye"))
    found = taken_of(cut(wire(Frame(Opcode.BINARY, b"last")) + close + b"and more", [11]))
    assert found[-1].unread == close + b"and more"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(_WORD.map(lambda word: word[:MAX_BYTES]), st.integers(1, 3))), st.integers(0), st.booleans())
@example([(b"abcdefgh", 1)], 9, False)
@example([(b"abcdefgh", 2)], 9, False)
@example([(b"abcdefgh", 2)], 10, True)
def test_another_reader_goes_on_wherever_this_one_stopped(
    words: list[tuple[bytes, int]], at: int, with_ping: bool
) -> None:
    raw = b""
    for word, parts in words:
        cuts = [word[part::parts] for part in range(parts)]
        for number, data in enumerate(cuts):
            raw += wire(Frame(Opcode.CONT if number else Opcode.BINARY, data, fin=number == parts - 1))
            raw += wire(Frame(Opcode.PING, b"there?")) if with_ping else b""
    taker, at = EndFrames(MAX_BYTES), at % (len(raw) + 1)
    onward = b"".join(taker.take(memoryview(raw[:at])).onward)
    first = messages(ClientProtocol(parse_uri("ws://example.com/"), state=OPEN, max_size=None), onward)
    after = messages(ServerProtocol(state=OPEN, max_size=MAX_BYTES), taker.rest() + raw[at:])
    told = [b"".join(word[part::parts] for part in range(parts)) for word, parts in words]
    assert first == told[: len(first)]
    assert len(first) + len(after) == len(told)
    assert all(begun.endswith(heard) for begun, heard in zip(told[len(first) :], after, strict=True))
    assert after[1:] == told[len(first) + 1 :]


def test_a_frame_is_passed_on_before_it_has_come_whole() -> None:
    raw = wire(Frame(Opcode.BINARY, b"abcdefgh"))
    first, second = (taken.onward for taken in taken_of([raw[:9], raw[9:]]))
    assert first == [b"\x02\x03abc"]
    assert second == [b"\x80\x05defgh"]


def test_the_newest_ping_is_told_and_a_pong_is_not() -> None:
    pings = [wire(Frame(Opcode.PING, word)) for word in (b"one", b"two")]
    [taken] = taken_of([b"".join(pings) + wire(Frame(Opcode.PONG, b"three"))])
    assert (taken.ping, taken.onward, taken.frames) == (b"two", [], 3)


def test_of_many_frames_at_once_the_others_wait_for_the_next_turn() -> None:
    words = [number.to_bytes(2, "big") for number in range(3 * FRAMES_AT_ONCE)]
    close = wire(Frame(Opcode.CLOSE, b"\x03\xe8bye"))
    raw = b"".join(wire(Frame(Opcode.BINARY, word)) for word in words) + close
    taker = EndFrames(MAX_BYTES)
    found = [taker.take(memoryview(raw))]
    while taker.has_more:
        found.append(taker.take(memoryview(b"")))
    assert [taken.frames for taken in found] == [FRAMES_AT_ONCE] * 3 + [0]
    assert b"".join(piece for taken in found for piece in taken.onward) == b"".join(
        b"\x82\x02" + word for word in words
    )
    assert found[-1].unread == close and taker.kept_bytes == 0


def test_another_reader_begins_with_the_frames_that_waited_for_their_turn() -> None:
    raw = wire(Frame(Opcode.BINARY, b"x")) * (FRAMES_AT_ONCE + 9)
    taker = EndFrames(MAX_BYTES)
    taker.take(memoryview(raw))
    assert messages(ServerProtocol(state=OPEN, max_size=MAX_BYTES), taker.rest()) == [b"x"] * 9

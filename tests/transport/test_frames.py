"""A relay's frames: any bytes in any pieces, compared with what the `websockets` library makes of them."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from remote_assist.core.web_frames import BINARY, TEXT
from remote_assist.transport.frames import IncomingFrames, Taken, outgoing_frame

MAX_BYTES = 300
NO_TEXT = "a text that is not UTF-8"
_WORD = st.one_of(st.binary(max_size=MAX_BYTES + 8), st.text(max_size=40).map(str.encode))

frames = st.builds(
    Frame,
    opcode=st.sampled_from([Opcode.BINARY] * 4 + [Opcode.TEXT] * 2 + [Opcode.CONT] * 3 + list(Opcode)),
    data=_WORD,
    fin=st.booleans(),
)


def wire(frame: Frame, *, mask: bool = False) -> bytes:
    """A frame as a relay sends it; a control frame that may not be is written all the same."""
    if frame.opcode in (0, 1, 2):
        return frame.serialize(mask=mask)
    raw = Frame(Opcode.BINARY, frame.data[:125]).serialize(mask=mask)
    return bytes([(0x80 if frame.fin else 0) | frame.opcode]) + raw[1:]


def library() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://example.com/"), state=OPEN, max_size=MAX_BYTES)


def heard_by_library(protocol: ClientProtocol, raw: bytes) -> list[tuple[int, bytes]]:
    """(opcode, bytes) of the whole messages before it closes."""
    protocol.receive_data(raw)
    found: list[tuple[int, bytes]] = []
    opcode, whole = 0, b""
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        if event.opcode is Opcode.CLOSE:
            break
        if event.opcode in (Opcode.PING, Opcode.PONG):
            continue
        opcode = opcode or event.opcode
        whole += bytes(event.data)
        if event.fin:
            found.append((opcode, whole))
            opcode, whole = 0, b""
    return found


def taken_of(pieces: Sequence[bytes]) -> Taken:
    reader, all_of_it = IncomingFrames(MAX_BYTES), Taken()
    for piece in pieces:
        taken = reader.take(piece)
        all_of_it.messages += taken.messages
        all_of_it.control += taken.control
        all_of_it.fault = all_of_it.fault or taken.fault
    return all_of_it


def cut(raw: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted({place % (len(raw) + 1) for place in at} | {0, len(raw)})
    return [raw[begin:end] for begin, end in pairwise(places)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(frames.map(wire), st.binary(max_size=20)), max_size=8).map(b"".join), st.lists(st.integers()))
@example(wire(Frame(Opcode.BINARY, b"masked"), mask=True), [])
@example(wire(Frame(Opcode.BINARY, b"x" * MAX_BYTES)), [])
@example(wire(Frame(Opcode.BINARY, b"x" * (MAX_BYTES + 1))), [])
@example(wire(Frame(Opcode.BINARY, b"x" * 200, fin=False)) + wire(Frame(Opcode.CONT, b"x" * 101)), [])
@example(wire(Frame(Opcode.BINARY, b"begun", fin=False)) + wire(Frame(Opcode.TEXT, b"anew")), [])
@example(wire(Frame(Opcode.CONT, b"of nothing")), [])
@example(b"\x82\x7f" + b"\xff" * 12, [3])
@example(wire(Frame(Opcode.CLOSE, b"\x03\xe8bye")) + wire(Frame(Opcode.BINARY, b"after it")), [])
@example(wire(Frame(Opcode.BINARY, b"", fin=False)) + wire(Frame(Opcode.CONT, b"")), [])
def test_any_bytes_mean_what_the_library_hears_in_whatever_pieces_they_come(raw: bytes, at: list[int]) -> None:
    whole, rest = library(), library()
    heard = heard_by_library(whole, raw)
    taken = taken_of(cut(raw, at))
    messages = [(TEXT, said.encode()) if isinstance(said, str) else (BINARY, said) for said in taken.messages]
    if taken.fault == NO_TEXT:  # the library leaves it to whoever decodes
        assert messages == heard[: len(messages)]
        return
    assert messages == heard
    assert heard_by_library(rest, taken.control) == []
    assert rest.close_rcvd == whole.close_rcvd
    if whole.state is not OPEN:  # we see what is wrong from a header, the library from a whole frame
        assert taken.fault or rest.state is not OPEN


def test_a_text_that_is_none_is_a_fault_after_what_came_before() -> None:
    taken = taken_of([wire(Frame(Opcode.BINARY, b"before")) + wire(Frame(Opcode.TEXT, b"\xff\xfe"))])
    assert (taken.messages, taken.fault) == ([b"before"], NO_TEXT)


def test_what_waits_to_be_whole_is_bounded_however_small_its_pieces() -> None:
    """A million empty fragments own nothing; one byte each, they own what a message may."""
    reader = IncomingFrames(MAX_BYTES)
    reader.take(wire(Frame(Opcode.BINARY, b"", fin=False)))
    reader.take(wire(Frame(Opcode.CONT, b"", fin=False)) * 1_000_000)
    taken = reader.take(wire(Frame(Opcode.CONT, b"x", fin=False)) * (MAX_BYTES + 1))
    assert not taken.messages
    assert taken.fault == f"a message of more than {MAX_BYTES} bytes"


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_what_is_sent_is_heard_and_no_two_masks_are_alike(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    server = ServerProtocol(state=OPEN, max_size=None)
    first, second = outgoing_frame(BINARY, payload), outgoing_frame(TEXT, b"text")
    server.receive_data(first + second)
    [one, other] = server.events_received()
    assert isinstance(one, Frame) and isinstance(other, Frame)
    assert (one.opcode, one.data, one.fin) == (Opcode.BINARY, payload, True)
    assert (other.opcode, other.data) == (Opcode.TEXT, b"text")
    assert len({outgoing_frame(BINARY, payload) for _ in range(20)}) == 20

"""Resuming a stream: proofs pinned by vectors, what each lie is answered with, and waits that scatter and grow."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.resume import (
    LONGEST_WAIT_SECONDS,
    NONCE_BYTES,
    Resumption,
    Role,
    Standing,
    resume_proof,
    wait_seconds,
)
from remote_assist.core.stream import HEADER_BYTES, ByteStream, Kind, build_frame
from remote_assist.errors import AssistError, LocalProtocolError, RemoteProtocolError, VerificationError

VECTORS = Path(__file__).parent.parent / "vectors" / "resume"
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
STREAM, EPOCH = 7, 3
AT_TECHNICIAN = Standing(b"t" * NONCE_BYTES, sent=100, received=40)
AT_AGENT = Standing(b"a" * NONCE_BYTES, sent=50, received=90)


def technician(
    own: Standing = AT_TECHNICIAN, *, key: bytes = KEY, stream: int = STREAM, epoch: int = EPOCH
) -> Resumption:
    return Resumption(key, Role.TECHNICIAN, stream=stream, epoch=epoch, own=own)


def agent(
    own: Standing = AT_AGENT, *, key: bytes = KEY, role: Role = Role.AGENT, stream: int = STREAM, epoch: int = EPOCH
) -> Resumption:
    return Resumption(key, role, stream=stream, epoch=epoch, own=own)


def exchange(one: Resumption, other: Resumption) -> tuple[int, int]:
    """How many of its own bytes each learns that the other has."""
    hello, back = one.hello(), other.hello()
    proof, proof_back = one.receive_hello(back), other.receive_hello(hello)
    return one.receive_proof(proof_back), other.receive_proof(proof)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: str(role.value))
def test_a_proof_is_what_it_always_was(role: Role) -> None:
    at_technician = Standing(b"t" * 32, sent=4096, received=1 << 33)
    at_agent = Standing(b"a" * 32, sent=(1 << 33) + 5, received=4000)
    expected = (VECTORS / f"{role.value}.hex").read_text().strip()
    assert resume_proof(KEY, role, STREAM, EPOCH, at_technician, at_agent).hex() == expected


def test_two_ends_with_the_same_key_learn_what_the_other_has() -> None:
    assert exchange(technician(), agent()) == (90, 40)


@pytest.mark.parametrize(
    ("thief", "what"),
    [
        (agent(key=OTHER_KEY), "another key"),
        (agent(key=b""), "no key"),
        (agent(role=Role.TECHNICIAN), "the technician's own role, proven back"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whoever_cannot_prove_to_be_the_other_end_is_refused(thief: Resumption, what: str) -> None:
    true = technician()
    true.receive_hello(thief.hello())
    proof = thief.receive_hello(true.hello())
    with pytest.raises(VerificationError, match="could not prove"):
        true.receive_proof(proof)


def test_our_own_proof_sent_back_proves_nothing() -> None:
    true = technician()
    proof = true.receive_hello(agent().hello())
    with pytest.raises(VerificationError):
        true.receive_proof(proof)


def test_our_own_hello_sent_back_is_refused() -> None:
    true = technician(Standing(b"t" * 32, 10, 10))
    with pytest.raises(RemoteProtocolError, match="our own nonce"):
        true.receive_hello(true.hello())


def test_a_proof_of_an_earlier_try_proves_nothing_now() -> None:
    recorded = agent()
    old_proof = recorded.receive_hello(technician().hello())
    fresh = technician(Standing(b"T" * 32, AT_TECHNICIAN.sent, AT_TECHNICIAN.received))
    fresh.receive_hello(recorded.hello())
    with pytest.raises(VerificationError):
        fresh.receive_proof(old_proof)


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (agent(epoch=2), "epoch 2 came for 7, 3"),
        (agent(epoch=4), "epoch 4 came for 7, 3"),
        (agent(stream=8), "stream 8"),
        (agent(Standing(b"a" * 32, sent=39, received=90)), "claims 39 bytes sent"),
        (agent(Standing(b"a" * 32, sent=50, received=101)), "101 received"),
    ],
)
def test_another_epoch_another_stream_and_offsets_that_cannot_be_are_refused(other: Resumption, fault: str) -> None:
    with pytest.raises(RemoteProtocolError, match=fault):
        technician().receive_hello(other.hello())


@pytest.mark.parametrize("change", [{"offset": 51}, {"ack": 91}, {"ack": 89}])
def test_offsets_changed_on_the_way_break_the_proof(change: dict[str, int]) -> None:
    one, other = technician(), agent()
    place = {"offset": AT_AGENT.sent, "ack": AT_AGENT.received, **change}
    hello = build_frame(Kind.RESUME, STREAM, EPOCH, place["offset"], place["ack"], (b"\1" + AT_AGENT.nonce,))
    one.receive_hello(hello)
    with pytest.raises(VerificationError):
        one.receive_proof(other.receive_hello(technician().hello()))


@pytest.mark.parametrize(
    "raw",
    [
        build_frame(Kind.DATA, STREAM, EPOCH, 0, 0, (b"x",)),
        build_frame(Kind.RESUME, STREAM, EPOCH, 50, 90, (b"\2" + bytes(32),)),
        build_frame(Kind.RESUME, STREAM, EPOCH, 50, 90, (b"\1" + bytes(31),)),
        build_frame(Kind.RESET, STREAM, EPOCH, 0, 0, (b"over",)),
        b"",
        bytes(HEADER_BYTES),
    ],
)
def test_anything_but_a_hello_first_is_refused(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        technician().receive_hello(raw)


def test_a_hello_where_the_proof_belongs_is_refused() -> None:
    one = technician()
    one.receive_hello(agent().hello())
    with pytest.raises(RemoteProtocolError):
        one.receive_proof(agent().hello())


def test_misuse_of_our_own_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError):
        technician(Standing(b"short", 0, 0))
    with pytest.raises(LocalProtocolError):
        technician().receive_proof(agent().hello())


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_a_named_error(raw: bytes) -> None:
    with pytest.raises(AssistError):
        technician().receive_hello(raw)


@given(
    st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**32), st.integers(0, 2**32)),
    st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 2**32), st.integers(0, 2**32)),
    st.integers(0, 9),
)
def test_no_two_situations_share_a_proof(
    one: tuple[bytes, int, int], other: tuple[bytes, int, int], changed: int
) -> None:
    base = resume_proof(KEY, Role.AGENT, STREAM, EPOCH, Standing(*one), Standing(*other))
    fields: list[object] = [KEY, Role.AGENT, STREAM, EPOCH, *one, *other]
    new: list[object] = [OTHER_KEY, Role.TECHNICIAN, 8, 4]
    for nonce, sent, received in (one, other):
        new += [bytes([nonce[0] ^ 1]) + nonce[1:], sent + 1, received + 1]
    fields[changed] = new[changed]
    key, role, stream, epoch = fields[:4]
    again = resume_proof(key, role, stream, epoch, Standing(*fields[4:7]), Standing(*fields[7:]))  # type: ignore[arg-type]
    assert again != base


@given(st.lists(st.binary(min_size=1, max_size=16), max_size=8), st.integers(0, 200), st.integers(0, 200))
def test_a_proven_resume_and_the_replay_agree(sent: list[bytes], arrived: int, used: int) -> None:
    """What the hello says arrived is exactly where the replay begins, wherever the cut fell between frames."""
    near = ByteStream(STREAM, 1, replay_bytes=400, frame_bytes=HEADER_BYTES + 16, acknowledge_every_bytes=64)
    far = ByteStream(STREAM, 1, replay_bytes=400, frame_bytes=HEADER_BYTES + 16, acknowledge_every_bytes=64)
    frames = [near.send((part,)) for part in sent]
    for raw in frames[: min(arrived, len(frames))]:
        far.receive(raw)
    far.use(min(used, far.received))
    ours = technician(Standing(b"t" * 32, near.sent, near.received))
    theirs = agent(Standing(b"a" * 32, far.sent, far.received))
    has, _ = exchange(ours, theirs)
    far.resume(EPOCH, near.received)
    for raw in near.resume(EPOCH, has):
        far.receive(raw)
    assert far.received == near.sent


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_waits_stay_between_half_a_second_and_the_longest(failures: int, dice: float) -> None:
    assert 0.5 <= wait_seconds(failures, dice) <= LONGEST_WAIT_SECONDS


def test_the_first_wait_is_scattered_and_later_ones_grow() -> None:
    assert (wait_seconds(0, 0.0), wait_seconds(0, 1.0)) == (0.5, 2.0)
    waits = [wait_seconds(failures, 0.5) for failures in range(12)]
    assert waits == sorted(waits)
    assert waits[0] == 1.25
    assert waits[-1] == LONGEST_WAIT_SECONDS * 0.75

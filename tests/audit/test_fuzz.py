"""F22: whatever bytes a parser of the log is given, it answers or raises our errors, and stays within its limits."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_assist.audit.cef import parse_cef
from remote_assist.audit.export import read_export
from remote_assist.audit.receipt import read_receipt
from remote_assist.audit.whole_log import read_leaves
from remote_assist.core.checkpoint import open_checkpoint, open_rollback, sign_checkpoint
from remote_assist.core.codec import decode
from remote_assist.core.identity.certificates import ca_of, roles_of
from remote_assist.core.identity.lists import open_adopt_request, open_list
from remote_assist.core.log.organisation import ChainStatement
from remote_assist.core.log.tlog_proof import read_proof
from remote_assist.core.messages import SignedStatement
from remote_assist.core.records import MAX_RECORD_BYTES, decode_record, parse_time
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import load_public
from remote_assist.core.signing.reviewer_keys import load_reviewer_key
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES
from remote_assist.core.tree import EMPTY
from remote_assist.errors import AssistError
from tests.audit.own import ritas
from tests.audit.world import CA_LINE, LOG, LOG_LINE, Log

NOTE = sign_checkpoint(LOG, EMPTY)
CHECKPOINT = open_checkpoint(NOTE, (LOG_LINE,))


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda raw: parse(raw.decode("utf-8", "replace"))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "record": decode_record,
    "record-strict": lambda raw: decode_record(raw, strict=True),
    "statement": lambda raw: decode(raw, SignedStatement),
    "chain-statement": lambda raw: decode(raw, ChainStatement),
    "export": lambda raw: list(read_export(raw.splitlines(keepends=True))),
    "receipt": read_receipt,
    "leaves": lambda raw: read_leaves([raw], CHECKPOINT),
    "checkpoint": _text(lambda text: open_checkpoint(text, (LOG_LINE,))),
    "rollback": _text(lambda text: open_rollback(text, (LOG_LINE,))),
    "tlog-proof": _text(read_proof),
    "sshsig": _text(lambda text: sshsig.verify(text, LOG_LINE, "head", b"x")),
    "certificate-ca": _text(ca_of),
    "certificate-roles": _text(roles_of),
    "public-key": _text(load_public),
    "reviewer-key": load_reviewer_key,
    "list": lambda raw: open_list(raw, ca_line=CA_LINE),
    "adopt-request": open_adopt_request,
    "time": _text(parse_time),
    "cef": _text(parse_cef),
}

SEEDS = [one.record for one in ritas(Log())] + [NOTE.encode(), CA_LINE.encode(), b"CEF:0|a|b|c|d|e|5|x=1", b"{}", b"[]"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Something real, with pieces cut out, doubled or replaced."""
    raw = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at, length = draw(st.integers(0, len(raw))), draw(st.integers(0, 12))
        raw[at : at + length] = draw(st.binary(max_size=12)) or raw[at : at + length] * 2
    return bytes(raw)


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=300) | mutated())
def test_f22_any_bytes_are_read_or_refused_with_our_errors(name: str, raw: bytes) -> None:
    try:
        PARSERS[name](raw)
    except AssistError as error:
        assert error.message


@pytest.mark.parametrize("name", PARSERS)
def test_f22_deep_nesting_and_sheer_length_are_refused(name: str) -> None:
    for raw in (b"[" * 100_000, b'{"a":' * 50_000, b"A" * (MAX_RECORD_BYTES + MAX_NOTE_BYTES), b"\n" * 100_000):
        try:
            PARSERS[name](raw)
        except AssistError as error:
            assert len(error.message) < 2000

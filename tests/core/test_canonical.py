"""Canonical bytes: one value, one text, exactly as RFC 8785 writes it; what has two texts is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.canonical import MAX_DEPTH, MAX_INTEGER, canonical_bytes
from remote_assist.errors import LocalProtocolError

NAMES = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=6)
TEXTS = st.text(st.characters(codec="utf-8"))
LEAVES = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS
VALUES = st.recursive(LEAVES, lambda part: st.lists(part, max_size=4) | st.dictionaries(NAMES, part, max_size=4))


@given(VALUES)
def test_it_writes_what_another_json_writer_writes(value: object) -> None:
    """Python's own encoder escapes as JSON.stringify does; for ASCII keys its order is RFC 8785's."""
    expected = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert canonical_bytes(value) == expected.encode()


@given(VALUES)
def test_reading_it_back_gives_the_value(value: object) -> None:
    assert json.loads(canonical_bytes(value)) == value


def test_escapes_are_the_shortest() -> None:
    text = '"\\/\b\t\n\f\r\x00\x1f\x7f\u2028é😀'
    expected = '"\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028é😀"'
    assert canonical_bytes(text) == expected.encode()


def test_keys_are_sorted_and_bytes_are_base64() -> None:
    assert canonical_bytes({"b": 1, "a": b"\xff\xfe", "A": ()}) == b'{"A":[],"a":"//4=","b":1}'


def _nested(levels: int) -> object:
    value: object = []
    for _ in range(levels):
        value = [value]
    return value


REFUSED = [1.0, {"a": 0.5}, MAX_INTEGER + 1, [-MAX_INTEGER - 1], "\ud800", {"é": 1}, {"\ud800": 1}, _nested(MAX_DEPTH)]


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_can_be_written_in_two_ways_is_refused(value: object) -> None:
    with pytest.raises(LocalProtocolError):
        canonical_bytes(value)

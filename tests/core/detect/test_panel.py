"""A panel only narrows: of a text, its detectors find what all of them find."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.detect.anchors import WHOLE_BELOW_CHARS, Searched
from remote_assist.core.detect.detector import detector
from remote_assist.core.detect.detectors import DETECTORS
from remote_assist.core.detect.panel import Panel, one_of
from remote_assist.core.detect.spans import found
from tests.core.redaction_rates import FILES, lines_of

ALL = Panel(DETECTORS)
ANCHORS = [each.anchors for each in DETECTORS]
PIECES = sorted(
    {word for each in ANCHORS for word in each.words}
    | {piece.decode() for each in ANCHORS for piece in (*each.shapes, *each.hexes, *each.plates)}
)


@pytest.mark.parametrize("name", FILES)
def test_of_every_line_of_the_corpus_the_same_is_found(name: str) -> None:
    for each in lines_of(name):
        searched = Searched(each.line)
        assert found(searched, ALL.near(searched)) == found(Searched(each.line), DETECTORS), each.line


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(PIECES), st.sampled_from(PIECES).map(str.upper))))
def test_of_anchors_among_anything_as_well(pieces: list[str]) -> None:
    text = "".join(pieces)
    searched = Searched(text)
    assert found(searched, ALL.near(searched)) == found(Searched(text), DETECTORS)


def test_most_short_texts_are_near_nothing() -> None:
    assert ALL.near(Searched("libexample-minimal")) == []
    assert [each.kind for each in ALL.near(Searched("mail@example.com"))] == ["mail", "host"]


def test_a_long_text_is_left_to_the_windows_of_each_detector() -> None:
    assert list(ALL.near(Searched("x" * WHOLE_BELOW_CHARS))) == list(DETECTORS)


def test_a_detector_without_anchors_is_always_asked() -> None:
    anywhere = detector("x", "(?P<s>never)")
    assert Panel([anywhere]).near(Searched("")) == [anywhere]


@given(st.sets(st.text(alphabet="ab.|", min_size=1, max_size=4)), st.text(alphabet="ab.|", max_size=12))
def test_one_pattern_finds_any_of_the_words(words: set[str], text: str) -> None:
    assert (re.search(one_of(words), text) is not None) == any(word in text for word in words)

"""Anchors only narrow: with them, detectors find what they find in the whole text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.detect.anchors import AFTER_CHARS, WHOLE_BELOW_CHARS, Anchors, Searched
from remote_assist.core.detect.detector import Detector
from remote_assist.core.detect.detectors import DETECTORS
from remote_assist.core.detect.spans import find
from tests.core.redaction_rates import FILES, lines_of

FILLER = "Nothing to see in this line, it only takes place.\n" * (2 * AFTER_CHARS // 50)
LONG = FILLER.join(line.line + "\n" for name in FILES for line in lines_of(name))


def slowly(text: str, detector: Detector) -> set[tuple[int, int]]:
    """Every place is tried, without anchors."""
    hits = detector.pattern.finditer(text)
    return {match.span("s") for match in hits if detector.valid is None or detector.valid(match)}


@pytest.mark.parametrize("detector", DETECTORS, ids=[f"{n}-{each.kind}" for n, each in enumerate(DETECTORS)])
def test_no_hit_in_a_long_text_is_lost_by_looking_near_anchors_only(detector: Detector) -> None:
    assert slowly(LONG, detector) <= {(span.start, span.end) for span in find(LONG, [detector])}


@pytest.mark.parametrize("name", FILES)
def test_no_hit_in_a_single_line_is_lost_either(name: str) -> None:
    for line in lines_of(name):
        for detector in DETECTORS:
            assert slowly(line.line, detector) <= {(s.start, s.end) for s in find(line.line, [detector])}, line.line


@given(st.text(max_size=3000))
def test_every_view_has_the_positions_of_the_text(text: str) -> None:
    searched = Searched(text)
    assert len(searched.lower) == len(text)
    everything = Anchors(words=("e",), shapes=(b"0",), hexes=(b"h",), plates=(b"A",))
    assert all(0 <= at < len(text) for at in searched.positions(everything))


def test_a_letter_that_grows_in_lower_case_moves_nothing() -> None:
    assert find("İİİİ password=hunter2", DETECTORS)[0].start == len("İİİİ password=")


def test_a_match_that_reaches_behind_its_window_is_taken_whole() -> None:
    cookie = "Cookie: " + "a" * (3 * AFTER_CHARS)
    spans = find(f"{FILLER}{cookie}\n{FILLER}", DETECTORS)
    assert max(span.end - span.start for span in spans) == 3 * AFTER_CHARS


def test_a_short_text_without_an_anchor_is_not_searched_at_all() -> None:
    assert Searched("nothing").windows(Anchors(words=("password",))) == []
    assert Searched("Password").windows(Anchors(words=("password",))) == [(0, 8)]
    assert Searched("x" * WHOLE_BELOW_CHARS).windows(Anchors(plates=(b"A",))) == []

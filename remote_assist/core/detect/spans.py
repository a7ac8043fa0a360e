"""Which pieces of a text the detectors hit, and how overlapping hits become one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from remote_assist.core.detect.anchors import Searched
from remote_assist.core.detect.detector import Detector
from remote_assist.core.detect.detectors import RANK


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text to replace."""

    start: int
    end: int
    kind: str


def find(text: str, detectors: Iterable[Detector]) -> list[Span]:
    """Every span any detector hits, unmerged."""
    return found(Searched(text), detectors)


def found(searched: Searched, detectors: Iterable[Detector]) -> list[Span]:
    """As `find`, of a text that is already prepared."""
    return [span for detector in detectors for span in _hits(searched, detector)]


def _hits(searched: Searched, detector: Detector) -> Iterator[Span]:
    done = 0
    for match in _begun(searched, detector) if detector.anchors.starts else _seen(searched, detector):
        if match.start() >= done and (detector.valid is None or detector.valid(match)):
            done = match.end()
            yield Span(match.start("s"), match.end("s"), detector.kind)


def _begun(searched: Searched, detector: Detector) -> Iterator[re.Match[str]]:
    """Tries where an anchor begins, but not within what has been hit."""
    begin, text, done = detector.pattern.match, searched.text, 0
    for at in searched.positions(detector.anchors):
        if at >= done and (match := begin(text, at)) is not None:
            done = match.end() if detector.valid is None else done
            yield match


def _seen(searched: Searched, detector: Detector) -> Iterator[re.Match[str]]:
    """Searches around the anchors; what reaches the end of a window is looked at without one."""
    for start, end in searched.windows(detector.anchors):
        for hit in detector.pattern.finditer(searched.text, start, end):
            match = hit if hit.end() < end else detector.pattern.match(searched.text, hit.start())
            if match is not None:
                yield match


def merge(spans: list[Span]) -> list[Span]:
    """Overlapping spans become one, named by the class of highest rank (then the longest)."""
    merged: list[Span] = []
    for span in sorted((s for s in spans if s.end > s.start), key=lambda s: (s.start, -s.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            winner = max((last, span), key=lambda s: (RANK.get(s.kind, 1), s.end - s.start))
            merged[-1] = Span(last.start, max(last.end, span.end), winner.kind)
        else:
            merged.append(span)
    return merged

"""Text and facts → the same without secrets and personal data, and what was taken out.

Rule 1: what a collector saw is `Collected`; only this file makes a `Redacted` of it, and a bundle takes nothing else.
Rule 2: all detectors look at the same original text; spans that overlap are merged and replaced once, never nested.
Rule 3: fail closed: text in which a sure secret or a seed is still found afterwards is not returned.
A token is `<class:8 hex digits>`, HMAC-SHA256 of class and value under a key made for one bundle, so equal values
stay equal inside a bundle and cannot be linked between bundles.
"""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from remote_assist.core.catalog_model import FieldSpec
from remote_assist.core.detectors import DETECTORS, RANK, SECRET_CLASSES, Detector
from remote_assist.errors import LocalProtocolError, RefusedError

PROFILES = ("strict", "secrets")
"""strict: secrets and personal data; secrets: only secrets."""

STRUCTURAL_TYPES = frozenset({"unit", "path", "name", "time"})
"""Fact types whose text conditions and fixes rely on: only sure secrets are taken out of them."""

MAX_TEXT_CHARS = 4 << 20
MIN_SEED_CHARS = 4
_SECRET_KEY = re.compile(r"(?i)^(?:.*[_-])?(?:password|passwd|secret|token|api_?key|private_?key|passphrase)$")
_SURE = tuple(each for each in DETECTORS if each.sure)
FURTHER_PASSES = 2
SHORTEST_CHARS = 6
"""No detector hits anything shorter (`a@b.co`)."""

_TOKEN = re.compile(r"<[a-z]{2,8}:[0-9a-f]{8}>")
_MAKER = object()


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collector saw, before redaction: facts (JSON values) or text, and how sensitive they are.

    `fields` types the keys of each row (or of the one mapping); unknown keys are free text.
    """

    raw: object
    sensitivity: str
    fields: Mapping[str, FieldSpec] = field(default_factory=dict)


class Redacted:
    """Bytes that went through a `Redactor`. Cannot be made anywhere else."""

    __slots__ = ("counts", "raw", "sensitivity", "value")

    def __init__(self, raw: bytes, value: object, counts: dict[str, int], sensitivity: str, *, maker: object) -> None:
        if maker is not _MAKER:
            raise LocalProtocolError("a Redacted is made by Redactor only")
        self.raw = raw
        self.value = value
        self.counts = counts
        self.sensitivity = sensitivity


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text to replace."""

    start: int
    end: int
    kind: str


class Redactor:
    """Redacts with one key, one profile and the seeds known so far."""

    def __init__(self, key: bytes, *, profile: str = "strict", seeds: Mapping[str, str] | None = None) -> None:
        if len(key) < 16:
            raise LocalProtocolError("a redaction key has at least 16 bytes")
        if profile not in PROFILES:
            raise LocalProtocolError(f"there is no redaction profile '{profile}'")
        self._key = key
        self._strict = profile == "strict"
        self._detectors = DETECTORS if self._strict else tuple(d for d in DETECTORS if d.kind in SECRET_CLASSES)
        self._seeds: dict[str, str] = {}
        self._seed_pattern: re.Pattern[str] | None = None
        self.add_seeds(seeds or {})

    def add_seeds(self, seeds: Mapping[str, str]) -> None:
        """Exact values (value → class) replaced wherever they occur as a word; ignored unless the profile is strict."""
        if not self._strict:
            return
        self._seeds.update({text.lower(): kind for text, kind in seeds.items() if len(text) >= MIN_SEED_CHARS})
        if self._seeds:
            words = "|".join(re.escape(text) for text in sorted(self._seeds, key=len, reverse=True))
            self._seed_pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE)

    def redact(self, collected: Collected) -> Redacted:
        """The redacted form. Raises RefusedError when a sure secret or a seed would still be inside."""
        counts: Counter[str] = Counter()
        if isinstance(collected.raw, str):
            text = self.text(collected.raw, counts)
            self._sweep(text, collected, seeds=True)
            return Redacted(text.encode("utf-8", "replace"), text, dict(counts), collected.sensitivity, maker=_MAKER)
        value = self._value(collected.raw, None, collected, counts)
        raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        for piece in _texts_in(value):
            self._sweep(piece, collected, seeds=False)
        return Redacted(raw, value, dict(counts), collected.sensitivity, maker=_MAKER)

    def text(self, text: str, counts: Counter[str] | None = None) -> str:
        """Free text, redacted; what was taken out is counted by class."""
        if len(text) > MAX_TEXT_CHARS:
            raise RefusedError(f"a text of {len(text)} characters is too long to be redacted", reason="too-long")
        redacted = self._replace(text, merge(self._spans(text)), counts)
        for _ in range(FURTHER_PASSES):
            if not self._left_in(redacted):
                break
            redacted = self._between_tokens(redacted, counts)
        return redacted

    def token(self, kind: str, value: str) -> str:
        """What stands for a value of a class in this bundle."""
        digest = hmac.new(self._key, f"{kind}\0{value}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        return f"<{kind}:{digest[:8]}>"

    def _spans(self, text: str) -> list[Span]:
        spans = find(text, self._detectors) if len(text) >= SHORTEST_CHARS else []
        if self._seed_pattern is not None:
            spans += [Span(m.start(), m.end(), self._seeds[m[0].lower()]) for m in self._seed_pattern.finditer(text)]
        return spans

    def _replace(self, text: str, spans: list[Span], counts: Counter[str] | None) -> str:
        if not spans:
            return text
        pieces: list[str] = []
        position = 0
        for span in spans:
            pieces += [text[position : span.start], self.token(span.kind, text[span.start : span.end])]
            position = span.end
            if counts is not None:
                counts[span.kind] += 1
        return "".join([*pieces, text[position:]])

    def _value(self, value: object, key: str | None, collected: Collected, counts: Counter[str]) -> object:
        if isinstance(value, str):
            return self._field(value, key, collected, counts)
        if isinstance(value, list | tuple):
            return [self._value(item, key, collected, counts) for item in value]
        if isinstance(value, dict):
            return {str(name): self._value(item, str(name), collected, counts) for name, item in value.items()}
        return value

    def _field(self, text: str, key: str | None, collected: Collected, counts: Counter[str]) -> str:
        spec = collected.fields.get(key or "")
        if key is not None and text and _SECRET_KEY.match(key):
            counts["secret"] += 1
            return self.token("secret", text)
        if spec is not None and spec.sensitivity in {"pii", "secret"} and text:
            if spec.sensitivity == "secret" or self._strict:
                kind = "secret" if spec.sensitivity == "secret" else self._kind_of(text)
                counts[kind] += 1
                return self.token(kind, text)
            return text
        if spec is not None and spec.type in STRUCTURAL_TYPES:
            return self._replace(text, merge(find(text, _SURE)), counts) if len(text) > 8 else text
        return self.text(text, counts)

    def _kind_of(self, text: str) -> str:
        spans = merge(self._spans(text))
        whole = [span.kind for span in spans if span.end - span.start >= len(text) * 0.8]
        return whole[0] if whole else self._seeds.get(text.lower(), "pii")

    def _between_tokens(self, text: str, counts: Counter[str] | None) -> str:
        """Look again at what stands between tokens: a replaced neighbour may have hidden where a word begins."""
        pieces = _TOKEN.split(text)
        tokens = [*_TOKEN.findall(text), ""]
        redacted = [self._replace(piece, merge(self._spans(piece)), counts) for piece in pieces]
        return "".join(piece + token for piece, token in zip(redacted, tokens, strict=True))

    def _left_in(self, text: str) -> str:
        """The class of a sure secret or a seed that is still there, or empty."""
        rest = _TOKEN.sub(" ", text)
        left = find(rest, _SURE)
        if left:
            return left[0].kind
        return "seed" if self._seed_pattern is not None and self._seed_pattern.search(rest) else ""

    def _sweep(self, text: str, collected: Collected, *, seeds: bool) -> None:
        left = self._left_in(text)
        if left and (seeds or left != "seed"):
            raise RefusedError(
                f"redaction would leave a {left} in {collected.sensitivity} content", reason="redaction-incomplete"
            )


def _texts_in(value: object) -> Iterator[str]:
    """Every key and text of JSON facts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts_in(item)


def find(text: str, detectors: Iterable[Detector]) -> list[Span]:
    """Every span any detector hits, unmerged."""
    lower = text.lower()
    spans: list[Span] = []
    for detector in detectors:
        if detector.gate and not any(piece in lower for piece in detector.gate):
            continue
        for match in detector.pattern.finditer(text):
            if detector.valid is None or detector.valid(match):
                spans.append(Span(match.start("s"), match.end("s"), detector.kind))
    return spans


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

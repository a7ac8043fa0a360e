"""Text and facts → the same without secrets and personal data, and what was taken out.

Rule 1: what a collector saw is `Collected`; only this file makes a `Redacted` of it, and a bundle takes nothing else.
Rule 2: all detectors look at the same original text; spans that overlap are merged and replaced once, never nested.
Rule 3: fail closed: text in which a sure secret or a seed is still found afterwards is not returned.
A token is `<class:8 hex digits>`, HMAC-SHA256 of class and value. Personal data is keyed with the customer's own key,
so equal values stay equal in all bundles of one customer and cannot be linked to another's; what the tokens stand for
is remembered for the customer's machine. Secrets are keyed for one run and not remembered at all.
"""

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from remote_assist.core.catalog.model import FieldSpec
from remote_assist.core.detect.anchors import Searched
from remote_assist.core.detect.detectors import DETECTORS, SECRET_CLASSES
from remote_assist.core.detect.panel import Panel
from remote_assist.core.detect.seed_words import SeedWords
from remote_assist.core.detect.spans import Span, found, merge
from remote_assist.errors import LocalProtocolError, RefusedError

PROFILES = ("strict", "secrets")
"""strict: secrets and personal data; secrets: only secrets."""

STRUCTURAL_TYPES = frozenset({"unit", "path", "name", "time"})
"""Fact types whose text conditions and fixes rely on: only sure secrets are taken out of them."""

SEEDED_TYPES = frozenset({"path"})
"""Of these, the ones in which seeds are replaced as well: a path may hold a person's name, a unit is a program's."""

MAX_TEXT_CHARS = 4 << 20
MAX_REMEMBERED = 20_000
"""Tokens whose values are kept for the customer's machine."""

MIN_SEED_CHARS = 4
_SECRET_KEY = re.compile(r"(?i)^(?:.*[_-])?(?:password|passwd|secret|token|api_?key|private_?key|passphrase)$")
_STRICT = Panel(DETECTORS)
_SECRETS = Panel(each for each in DETECTORS if each.kind in SECRET_CLASSES)
_SURE = Panel(each for each in DETECTORS if each.sure)
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


class Redactor:
    """Redacts with one key, one profile and the seeds known so far.

    `secret_key` is the key of tokens that stand for secrets, fresh for every run; without one it is `key`.
    """

    def __init__(
        self,
        key: bytes,
        *,
        profile: str = "strict",
        seeds: Mapping[str, str] | None = None,
        secret_key: bytes | None = None,
    ) -> None:
        self._secret_key = key if secret_key is None else secret_key
        if min(len(key), len(self._secret_key)) < 16:
            raise LocalProtocolError("a redaction key has at least 16 bytes")
        if profile not in PROFILES:
            raise LocalProtocolError(f"there is no redaction profile '{profile}'")
        self._key = key
        self._strict = profile == "strict"
        self._detectors = _STRICT if self._strict else _SECRETS
        self._seeds = SeedWords()
        self._tokens: dict[tuple[str, str], str] = {}
        self.remembered: dict[str, str] = {}
        """Token → what it stands for, personal data only."""
        self.add_seeds(seeds or {})

    def add_seeds(self, seeds: Mapping[str, str]) -> None:
        """Exact values (value → class) replaced wherever they occur as a word; ignored unless the profile is strict."""
        if self._strict:
            self._seeds.add({text: kind for text, kind in seeds.items() if len(text) >= MIN_SEED_CHARS})

    def redact(self, collected: Collected) -> Redacted:
        """The redacted form. Raises RefusedError when a sure secret or a seed would still be inside."""
        counts: Counter[str] = Counter()
        if isinstance(collected.raw, str):
            text = self.text(collected.raw, counts)
            self._sweep(text, collected, seeds=True)
            return Redacted(text.encode("utf-8", "replace"), text, dict(counts), collected.sensitivity, maker=_MAKER)
        value = self._value(collected.raw, None, collected, counts)
        raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        for key, piece in _texts_in(value):
            self._sweep(piece, collected, seeds=_may_hold_no_seed(collected.fields.get(key)))
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
        """What stands for a value of a class."""
        token = self._tokens.get((kind, value))
        if token is not None:
            return token
        secret = kind in SECRET_CLASSES
        named = f"{kind}\0{value}".encode("utf-8", "replace")
        digest = hmac.digest(self._secret_key if secret else self._key, named, "sha256").hex()
        token = f"<{kind}:{digest[:8]}>"
        if len(self._tokens) < MAX_REMEMBERED:
            self._tokens[kind, value] = token
            if not secret:
                self.remembered[token] = value
        return token

    def sweep(self, name: str, raw: bytes) -> None:
        """The last look at packed bytes and their file name. Raises RefusedError when something is left in them."""
        text = raw.decode("utf-8", "replace")
        left = self._left_in(name) or self._sure_left_in(Searched(_TOKEN.sub(" ", text)))
        if left:
            raise RefusedError(f"a {left} would be left in {name[:60]!r}", reason="redaction-incomplete")

    def _spans(self, text: str) -> list[Span]:
        searched = Searched(text)
        spans = found(searched, self._detectors.near(searched)) if len(text) >= SHORTEST_CHARS else []
        return spans + [Span(*each) for each in self._seeds.spans(searched)]

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
            return self._structural(text, spec.type, counts)
        return self.text(text, counts)

    def _structural(self, text: str, kind: str, counts: Counter[str]) -> str:
        searched = Searched(text)
        spans = found(searched, _SURE.near(searched)) if len(text) > 8 else []
        if kind in SEEDED_TYPES:
            spans += [Span(*each) for each in self._seeds.spans(searched)]
        return self._replace(text, merge(spans), counts)

    def _kind_of(self, text: str) -> str:
        spans = merge(self._spans(text))
        whole = [span.kind for span in spans if span.end - span.start >= len(text) * 0.8]
        return whole[0] if whole else self._seeds.kind(text) or "pii"

    def _between_tokens(self, text: str, counts: Counter[str] | None) -> str:
        """Look again at what stands between tokens: a replaced neighbour may have hidden where a word begins."""
        pieces = _TOKEN.split(text)
        tokens = [*_TOKEN.findall(text), ""]
        redacted = [self._replace(piece, merge(self._spans(piece)), counts) for piece in pieces]
        return "".join(piece + token for piece, token in zip(redacted, tokens, strict=True))

    def _left_in(self, text: str) -> str:
        """The class of a sure secret or a seed that is still there, or empty."""
        rest = Searched(_TOKEN.sub(" ", text))
        if left := self._sure_left_in(rest):
            return left
        return "seed" if any(True for _ in self._seeds.spans(rest)) else ""

    def _sure_left_in(self, rest: Searched) -> str:
        left = found(rest, _SURE.near(rest))
        return left[0].kind if left else ""

    def _sweep(self, text: str, collected: Collected, *, seeds: bool) -> None:
        left = self._left_in(text)
        if left and (seeds or left != "seed"):
            raise RefusedError(
                f"redaction would leave a {left} in {collected.sensitivity} content", reason="redaction-incomplete"
            )


def _texts_in(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every key and text of JSON facts, each with the key it stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield "", name
            yield from _texts_in(item, name)


def _may_hold_no_seed(spec: FieldSpec | None) -> bool:
    return spec is None or spec.type not in STRUCTURAL_TYPES - SEEDED_TYPES

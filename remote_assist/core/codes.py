"""Support codes as people say and type them, session ids, and a relay's origin.

Rule: the three words are a password. They are shown once to who made the code, typed once by who was told it, and
never reach the relay, an argument list, an environment, a log or a note; `repr` hides them.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import SplitResult, urlsplit

from remote_assist.core.words import WORDS
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, UsageError

NAMEPLATE_DIGITS = 6
WORDS_IN_A_CODE = 3
BITS_PER_WORD = 11
"""2,048 words; three of them hold 33 bits, and an attacker gets one guess."""

QR_PREFIX = "remote-assist:"
"""What a QR code puts before the code; for the agent only."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""How digits are spoken."""

_MAX_CODE_CHARS = 200
_POSITION = {word: index for index, word in enumerate(WORDS)}
_MAYBE_CODE = re.compile(r"(?:\b[0-9]{6}[\W_]+)?\b([a-z]+)([\W_]+)([a-z]+)([\W_]+)([a-z]+)\b")
_SESSION_ID = re.compile(r"s-[a-z2-7]{16}")
_PORTS = {"http": 80, "https": 443}
_SAME_SCHEME = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class SupportCode:
    """`nameplate` only routes and is known to the relay; `words` (`tulip-rocket-amber`) is the secret."""

    nameplate: str
    words: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.nameplate}-{self.words}"


def parse_code(text: str) -> SupportCode:
    """The code in what a person typed: any case, dashes or spaces. Raises UsageError that names the wrong part."""
    plain = unicodedata.normalize("NFKC", text[:_MAX_CODE_CHARS]).lower().strip().removeprefix(QR_PREFIX)
    parts = [part for part in re.split(r"[\s\-\u2010-\u2015]+", plain) if part]
    if len(text) > _MAX_CODE_CHARS or len(parts) != 1 + WORDS_IN_A_CODE:
        raise UsageError("a support code is a number and three words", advice=_EXAMPLE)
    nameplate, words = parts[0], parts[1:]
    if not re.fullmatch(rf"[0-9]{{{NAMEPLATE_DIGITS}}}", nameplate):
        raise UsageError(f"a support code begins with {NAMEPLATE_DIGITS} digits", advice=_EXAMPLE)
    for word in words:
        if word not in _POSITION:
            raise UsageError(_unknown_word(word), advice="Ask whoever told you the code to spell it.")
    return SupportCode(nameplate, "-".join(words))


def new_code(nameplate: str, entropy: bytes) -> SupportCode:
    """A code nobody knows yet, for a number the relay gave. Raises RemoteProtocolError when it gave none."""
    if not re.fullmatch(rf"[0-9]{{{NAMEPLATE_DIGITS}}}", nameplate):
        raise RemoteProtocolError(f"the relay's nameplate is not {NAMEPLATE_DIGITS} digits")
    return SupportCode(nameplate, choose_words(entropy))


def spoken(code: SupportCode, digits: Sequence[str] = DIGITS) -> str:
    """The code as one says it on the telephone; `digits`: how ten digits are called, from zero."""
    said = [digits[int(digit)] for digit in code.nameplate]
    half = NAMEPLATE_DIGITS // 2
    return ", ".join([" ".join(said[:half]), " ".join(said[half:]), *code.words.split("-")])


def choose_words(entropy: bytes) -> str:
    """Three words from the first 33 bits of at least 5 random bytes; every triple is equally likely."""
    if len(entropy) < 5:
        raise LocalProtocolError("a support code needs at least 5 random bytes")
    bits = int.from_bytes(entropy[:5], "big") >> (40 - WORDS_IN_A_CODE * BITS_PER_WORD)
    mask = (1 << BITS_PER_WORD) - 1
    shifts = range((WORDS_IN_A_CODE - 1) * BITS_PER_WORD, -1, -BITS_PER_WORD)
    return "-".join(WORDS[bits >> shift & mask] for shift in shifts)


def contains_live_code(text: str, code_words: str) -> bool:
    """Whether `text` says the three words in order, however they are spaced, cased or decorated."""
    return _letters(code_words) in _letters(text)


def looks_like_code(text: str) -> bool:
    """Whether a text shows a support code: six digits and three list words, or three list words joined by dashes."""
    plain = unicodedata.normalize("NFKC", text).lower()
    start = 0
    while found := _MAYBE_CODE.search(plain, start):
        first, one, second, two, third = found.groups()
        dashed = one.strip() == "-" and two.strip() == "-"
        if {first, second, third} <= _POSITION.keys() and (dashed or found[0][0].isdigit()):
            return True
        start = found.start(2)
    return False


def is_session_id(text: str) -> bool:
    """Whether `text` has the form of a session id; all else is taken for a file."""
    return _SESSION_ID.fullmatch(text) is not None


def session_id(statement: bytes) -> str:
    """The id both ends compute from the technician's statement, exactly as it was signed."""
    return short_id("s-", hashlib.sha256(statement).digest())


def short_id(prefix: str, digest: bytes) -> str:
    """`prefix` and 16 letters of a digest: 80 bits, which people read, type and say."""
    return prefix + base64.b32encode(digest).decode("ascii").lower()[:16]


def relay_origin(url: str) -> str:
    """`scheme://host:port` of a relay's URL, always with the port, ws as http. Raises UsageError."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = _host(parts)
    except ValueError as error:
        raise UsageError(f"the relay's address cannot be read: {error}", advice=_URL_EXAMPLE) from error
    scheme = _SAME_SCHEME.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or not host or port == 0:
        raise UsageError("a relay's address is https://HOST or http://HOST:PORT", advice=_URL_EXAMPLE)
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("a relay's address has no user, path or query", advice=_URL_EXAMPLE)
    return f"{scheme}://{host}:{port or _PORTS[scheme]}"


_EXAMPLE = "It looks like 417203-tulip-rocket-amber."
_URL_EXAMPLE = "It looks like https://relay.example.com."


def _host(parts: SplitResult) -> str:
    name = (parts.hostname or "").rstrip(".")
    if ":" in name:
        return f"[{name}]"
    plain = name if name.isascii() else name.encode("idna").decode("ascii")
    if plain and not re.fullmatch(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?", plain):
        raise ValueError("the host name has a character that no host name has")
    return plain


def _unknown_word(word: str) -> str:
    near = get_close_matches(word, WORDS, n=1, cutoff=0.5)
    return f"'{word[:40]}' is not a word of support codes" + (f"; did you mean '{near[0]}'?" if near else "")


def _letters(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", text).lower() if sign.isalpha())

"""The customer's decoder ring: the key of their tokens, and what each token in a bundle stands for.

    HOME/redaction/key            32 random bytes, made once
    HOME/redaction/tokens.json    token → value, the newest MAX_TOKENS

Rule 1: both stay on this machine, readable by the customer alone; nothing sends them anywhere.
Rule 2: only personal data is in it. A secret has no way back.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from remote_assist.errors import ContentError
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

KEY_BYTES = 32
MAX_TOKENS = 100_000
MAX_VALUE_CHARS = 500
TOKEN = re.compile(r"<[a-z]{2,8}:[0-9a-f]{8}>")


class TokenMap:
    """The map of one state folder. `entropy` makes the key the first time."""

    def __init__(self, home: Path, entropy: Callable[[int], bytes]) -> None:
        self._folder = home / "redaction"
        self._entropy = entropy

    def key(self) -> bytes:
        """The customer's own key. Raises ContentError when it cannot be trusted or made."""
        try:
            make_private_folder(self._folder)
            try:
                return self._checked(read_private(self._folder / "key", KEY_BYTES))
            except FileNotFoundError:
                write_private(self._folder / "key", self._entropy(KEY_BYTES), replace=False)
                return self._checked(read_private(self._folder / "key", KEY_BYTES))
        except OSError as error:
            raise ContentError(f"the key of redaction cannot be kept: {error.strerror}") from error

    def remember(self, tokens: Mapping[str, str]) -> None:
        """Add tokens and what they stand for. Raises ContentError when they cannot be written down."""
        known = self.tokens()
        fresh = {token: value[:MAX_VALUE_CHARS] for token, value in tokens.items() if known.get(token) != value}
        if not fresh:
            return
        kept = dict(list({**known, **fresh}.items())[-MAX_TOKENS:])
        try:
            make_private_folder(self._folder)
            write_private(self._folder / "tokens.json", msgspec.json.encode(kept))
        except OSError as error:
            raise ContentError(f"the map of tokens cannot be written: {error.strerror}") from error

    def tokens(self) -> dict[str, str]:
        """Everything known, oldest first. Raises ContentError when the file is damaged or others could read it."""
        try:
            raw = read_private(self._folder / "tokens.json", 64 << 20)
            return msgspec.json.decode(raw, type=dict[str, str])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise ContentError(f"{self._folder / 'tokens.json'} is damaged", advice="Remove it.") from error

    def reveal(self, text: str) -> str:
        """`text` with every known token replaced by what it stands for."""
        if not TOKEN.search(text):
            return text
        tokens = self.tokens()
        return TOKEN.sub(lambda match: tokens.get(match[0], match[0]), text)

    def _checked(self, key: bytes) -> bytes:
        if len(key) != KEY_BYTES:
            raise ContentError(f"{self._folder / 'key'} is not a key", advice="Remove it; a new one will be made.")
        return key

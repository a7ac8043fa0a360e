"""Hostile bytes stay bytes: the one function that turns a peer's text into text a terminal may show.

Rule 1: what a peer, ticket, log, file or catalog says is `HostileStr` until `safe_text` made it `SafeStr`.
Rule 2: replaced characters stay visible (`\\x1b`, `\\u{202e}`), so nobody is misled about what was there.
"""

from typing import NewType

HostileStr = NewType("HostileStr", str)
"""Text of a peer, not yet fit for a screen, a log line or a note."""

SafeStr = NewType("SafeStr", str)
"""Text that went through `safe_text`: printable characters, spaces, and newlines where asked for."""

MAX_LINE = 4096
"""Longest line kept, in characters (reference: safe_text contract)."""

MAX_COMBINING = 4
"""Longest run of combining marks kept on one character."""


def safe_text(raw: str | bytes, *, lines: bool = False, max_chars: int = 64 * 1024) -> SafeStr:
    """What a terminal may show of `raw`. With `lines`, newlines are kept; else they too are shown escaped.

    Replaces C0, DEL, C1, bidirectional controls, zero-width and line separators, lone surrogates, tags and
    private use; caps runs of combining marks and the length of lines; expands tabs.
    """
    raise NotImplementedError

"""What a technician chose to disclose, on a form or by options, before it is made."""

from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.disclosure import BUNDLE, FILE, INTERNAL, KINDS, SCREENSHOT, TEXT
from remote_assist.errors import UsageError

OF_A_PATH = frozenset({FILE, SCREENSHOT})
"""Kinds whose words are a path."""

FILES = OF_A_PATH | {BUNDLE}
"""Kinds that can be sealed, or named by their digest alone."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`words`: the text, or a file's path; `issues`: these findings, else all that matter.

    Of a file: `seal_to` is a public key (X25519, PEM) whose holder alone can read it; with `digest_only` the file stays
    here, and its name, size and SHA-256 go as a text.
    """

    kind: str
    readers: str = INTERNAL
    words: str = ""
    issues: tuple[str, ...] = ()
    seal_to: Path | None = None
    digest_only: bool = False

    def check(self) -> None:
        """Raise UsageError for what nothing can be made of."""
        if self.kind not in KINDS:
            raise UsageError("a disclosure is findings, a bundle, a file, a picture or a text")
        if self.kind == TEXT and not self.words.strip():
            raise UsageError("there is no text yet", advice="Type it.")
        if self.kind in OF_A_PATH and not self.words.strip():
            raise UsageError("no file is named yet", advice="Type its path.")
        if self.kind not in FILES and (self.seal_to or self.digest_only):
            raise UsageError(
                "only a file is sealed, or named by its digest alone", advice="Choose a file or the bundle."
            )
        if self.seal_to and self.digest_only:
            raise UsageError(
                "a file is either sealed or named by its digest alone", advice="Of a digest there is nothing to seal."
            )

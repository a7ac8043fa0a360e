"""Key files of sealed bundles and files: X25519 in PEM."""

from collections.abc import Callable
from pathlib import Path

from remote_assist.core.signing.reviewer_keys import MAX_KEY_BYTES, load_reviewer_key, load_reviewer_public
from remote_assist.errors import ContentError


def public_key(path: Path | None) -> bytes:
    """The 32 public bytes in a file, none without one. Raises ContentError."""
    return _loaded(path, load_reviewer_public)


def private_key(path: Path | None) -> bytes:
    """The 32 private bytes in a file, none without one. Raises ContentError."""
    return _loaded(path, load_reviewer_key)


def _loaded(path: Path | None, load: Callable[[bytes], bytes]) -> bytes:
    if path is None:
        return b""
    try:
        with path.open("rb") as file:
            return load(file.read(MAX_KEY_BYTES + 1))
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error

"""Checkpoints: the log's size and root, signed, as C2SP tlog-checkpoint over C2SP signed-note. And rollback notes.

    ORIGIN LF                    remote-assist/log/ + 32 hex digits of SHA-256(log key), so the key alone names the log
    SIZE LF                      leaves, decimal
    ROOT LF                      base64
    LF
    — ORIGIN BASE64 LF           core/signing/signed_note.py

Rule 1: one form is accepted: exactly three lines and our own log's signature; lines by unknown keys (witnesses) are
passed over, as the note format asks, but must be well formed.
Rule 2: a line of a cosigner (ML-DSA-44, core/signing/cosignature.py) is checked by whoever knows its key.
Rule 3: a signature of our key that does not hold refuses the whole note.
Source: https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from remote_assist.core.signing.cosignature import held_cosignatures
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.signing.signed_note import (
    check_signed,
    from_base64,
    origin_of_signer,
    sign_note,
    split_note,
    to_base64,
)
from remote_assist.core.tree import HASH_BYTES, TreeHead
from remote_assist.errors import LocalProtocolError, VerificationError

MAX_SIZE = (1 << 53) - 1
"""Most leaves a tree may have: indexes travel as JSON numbers."""

ROLLBACK_TITLE = "remote-assist/1 rollback accepted"

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: whose log, how large, which root, and the signed text it was read from.

    `cosigners`: names of those known cosigners whose signatures hold as well (core/signing/cosignature.py).
    """

    origin: str
    head: TreeHead
    note: str
    cosigners: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.head.size


def sign_checkpoint(key: PrivateKey, head: TreeHead) -> str:
    """The checkpoint note of a tree. Raises LocalProtocolError for a key that is not Ed25519."""
    return sign_note(f"{origin_of_signer(key)}\n{head_lines(head)}", key)


def sign_rollback(key: PrivateKey, *, time: str, lost: TreeHead, found: TreeHead) -> str:
    """The signed word of an operator who lets a log go on from an older state: what was promised, what is there."""
    lines = [ROLLBACK_TITLE, origin_of_signer(key), time]
    lines += [f"promised {lost.size} {to_base64(lost.root)}", f"found {found.size} {to_base64(found.root)}"]
    return sign_note("\n".join(lines) + "\n", key)


def open_checkpoint(note: str, log_keys: Collection[str], *, where: str = "checkpoint") -> Checkpoint:
    """The checkpoint in a note signed by one of `log_keys` (public lines). Raises VerificationError.

    A cosigner's line among `log_keys` is checked where the note has its signature.
    """
    text, signatures = split_note(note, where)
    lines = text.split("\n")
    if len(lines) != 4:
        raise VerificationError(f"{where}: this is no checkpoint", where=where)
    head = read_head_lines(lines[1], lines[2], where)
    check_signed(lines[0], text, signatures, log_keys, where)
    return Checkpoint(lines[0], head, note, held_cosignatures(lines[0], head, signatures, log_keys, where=where))


def open_rollback(note: str, log_keys: Collection[str], *, where: str = "rollback") -> tuple[str, ...]:
    """The lines of a rollback note signed by one of `log_keys`. Raises VerificationError."""
    text, signatures = split_note(note, where)
    lines = text.split("\n")
    if lines[0] != ROLLBACK_TITLE or len(lines) != 6:
        raise VerificationError(f"{where}: this is no word about a rollback", where=where)
    check_signed(lines[1], text, signatures, log_keys, where)
    return tuple(lines[1:5])


def head_lines(head: TreeHead) -> str:
    """A tree's size and root as two lines. Raises LocalProtocolError for what no tree can be."""
    if not 0 <= head.size <= MAX_SIZE or len(head.root) != HASH_BYTES:
        raise LocalProtocolError("no checkpoint can say this of a tree")
    return f"{head.size}\n{to_base64(head.root)}\n"


def read_head_lines(size: str, root: str, where: str) -> TreeHead:
    """The tree that two lines name. Raises VerificationError."""
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise VerificationError(f"{where}: this is no checkpoint", where=where)
    raw = from_base64(root, where)
    if len(raw) != HASH_BYTES:
        raise VerificationError(f"{where}: the root is not {HASH_BYTES} bytes", where=where)
    return TreeHead(int(size), raw)

"""A `.tlog-proof` file: that one entry is in the log, verifiable with the log key alone (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra BASE64                 here: the entry itself (59 bytes: the relay's time, the record's hash)
    index N
    BASE64                       inclusion proof, from the leaf's sibling upwards, a hash a line
                                 (empty line)
    the checkpoint, verbatim

Rule: `extra` is not authenticated; it is believed only because its leaf hash leads to the checkpoint's root.
Source: https://c2sp.org/tlog-proof.
"""

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass

from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES, to_base64
from remote_assist.core.tree import HASH_BYTES, MAX_PROOF_HASHES, check_inclusion, leaf_of
from remote_assist.errors import VerificationError

FIRST_LINE = "c2sp.org/tlog-proof@v1"
MAX_PROOF_BYTES = MAX_NOTE_BYTES + (8 << 10)
ENTRY_BYTES = 59

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True)
class LogProof:
    """One entry's proof. `entry` is what was logged, `checkpoint` the signed note."""

    entry: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str


def proof_text(proof: LogProof) -> str:
    """The file."""
    lines = [FIRST_LINE, f"extra {to_base64(proof.entry)}", f"index {proof.index}", *map(to_base64, proof.hashes)]
    return "\n".join(lines) + "\n\n" + proof.checkpoint


def read_proof(text: str) -> LogProof:
    """The proof in a file; nothing is verified but the form. Raises VerificationError."""
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if len(text) > MAX_PROOF_BYTES or not gap or len(lines) < 3 or lines[0] != FIRST_LINE:
        raise _fault("this is no tlog-proof")
    found = _INDEX.fullmatch(lines[2])
    if not lines[1].startswith("extra ") or found is None or len(lines) > 3 + MAX_PROOF_HASHES:
        raise _fault("its lines are not as they must be")
    entry = _bytes(lines[1].removeprefix("extra "), ENTRY_BYTES)
    hashes = tuple(_bytes(line, HASH_BYTES) for line in lines[3:])
    return LogProof(entry, int(found[1]), hashes, checkpoint)


def verify_proof(proof: LogProof, log_keys: Collection[str]) -> Checkpoint:
    """The checkpoint, once it is signed and the entry is proved to be in its tree. Raises VerificationError."""
    checkpoint = open_checkpoint(proof.checkpoint, log_keys)
    leaf = leaf_of(proof.entry)
    head = checkpoint.head
    check_inclusion(leaf, proof.index, head.size, proof.hashes, head.root, where=f"leaf {proof.index}")
    return checkpoint


def _bytes(text: str, length: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _fault("a part is not base64") from error
    if len(raw) != length or to_base64(raw) != text:
        raise _fault(f"a part is not {length} bytes in base64")
    return raw


def _fault(text: str) -> VerificationError:
    return VerificationError(f"the proof cannot be read: {text}", where="proof")

"""A session's proof as plain text, for its ticket: small, complete, checked with the log's public key alone.

    heading           what it says in words, and the command that checks it
    first, last       session's opening and end: the relay's signed acknowledgements (record, leaf, time, hash)
    tlog-proof        that the last one is in the tree a checkpoint signs (core/log/tlog_proof.py), with the checkpoint

Rule 1: every line follows from what is signed: whoever checks it builds the text anew and compares, so that nothing in
it can be changed. Rule 2: what surrounds it (a ticket system's own lines, spaces at the ends of lines) is passed over.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.tlog_proof import FIRST_LINE, LogProof, proof_text, read_proof, verify_proof
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import log_entry, verify_acknowledgement
from remote_assist.errors import VerificationError

TITLE = "Proof of session "
MAX_TEXT_BYTES = 128 << 10
"""Longest text in which a proof is looked for."""

MAX_BETWEEN = 64
"""Most lines of heading and acknowledgements."""

_ACKNOWLEDGEMENT = re.compile(
    r"(?:first|last) record (0|[1-9][0-9]{0,15})\nleaf (0|[1-9][0-9]{0,15})\ntime (\S{1,40})\nhash ([0-9a-f]{64})\n"
    r"(-----BEGIN SSH SIGNATURE-----\n(?:[A-Za-z0-9+/=]{1,76}\n){1,40}-----END SSH SIGNATURE-----\n)"
)
_SESSION = re.compile(rf"{TITLE}(s-[a-z0-9]{{1,40}})")


@dataclass(frozen=True, slots=True)
class SessionProof:
    """The acknowledgements of a session's first and last record, and the log's proof of the last."""

    first: Acknowledgement
    last: Acknowledgement
    proof: LogProof


def session_proof_text(proof: SessionProof, checkpoint: Checkpoint) -> str:
    """The text; `checkpoint` is the one in the proof."""
    first, last = proof.first, proof.last
    return (
        f"{TITLE}{last.session}\n"
        f"Records 0 to {last.seq}, leaves {first.index} to {last.index} of the log {checkpoint.origin}\n"
        f"The log then held {checkpoint.size} records, root {checkpoint.head.root.hex()}\n"
        f"Session head {last.hash}\n"
        "To check it without the relay, save this note as FILE:\n"
        f"remote-assist audit verify FILE --log-key LOG.pub\n\n"
        f"{_acknowledged('first', first)}\n{_acknowledged('last', last)}\n{proof_text(proof.proof)}"
    )


def holds_proof(text: str) -> bool:
    """Whether a text is a note with a session's proof in it."""
    return FIRST_LINE in text and _SESSION.search(text) is not None


def verify_session_proof(text: str, log_keys: Collection[str]) -> tuple[SessionProof, Checkpoint]:
    """The proof in a ticket's note, once all of it holds. Raises VerificationError naming the part that does not."""
    lines = [line.strip() for line in text[:MAX_TEXT_BYTES].splitlines()]
    start = next((at for at, line in enumerate(lines) if _SESSION.fullmatch(line)), None)
    if start is None or FIRST_LINE not in lines[start : start + MAX_BETWEEN]:
        raise VerificationError("there is no session's proof in this text", where="proof")
    middle = lines.index(FIRST_LINE, start)
    end = _end_of(lines, middle)
    found = "\n".join(lines[start:end]) + "\n"
    proof = _read("\n".join(lines[start:middle]), "\n".join(lines[middle:end]) + "\n")
    for one in (proof.first, proof.last):
        verify_acknowledgement(one, log_keys)
    if proof.first.seq != 0 or proof.proof.index != proof.last.index:
        raise VerificationError("the proof is not of this session's records", where="proof")
    if proof.proof.entry != log_entry(proof.last.time, proof.last.hash):
        raise VerificationError("the proof is of another record than the session's last", where="proof")
    checkpoint = verify_proof(proof.proof, log_keys)
    if session_proof_text(proof, checkpoint) != found:
        raise VerificationError("the note's words are not what its proof says", where="words")
    return proof, checkpoint


def _end_of(lines: list[str], middle: int) -> int:
    """Where the checkpoint's signature lines end."""
    at = middle
    for _ in range(2):  # the gap before the checkpoint, and the one before its signatures
        at = next((later for later in range(at + 1, len(lines)) if not lines[later]), len(lines) - 1)
    return next((later for later in range(at + 1, len(lines)) if not lines[later].startswith("\u2014 ")), len(lines))


def _read(head: str, tail: str) -> SessionProof:
    named = _SESSION.match(head)
    said = _ACKNOWLEDGEMENT.findall(head)
    if named is None or len(said) != 2:
        raise VerificationError("the session's proof lacks its acknowledgements", where="proof")
    first, last = (
        Acknowledgement(session=named[1], seq=int(seq), index=int(leaf), time=time, hash=hash, signature=signature)
        for seq, leaf, time, hash, signature in said
    )
    return SessionProof(first, last, read_proof(tail))


def _acknowledged(which: str, one: Acknowledgement) -> str:
    return f"{which} record {one.seq}\nleaf {one.index}\ntime {one.time}\nhash {one.hash}\n{one.signature}"

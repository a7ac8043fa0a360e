"""Verifies a whole log at once: every stored byte hashed, every link and leaf checked, signatures where they cover all.

    record ─ hash ─▶ `prev` of the next … ─▶ a session's last head signature covers all its records
           └ time ─▶ leaf … ─▶ root ─▶ the checkpoint's signature covers all acknowledgements' times and indexes

Rule 1: this proves of the log as a whole what `audit verify SESSION` proves record by record, for a fraction of the
signatures: a hash chain whose end is signed cannot differ before it, and a leaf under a signed root was promised.
Rule 2: nothing is left out: the leaves must be all of the checkpoint's tree.
Rule 3: what is beyond that (canonical form, codes, each acknowledgement's own signature) is `audit verify SESSION`'s;
nothing here replaces it.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.opening import check_opening
from remote_assist.core.log.organisation import check_chain_opening, is_chain_id
from remote_assist.core.record_codes import JOURNAL_KEY_CODES
from remote_assist.core.records import NO_RECORD, decode_record, head_bytes, place
from remote_assist.core.signing import sshsig
from remote_assist.core.tree import HASH_BYTES
from remote_assist.errors import RemoteProtocolError, VerificationError


class _Link(msgspec.Struct, gc=False):
    """What the chain needs of a record; all else of it is covered by its hash."""

    session: str
    seq: int
    prev: str
    code: str


@dataclass(slots=True)
class _Chain:
    """How far a session reaches. `tail`: its last records since one that only the host key may have signed."""

    first: bytes
    seq: int = -1
    hash: str = NO_RECORD
    tail: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class WholeReport:
    """What was proved: so many records in so many chains are exactly the tree of the checkpoint."""

    records: int
    chains: int


_SHA = hashlib.sha256
_DECODER = msgspec.json.Decoder(_Link)


class WholeCheck:
    """One walk: `take` every record, each chain in its order, then `finish`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._size = checkpoint.size
        self._leaves: list[bytes] = [b""] * checkpoint.size
        self._count = 0
        self._chains: dict[str, _Chain] = {}

    def take(self, raw: bytes, head: str, time: str, index: int) -> None:
        """The next record of its chain; `time` and `index` as acknowledged. Raises VerificationError."""
        try:
            link = _DECODER.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise VerificationError(f"leaf {index}: not a record: {error}", where=f"leaf {index}") from error
        digest = _SHA(raw)
        if index < self._size:  # what is newer than the checkpoint the next one covers
            if index < 0 or self._leaves[index]:
                raise VerificationError(f"leaf {index}: two records claim it", where=f"leaf {index}")
            self._leaves[index] = _SHA(b"\0" + time.encode() + digest.digest()).digest()
            self._count += 1
        chain = self._chains.get(link.session)
        if chain is None:
            chain = self._chains[link.session] = _Chain(raw)
        if link.seq != chain.seq + 1 or link.prev != chain.hash:
            where = place(link.session, chain.seq + 1)
            raise VerificationError(f"{where}: record {link.seq} stands here and does not follow", where=where)
        chain.seq, chain.hash = link.seq, digest.hexdigest()
        if link.code not in JOURNAL_KEY_CODES:
            chain.tail.clear()
        chain.tail.append((link.seq, chain.hash, head))

    def finish(self, *, log_keys: Collection[str], ca_line: str | None) -> WholeReport:
        """Check root, openings and head signatures. Raises VerificationError."""
        if self._count != self._checkpoint.size:
            missing = next((at for at, leaf in enumerate(self._leaves) if not leaf), self._count)
            raise VerificationError(f"leaf {missing}: missing", where=f"leaf {missing}")
        if _root(self._leaves) != self._checkpoint.head.root:
            raise VerificationError("these records are not those of the signed tree", where="checkpoint")
        for name, chain in self._chains.items():
            self._check_chain(name, chain, log_keys, ca_line)
        return WholeReport(self._count, len(self._chains))

    def _check_chain(self, name: str, chain: _Chain, log_keys: Collection[str], ca_line: str | None) -> None:
        where = place(name, 0)
        try:
            record = decode_record(chain.first)
        except RemoteProtocolError as error:
            raise VerificationError(f"{where}: {error.message}", where=where) from error
        if is_chain_id(name):
            host, journal = check_chain_opening(record, ca_line=ca_line, log_keys=log_keys).key_line, ""
        else:
            check_opening(record, ca_line=ca_line)
            assert record.opening is not None
            host, journal = record.opening.host_key, record.opening.journal_key
        closing = False
        for seq, hash, head in chain.tail:
            closing = _signed_by(name, seq, hash, head, host, journal, closing=closing)


def _signed_by(name: str, seq: int, hash: str, head: str, host: str, journal: str, *, closing: bool) -> bool:
    """Whether the journal key signed this head. Raises VerificationError when neither may or did."""
    message, where = head_bytes(name, seq, hash), place(name, seq)
    for key, is_journal in ((host, False), (journal, True)):
        if not key or (closing and not is_journal):
            continue
        try:
            sshsig.verify(head, key, "head", message)
        except VerificationError:
            continue
        return is_journal
    raise VerificationError(f"{where}: the head signature does not hold", where=where)


def _root(leaves: list[bytes]) -> bytes:
    """The RFC 6962 root, a level at a time. An odd last node is carried up."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level, sha = leaves, hashlib.sha256
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha(b"\1" + left + right).digest() for left, right in pairs] + odd
    assert len(level[0]) == HASH_BYTES
    return level[0]

"""The whole log as a reviewer's reports read it: every leaf, the records of the time asked for, and what does not hold.

    entries of all leaves ─▶ root = checkpoint's? ─▶ population: leaves in the period
    records of sessions and other chains ─▶ each at its leaf? ─▶ missing: leaves whose record nobody showed

Rule 1: the leaves are proved first, so a session the relay keeps back is missed, not overlooked.
Rule 2: a session that does not hold stays in the report, named as a fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from remote_assist.audit.own_chain import ChainReport
from remote_assist.audit.verify import SessionReport
from remote_assist.core.api import ChainSummary, SessionSummary
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.log.tlog_proof import ENTRY_BYTES
from remote_assist.core.messages import Acknowledgement, Wrap
from remote_assist.core.records import Record, leaf_hash, parse_time, place
from remote_assist.core.tree import subtree_root
from remote_assist.errors import RemoteProtocolError, VerificationError

TIME_BYTES = 27
FIRST_TIME, LAST_TIME = "", "~"
"""Before and after every time as records write it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and the relay's word for it."""

    record: Record
    acknowledgement: Acknowledgement

    @property
    def time(self) -> str:
        """When the relay took it."""
        return self.acknowledgement.time


@dataclass(frozen=True, slots=True)
class SessionLog:
    """A session's records. `report` is what they prove; None with the reason in `fault` when they do not hold."""

    summary: SessionSummary
    entries: tuple[Entry, ...]
    report: SessionReport | None
    fault: str = ""
    wraps: tuple[Wrap, ...] = ()


@dataclass(frozen=True, slots=True)
class ChainLog:
    """Records that belong to no session."""

    summary: ChainSummary
    entries: tuple[Entry, ...]
    report: ChainReport | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the tree holds of a record."""

    time: str
    hash: str


@dataclass(frozen=True, slots=True)
class WholeLog:
    """Everything a report is made of. Times bound what is asked for: from `since` up to, but without, `until`."""

    checkpoint: Checkpoint
    leaves: tuple[Leaf, ...]
    sessions: tuple[SessionLog, ...]
    chains: tuple[ChainLog, ...]
    since: str = FIRST_TIME
    until: str = LAST_TIME
    tickets: tuple["TicketFacts", ...] = ()
    revoked: tuple[int, ...] = ()
    opened: dict[tuple[str, int, str], bytes] = field(default_factory=dict)

    def covers(self, time: str) -> bool:
        """Whether a time is asked for."""
        return self.since <= time < self.until

    @property
    def population(self) -> int:
        """Leaves of the time asked for."""
        return sum(self.covers(leaf.time) for leaf in self.leaves)

    def missing(self) -> tuple[int, ...]:
        """Leaves of the time asked for whose record was not shown."""
        shown = {entry.acknowledgement.index: entry.acknowledgement for entry in self.entries()}
        return tuple(
            index
            for index, leaf in enumerate(self.leaves)
            if self.covers(leaf.time) and not _is_at(shown.get(index), leaf)
        )

    def faults(self) -> tuple[str, ...]:
        """What does not hold."""
        found = [*(one.fault for one in self.sessions), *(one.fault for one in self.chains)]
        return tuple(fault for fault in found if fault)

    def entries(self) -> Iterator[Entry]:
        """All records that were read, session by session."""
        for session in self.sessions:
            yield from session.entries
        for chain in self.chains:
            yield from chain.entries

    def root_at(self, size: int) -> bytes | None:
        """The root when the log had `size` leaves; None when it never had."""
        return (
            subtree_root([leaf_hash(one.time, one.hash) for one in self.leaves[:size]])
            if size <= len(self.leaves)
            else None
        )


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """What the ticket system says of a ticket, for reports about incidents; empty where it does not say.

    Every connector fills the same fields; times are RFC 3339 UTC.
    """

    ticket: str
    subject: str
    opened: str
    closed: str = ""
    first_response: str = ""
    category: str = ""
    requester: str = ""


def read_leaves(bundles: Sequence[bytes], checkpoint: Checkpoint) -> tuple[Leaf, ...]:
    """The leaves in entry bundles (C2SP tlog-tiles), once they are proved to be all of a checkpoint's tree.

    Raises VerificationError.
    """
    leaves = tuple(leaf for bundle in bundles for leaf in _leaves_in(bundle))
    if len(leaves) != checkpoint.size:
        raise VerificationError(
            f"the log has {checkpoint.size} leaves, {len(leaves)} were shown", where=f"leaf {len(leaves)}"
        )
    if subtree_root([leaf_hash(leaf.time, leaf.hash) for leaf in leaves]) != checkpoint.head.root:
        raise VerificationError("the leaves that were shown are not those of the signed tree", where="entries")
    return leaves


def check_at_leaf(acknowledgement: Acknowledgement, leaves: Sequence[Leaf]) -> None:
    """Check that a record is in the tree where its acknowledgement says. Raises VerificationError."""
    index = acknowledgement.index
    if index < len(leaves) and not _is_at(acknowledgement, leaves[index]):
        where = place(acknowledgement.session, acknowledgement.seq)
        raise VerificationError(f"{where}: leaf {index} of the signed tree is another record", where=where)


def _is_at(said: Acknowledgement | None, leaf: Leaf) -> bool:
    return said is not None and (said.time, said.hash) == (leaf.time, leaf.hash)


def _leaves_in(bundle: bytes) -> list[Leaf]:
    step = 2 + ENTRY_BYTES
    if len(bundle) % step:
        raise VerificationError("an entry bundle is cut", where="entries")
    found = []
    for at in range(0, len(bundle), step):
        entry = bundle[at + 2 : at + step]
        if bundle[at : at + 2] != ENTRY_BYTES.to_bytes(2, "big"):
            raise VerificationError("an entry of another length than entries have", where="entries")
        leaf = Leaf(entry[:TIME_BYTES].decode("ascii", "replace"), entry[TIME_BYTES:].hex())
        try:
            parse_time(leaf.time)
        except RemoteProtocolError as error:
            raise VerificationError(f"an entry of the log has {error.message}", where="entries") from error
        found.append(leaf)
    return found

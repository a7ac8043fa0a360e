"""What anchored checkpoints prove: each is a beginning of the log as it is now, and somebody outside had it then.

    anchoring ─ signed by the log ─▶ checkpoint ─ consistency ─▶ today's checkpoint
              ├ receipt, note ─ digests ─▶ the relay's record about it (RA2024E)
              └ rfc3161: token ─ an authority the reader chose ─▶ time

Rule: what the relay hands out is believed in nothing; a record without its anchoring is a fault as well.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from remote_assist.audit.timestamp import open_stamp
from remote_assist.core.api import Anchoring, LoggedRecord
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.core.log.anchoring import ANCHORED, anchored_details
from remote_assist.core.records import Record, decode_record, format_time
from remote_assist.core.tree import check_consistency
from remote_assist.errors import RemoteProtocolError, VerificationError

Authorities = tuple[x509.Certificate, ...]
TIME_STAMPED = "rfc3161"


@dataclass(frozen=True, slots=True)
class AnchoringReport:
    """One anchoring that holds: who took the first `size` records, and when by the relay's clock.

    `stamped`: when by the authority's clock, `authority`: who says so; both empty where nobody vouches for one.
    """

    anchor: str
    kind: str
    receiver: str
    record: int
    time: str
    size: int
    root: str
    stamped: str = ""
    authority: str = ""


def check_anchoring(
    one: Anchoring,
    current: Checkpoint,
    consistency: Sequence[bytes],
    *,
    log_keys: Collection[str],
    record: Record | None = None,
    authorities: Authorities = (),
) -> AnchoringReport:
    """Check one anchoring against today's checkpoint. Raises VerificationError, UsageError.

    `record`: the relay's record at its leaf, where the reader may see it.
    """
    where = f"anchor {one.anchor}, {one.size} records"
    checkpoint = open_checkpoint(one.checkpoint, log_keys, where=where)
    if checkpoint.origin != current.origin or checkpoint.size != one.size:
        raise VerificationError(f"{where}: its checkpoint is another one", where=where)
    check_consistency(checkpoint.head, current.head, consistency, where=where)
    if record is not None:
        _check_record(one, record, where)
    stamped = authority = ""
    if one.kind == TIME_STAMPED and authorities:
        stamp = open_stamp(one.receipt, one.checkpoint, authorities)
        stamped, authority = format_time(stamp.time), stamp.authority
    root = checkpoint.head.root.hex()
    return AnchoringReport(one.anchor, one.kind, one.receiver, one.record, one.time, one.size, root, stamped, authority)


def anchoring_records(logged: Sequence[LoggedRecord]) -> dict[int, Record]:
    """The relay's records about anchorings, by leaf."""
    found = {}
    for one in logged:
        try:
            record = decode_record(one.record)
        except RemoteProtocolError:
            continue  # `audit verify` of the chain names it
        if record.code == ANCHORED:
            found[one.acknowledgement.index] = record
    return found


def check_none_missing(anchorings: Sequence[Anchoring], recorded: Mapping[int, Record]) -> None:
    """Every record about an anchoring has it, and the other way round. Raises VerificationError."""
    shown = {one.record for one in anchorings}
    for leaf in sorted(recorded.keys() ^ shown):
        what = "no anchoring is shown for the record about one" if leaf in recorded else "no record tells of it"
        raise VerificationError(f"leaf {leaf}: {what}", where=f"leaf {leaf}")


def _check_record(one: Anchoring, record: Record, where: str) -> None:
    said = anchored_details(one.kind, one.receiver, one.checkpoint, one.receipt)
    if record.about != f"anchor {one.anchor}" or any(record.details.get(name) != value for name, value in said.items()):
        raise VerificationError(f"{where}: it is not what leaf {one.record} says of it", where=where)

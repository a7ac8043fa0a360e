"""Whether records are in the tree a checkpoint signs: each with its inclusion proof, none left out.

Rule: a record older than the checkpoint without a proof that holds is a forgery, not a gap; one that is newer has none.
"""

from collections.abc import Iterable, Sequence

from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import leaf_hash, place
from remote_assist.core.tree import check_inclusion
from remote_assist.errors import VerificationError


def check_included(proved: Iterable[tuple[Acknowledgement, Sequence[bytes]]], checkpoint: Checkpoint) -> int:
    """Check that each acknowledged record is in the checkpoint's tree; answer how many are newer than it.

    The acknowledgements were verified before. Raises VerificationError naming the record.
    """
    newer = 0
    for acknowledgement, proof in proved:
        where = place(acknowledgement.session, acknowledgement.seq)
        if acknowledgement.index >= checkpoint.size:
            if proof:
                raise VerificationError(f"{where}: it is newer than the checkpoint and yet has a proof", where=where)
            newer += 1
            continue
        leaf = leaf_hash(acknowledgement.time, acknowledgement.hash)
        head = checkpoint.head
        check_inclusion(leaf, acknowledgement.index, head.size, proof, head.root, where=where)
    return newer

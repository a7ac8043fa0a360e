"""The Merkle tree of RFC 6962 section 2.1: roots, inclusion and consistency proofs, made and verified.

    size 5, tile-free picture:        root
                               ┌────────┴────────┐
                             (2,0)             (0,4)        a node (level, number) covers the leaves
                         ┌─────┴─────┐                      number·2^level … (number+1)·2^level
                       (1,0)       (1,1)

Rule 1: making a proof is two steps: `inclusion_ranges` and `consistency_ranges` say which ranges of leaves it names,
`nodes_of` which complete nodes each needs; whoever stores the tree reads those and folds them with `root_of`.
Rule 2: verifying follows RFC 9162 sections 2.1.3.2 and 2.1.4.2, not the code that makes proofs.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from remote_assist.errors import LocalProtocolError, VerificationError

HASH_BYTES = 32
MAX_PROOF_HASHES = 64
"""Longest proof there can be: trees have fewer than 2^63 leaves; a consistency proof adds one."""

EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = tuple[int, int]
"""Level and number of a complete subtree."""

Range = tuple[int, int]
"""Leaves from the first number up to, but without, the second."""


def leaf_of(entry: bytes) -> bytes:
    """The leaf hash of an entry: SHA-256(0x00 ‖ entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that stand side by side, largest first, as `nodes_of` lists them."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over any number of nodes of one level, as if they were the leaves of a tree."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[-1:] if len(level) % 2 else pairs
    return level[0]


def nodes_of(span: Range) -> tuple[Node, ...]:
    """The complete subtrees that make up a range of an RFC 6962 tree, left to right."""
    start, end = span
    nodes: list[Node] = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return tuple(nodes)


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """What the proof that leaf `index` is in the tree of `size` leaves names, from the leaf's sibling upwards.

    Raises LocalProtocolError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise LocalProtocolError(f"there is no leaf {index} in a tree of {size}")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return tuple(reversed(ranges))


def consistency_ranges(old: int, new: int) -> tuple[Range, ...]:
    """What the proof that the tree of `old` leaves is the beginning of the one of `new` names, in its order.

    Nothing for 0 leaves or equal sizes. Raises LocalProtocolError when the sizes are the wrong way round.
    """
    if not 0 <= old <= new:
        raise LocalProtocolError(f"a tree of {old} leaves is no beginning of one of {new}")
    if old in {0, new}:
        return ()
    ranges: list[Range] = []
    start, end, whole = 0, new, True
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return tuple(reversed(ranges))


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, *, where: str) -> None:
    """Check that `leaf` is leaf `index` of the tree with `size` leaves and `root`. Raises VerificationError."""
    if not (0 <= index < size and _well_formed(leaf, root, *proof)):
        raise VerificationError(f"{where}: the inclusion proof is malformed", where=where)
    number, last, found = index, size - 1, leaf
    for part in proof:
        if last == 0:
            raise VerificationError(f"{where}: the inclusion proof is too long", where=where)
        if number % 2 or number == last:
            found = node_hash(part, found)
            while number and not number % 2:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, part)
        number, last = number >> 1, last >> 1
    if last or found != root:
        raise VerificationError(f"{where}: the inclusion proof does not lead to the checkpoint's root", where=where)


def check_consistency(old: "TreeHead", new: "TreeHead", proof: Sequence[bytes], *, where: str) -> None:
    """Check that `old` is the beginning of `new`. Raises VerificationError."""
    fault = VerificationError(
        f"{where}: the log of {new.size} records is no continuation of the one of {old.size}", where=where
    )
    if not (0 <= old.size <= new.size and _well_formed(old.root, new.root, *proof)):
        raise fault
    if old.size in {0, new.size}:
        expected = EMPTY_ROOT if old.size == 0 else new.root
        if proof or old.root != expected:
            raise fault
        return
    path = list(proof)
    if old.size & (old.size - 1) == 0:
        path.insert(0, old.root)
    number, last = old.size - 1, new.size - 1
    while number % 2:
        number, last = number >> 1, last >> 1
    if not path:
        raise fault
    first = second = path[0]
    for part in path[1:]:
        if last == 0:
            raise fault
        if number % 2 or number == last:
            first, second = node_hash(part, first), node_hash(part, second)
            while number and not number % 2:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, part)
        number, last = number >> 1, last >> 1
    if last or first != old.root or second != new.root:
        raise fault


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A tree's size and root: all there is to say about its content."""

    size: int
    root: bytes


EMPTY = TreeHead(0, EMPTY_ROOT)


class Frontier:
    """A tree that only grows, in the few hashes its right edge needs (a compact range)."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count():
            raise LocalProtocolError("these hashes are no right edge of a tree of that size")
        self.size = size
        self._hashes = list(hashes)

    def add(self, leaf: bytes) -> None:
        """One more leaf."""
        carry, rest = leaf, self.size
        while rest % 2:
            carry, rest = node_hash(self._hashes.pop(), carry), rest >> 1
        self._hashes.append(carry)
        self.size += 1

    @property
    def head(self) -> TreeHead:
        return TreeHead(self.size, root_of(self._hashes))


def proof_of(ranges: Sequence[Range], read: Callable[[Node], bytes]) -> tuple[bytes, ...]:
    """The hashes of a proof, from complete nodes that `read` knows."""
    return tuple(root_of([read(node) for node in nodes_of(span)]) for span in ranges)


def _split(size: int) -> int:
    """The largest power of two below `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def _well_formed(*hashes: bytes) -> bool:
    return len(hashes) <= MAX_PROOF_HASHES + 2 and all(len(one) == HASH_BYTES for one in hashes)

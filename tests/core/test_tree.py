"""The tree against RFC 6962's own vectors, against pymerkle, and against everything a proof can get wrong."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote_assist.core.tree import (
    EMPTY,
    EMPTY_ROOT,
    Frontier,
    Node,
    TreeHead,
    check_consistency,
    check_inclusion,
    consistency_ranges,
    inclusion_ranges,
    leaf_of,
    node_hash,
    nodes_of,
    proof_of,
    root_of,
    subtree_root,
)
from remote_assist.errors import LocalProtocolError, VerificationError

ENTRIES = [
    bytes.fromhex(one)
    for one in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
"""The entries of the reference test of Certificate Transparency, and the roots of their first 1..8."""
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (0, 1, []),
    (0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip


class Leaves:
    """A whole tree in memory, by the definition of RFC 6962."""

    def __init__(self, count: int, salt: bytes = b"") -> None:
        self.leaves = [leaf_of(salt + str(number).encode()) for number in range(count)]

    def node(self, node: Node) -> bytes:
        level, number = node
        return subtree_root(self.leaves[number << level : (number + 1) << level])

    def head(self, size: int) -> TreeHead:
        return TreeHead(size, subtree_root(self.leaves[:size]))

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        return proof_of(inclusion_ranges(index, size), self.node)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return proof_of(consistency_ranges(old, new), self.node)


THOUSAND = Leaves(1000)
SIZES = st.integers(1, 1000)


def _reference() -> Leaves:
    tree = Leaves(0)
    tree.leaves = [leaf_of(entry) for entry in ENTRIES]
    return tree


def test_roots_are_those_of_the_reference_vectors() -> None:
    frontier = Frontier()
    assert frontier.head == EMPTY
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT
    for entry, root in zip(ENTRIES, ROOTS, strict=True):
        frontier.add(leaf_of(entry))
        assert frontier.head.root.hex() == root
        assert _reference().head(frontier.size) == frontier.head


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_reference_vectors(index: int, size: int, proof: list[str]) -> None:
    tree = _reference()
    assert [part.hex() for part in tree.inclusion(index, size)] == proof
    check_inclusion(tree.leaves[index], index, size, tree.inclusion(index, size), tree.head(size).root, where="leaf")


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_reference_vectors(old: int, new: int, proof: list[str]) -> None:
    tree = _reference()
    assert [part.hex() for part in tree.consistency(old, new)] == proof
    check_consistency(tree.head(old), tree.head(new), tree.consistency(old, new), where="log")


@pytest.mark.parametrize("size", [*range(1, 66), 255, 256, 257, 511, 1000])
def test_every_proof_of_a_tree_holds_and_no_other_leaf_has_it(size: int) -> None:
    tree, root = THOUSAND, THOUSAND.head(size).root
    for index in range(0, size, 1 if size < 40 else 7):
        proof = tree.inclusion(index, size)
        check_inclusion(tree.leaves[index], index, size, proof, root, where="leaf")
        for other in {(index + 1) % size, (index + size // 2) % size} - {index}:
            with pytest.raises(VerificationError):
                check_inclusion(tree.leaves[other], index, size, proof, root, where="leaf")
            with pytest.raises(VerificationError):
                check_inclusion(tree.leaves[index], other, size, proof, root, where="leaf")


@given(SIZES, SIZES)
@settings(max_examples=300)
def test_every_smaller_tree_is_the_beginning_of_every_larger_one(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = THOUSAND.consistency(old, new)
    check_consistency(THOUSAND.head(old), THOUSAND.head(new), proof, where="log")
    if old != new:
        with pytest.raises(VerificationError):
            check_consistency(THOUSAND.head(new), THOUSAND.head(old), proof, where="log")


@given(SIZES, SIZES, st.data())
@settings(max_examples=200)
def test_a_proof_with_one_part_changed_dropped_or_added_is_refused(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    cases: tuple[tuple[tuple[bytes, ...], Callable[[tuple[bytes, ...]], None]], ...] = (
        (THOUSAND.consistency(old, new), lambda parts: check_consistency(
            THOUSAND.head(old), THOUSAND.head(new), parts, where="log")),
        (THOUSAND.inclusion(old - 1, new), lambda parts: check_inclusion(
            THOUSAND.leaves[old - 1], old - 1, new, parts, THOUSAND.head(new).root, where="leaf")),
    )  # fmt: skip
    for proof, check in cases:
        at = data.draw(st.integers(0, len(proof)))
        changed = [(*proof[:at], bytes(32), *proof[at:]), (*proof, b"short")]
        if at < len(proof):
            changed += [(*proof[:at], bytes(32), *proof[at + 1 :]), (*proof[:at], *proof[at + 1 :])]
        for parts in changed:
            with pytest.raises(VerificationError):
                check(parts)


@given(st.integers(2, 300), st.data())
def test_another_history_is_found_out(size: int, data: st.DataObject) -> None:
    honest, forged = Leaves(size), Leaves(size)
    at = data.draw(st.integers(0, size - 2))
    forged.leaves[at] = leaf_of(b"forged")
    old = data.draw(st.integers(at + 1, size - 1))
    with pytest.raises(VerificationError, match="no continuation"):
        check_consistency(honest.head(old), forged.head(size), forged.consistency(old, size), where="log")
    with pytest.raises(VerificationError, match="no continuation"):
        check_consistency(honest.head(old), forged.head(size), honest.consistency(old, size), where="log")


def test_two_trees_of_one_size_and_trees_of_none_agree_only_when_equal() -> None:
    tree = THOUSAND
    check_consistency(tree.head(7), tree.head(7), (), where="log")
    check_consistency(EMPTY, tree.head(7), (), where="log")
    for old, new, proof in (
        (tree.head(7), TreeHead(7, bytes(32)), ()),
        (TreeHead(0, bytes(32)), tree.head(7), ()),
        (tree.head(7), tree.head(7), (bytes(32),)),
        (tree.head(3), tree.head(7), ()),
    ):
        with pytest.raises(VerificationError):
            check_consistency(old, new, proof, where="log")


def test_ranges_that_do_not_exist_are_a_fault_of_ours() -> None:
    for index in (3, -1):
        with pytest.raises(LocalProtocolError):
            inclusion_ranges(index, 3)
    with pytest.raises(LocalProtocolError):
        consistency_ranges(4, 3)
    with pytest.raises(LocalProtocolError):
        Frontier(3, [bytes(32)])


def test_a_frontier_can_be_taken_up_where_it_was_left() -> None:
    for size in range(130):
        frontier = Frontier(size, [THOUSAND.node(node) for node in nodes_of((0, size))])
        assert frontier.head == THOUSAND.head(size)
        frontier.add(THOUSAND.leaves[size])
        assert frontier.head == THOUSAND.head(size + 1)


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=8))
def test_folding_is_from_the_right(hashes: list[bytes]) -> None:
    expected = hashes[-1]
    for one in hashes[-2::-1]:
        expected = node_hash(one, expected)
    assert root_of(hashes) == expected


def test_pymerkle_agrees_for_every_size_up_to_a_thousand() -> None:
    pymerkle = pytest.importorskip("pymerkle")
    oracle, frontier = pymerkle.InmemoryTree(algorithm="sha256"), Frontier()
    for number in range(1000):
        oracle.append_entry(str(number).encode())
        frontier.add(THOUSAND.leaves[number])
        if number % 13 == 0 or number > 980:
            assert oracle.get_root() == frontier.head.root

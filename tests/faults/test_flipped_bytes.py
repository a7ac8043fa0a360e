"""F21: every byte of an export, a receipt and the tree's leaves flipped: all found, the place named, the rest exports.

Journals, records, heads and acknowledgements: tests/audit/test_verify.py. Manifests: tests/diagnostics/test_bundle.py.
"""

import argparse
import asyncio
import io
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.export import ExportWriter
from remote_assist.audit.receipt import InTheLog, build_receipt, read_receipt, receipt_bytes, verify_receipt
from remote_assist.audit.whole_log import read_leaves
from remote_assist.commands.audit.trust import Trust
from remote_assist.commands.audit.verify import _verify_export
from remote_assist.commands.printing import Printer
from remote_assist.core.api import LoggedRecord
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.records import Outcome, log_entry
from remote_assist.errors import AssistError, VerificationError
from remote_assist.technician.home import Home
from tests.audit.world import CA_LINE, CUSTOMER, LOG_LINE, RELAY, START, Log, Tree, World, new_world, signed_lists

EVERY = pytest.mark.parametrize("step", [37, pytest.param(1, marks=[pytest.mark.full, pytest.mark.timeout(1800)])])


async def small(folder: Path, name: str = "one", log: Log | None = None) -> World:
    """A session of three records, at the beginning of a log or in the one given."""
    world = new_world(folder, name=name)
    world.log = log or Log(first_index=-1)
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1001E", CUSTOMER, scope="diagnose", grant="g1")
    await world.append("RA1990E", CUSTOMER, outcome=Outcome(status="ended", reason="customer"))
    await world.acknowledge_all()
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return asyncio.run(small(tmp_path / "journal"))


@pytest.fixture
def tree(world: World) -> Tree:
    return Tree(one.acknowledgement for one in world.logged())


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def export(world: World, tree: Tree) -> bytes:
    writer = ExportWriter(tree.checkpoint())
    first = writer.header(origin=RELAY, lists=signed_lists(), now=START)
    records = [writer.record(one, proof=tree.inclusion(one.acknowledgement.index)) for one in world.logged()]
    return b"".join([first, *records, writer.trailer()])


def verify_export(raw: bytes, folder: Path) -> int:
    """How many sessions hold. Raises our errors only."""
    printer = Printer(argparse.Namespace(json=True, plain=False), io.StringIO())
    trust = Trust((LOG_LINE,), CA_LINE)
    return len(list(_verify_export(io.BytesIO(raw), trust, Home(folder), printer)))


@pytest.mark.slow
@EVERY
def test_f21_every_flipped_byte_of_an_export_is_found_and_placed(
    world: World, tree: Tree, tmp_path: Path, step: int
) -> None:
    raw = export(world, tree)
    assert verify_export(raw, tmp_path) == 1
    for place in range(0, len(raw), step):
        with pytest.raises(VerificationError) as caught:
            verify_export(flipped(raw, place), tmp_path)
        assert caught.value.where, f"byte {place}: {caught.value.message}"


@pytest.mark.slow
@EVERY
def test_f21_every_flipped_byte_of_a_receipt_is_found(world: World, tree: Tree, step: int) -> None:
    proofs = tuple(tree.inclusion(one.acknowledgement.index) for one in world.logged())
    proved = InTheLog(checkpoint=tree.checkpoint(), proofs=proofs)
    raw = receipt_bytes(build_receipt(world.journal.records(), now=START, proved=proved))
    verify_receipt(read_receipt(raw), log_keys=(LOG_LINE,), ca_line=CA_LINE)
    for place in range(0, len(raw), step):
        with pytest.raises(AssistError):
            verify_receipt(read_receipt(flipped(raw, place)), log_keys=(LOG_LINE,), ca_line=CA_LINE)


def test_f21_every_flipped_byte_of_leaves_and_checkpoint_is_found(world: World, tree: Tree) -> None:
    given = [one.acknowledgement for one in world.logged()]
    bundle = b"".join((59).to_bytes(2, "big") + log_entry(one.time, one.hash) for one in given)
    note = tree.checkpoint()
    checkpoint = open_checkpoint(note, (LOG_LINE,))
    assert len(read_leaves([bundle], checkpoint)) == 3
    for place in range(len(bundle)):
        with pytest.raises(VerificationError):
            read_leaves([flipped(bundle, place)], checkpoint)
    for place in range(len(note.encode())):
        with pytest.raises(VerificationError):
            open_checkpoint(flipped(note.encode(), place).decode("utf-8", "replace"), (LOG_LINE,))


def test_f21_what_was_not_touched_still_exports_and_verifies(tmp_path: Path) -> None:
    """Two sessions in one log, one of them damaged: it is named, and the other's lines still hold."""
    log = Log(first_index=-1)
    damaged, whole = (asyncio.run(small(tmp_path / name, name, log)).logged() for name in ("one", "two"))
    damaged[1] = replace(damaged[1], record=flipped(damaged[1].record, 40))
    tree = Tree(one.acknowledgement for one in [*damaged, *whole])

    def lines_of(logged: list[LoggedRecord]) -> bytes:
        writer = ExportWriter(tree.checkpoint())
        first = writer.header(origin=RELAY, lists=signed_lists(), now=START)
        lines = [writer.record(one, proof=tree.inclusion(one.acknowledgement.index)) for one in logged]
        return b"".join([first, *lines, writer.trailer()])

    with pytest.raises(VerificationError, match=r"record 1 of|line 3 of"):
        verify_export(lines_of([*damaged, *whole]), tmp_path)
    assert verify_export(lines_of(whole), tmp_path) == 1

"""The customer's receipt: plain words that follow from the records, and the proof inside the same file."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.receipt import Receipt, build_receipt, read_receipt, receipt_bytes, verify_receipt
from remote_assist.core.records import Outcome
from remote_assist.errors import UsageError, VerificationError
from tests.audit.world import CA_LINE, LOG_LINE, START, World, new_world, play

NOW = START + timedelta(hours=1)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = new_world(tmp_path / "journal")
    await play(made)
    return made


@pytest.fixture
def receipt(world: World) -> Receipt:
    return build_receipt(world.journal.records(), now=NOW)


def fault(raw: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        verify_receipt(read_receipt(raw), log_keys=[LOG_LINE], ca_line=CA_LINE)
    return caught.value.message


def test_it_says_in_words_what_was_run_read_taken_and_refused(receipt: Receipt) -> None:
    assert (receipt.technician, receipt.organisation) == ("Alice Example", "Example Support")
    assert (receipt.ticket, receipt.subject) == ("T-1042", "Web server does not start")
    assert receipt.ran == ("first-look@1 — done, 4,711 bytes", "ls — done, exit 2")
    assert receipt.taken == ("first-look@1 — done, 4,711 bytes", "/var/log/dpkg.log — done, 99 bytes")
    assert receipt.changed == ()
    assert receipt.refused == ("/etc/shadow — refused, out-of-scope",)
    assert len(receipt.story) == 10 and "Alice Example: Runs a program: ls" in receipt.story[4]
    assert receipt.ended.startswith("2026-03-01T09:30")


def test_it_verifies_from_the_file_alone(receipt: Receipt) -> None:
    report = verify_receipt(read_receipt(receipt_bytes(receipt)), log_keys=[], ca_line=CA_LINE)
    assert (report.state, report.unacknowledged) == ("ended", 0)


def test_no_word_of_it_can_be_changed(receipt: Receipt) -> None:
    raw = receipt_bytes(receipt)
    for true, false in (
        (b'"/etc/shadow ', b'"/etc/passwd '),
        (b"Alice Example", b"Carol Example"),
        (b'"ticket": "T-1042"', b'"ticket": "T-1043"'),
        (b"4,711", b"4,712"),
        (b'"refused": [', b'"refused":  ['),
        (b'"relay": "https://relay', b'"relay": "https://other'),
    ):
        assert true in raw
        assert fault(raw.replace(true, false)) != ""


@pytest.mark.slow
def test_every_changed_byte_of_its_words_is_found(receipt: Receipt) -> None:
    """All bytes before the evidence; what is inside that is swept in test_verify."""
    raw = receipt_bytes(receipt)
    made = raw.index(b'"made"')
    for position in range(raw.index(b'"evidence"')):
        if made <= position < made + 40:
            continue  # when it was printed is nobody's evidence
        changed = bytearray(raw)
        changed[position] ^= 1
        assert fault_of_words(bytes(changed), receipt), position


def fault_of_words(raw: bytes, true: Receipt) -> bool:
    """Whether the file is refused, or says something else than its records; verifying them once is enough."""
    try:
        found = read_receipt(raw)
    except VerificationError:
        return True
    return found != true


def test_a_receipt_with_records_left_out_is_refused(receipt: Receipt) -> None:
    for seq in range(10):
        cut = replace(receipt, evidence=(*receipt.evidence[:seq], *receipt.evidence[seq + 1 :]))
        assert f"record {seq} of {receipt.session}" in fault(receipt_bytes(cut))


async def test_records_the_relay_has_not_seen_yet_are_said_to_be_so(tmp_path: Path) -> None:
    world = new_world(tmp_path / "journal")
    await world.append("RA1000E", opening=world.opening)
    await world.acknowledge_all()
    await world.append("RA1990E", outcome=Outcome(status="ended", reason="revoked"))
    receipt = build_receipt(world.journal.records(), now=NOW)
    report = verify_receipt(read_receipt(receipt_bytes(receipt)), log_keys=[LOG_LINE], ca_line=CA_LINE)
    assert (report.state, report.unacknowledged) == ("ended", 1)


async def test_an_intent_that_was_aborted_reads_as_not_done(tmp_path: Path) -> None:
    world = new_world(tmp_path / "journal")
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1400I", world.technician, action="a1", program="rm")
    await world.append("RA1901E", action="a1")
    await world.append("RA1400I", world.technician, action="a2", program="id")
    receipt = build_receipt(world.journal.records(), now=NOW)
    assert receipt.ran == ("rm — not done", "id — no outcome was recorded")


def test_an_empty_journal_gives_no_receipt(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to give a receipt for"):
        build_receipt(new_world(tmp_path / "journal").journal.records(), now=NOW)


def test_what_is_no_receipt_is_refused() -> None:
    for raw in (b"", b"{}", b"[]", b"\xff", b'{"format": 1}'):
        with pytest.raises(VerificationError):
            read_receipt(raw)

"""Tamper-evident: change, drop, reorder, duplicate or truncate anything, and verification fails and says where."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.verify import SessionCheck, SessionReport, verify_session
from remote_assist.core.api import LoggedRecord
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import Opening, Outcome, decode_record, encode_record, head_bytes, record_hash
from remote_assist.core.signing.keys import PrivateKey, load_private, new_key, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import VerificationError
from tests.audit.world import CA_LINE, LOG_LINE, Log, World, new_world, play, seed, signed_lists

Logged = list[LoggedRecord]


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = new_world(tmp_path / "journal")
    await play(made)
    return made


@pytest.fixture
def log(world: World) -> Logged:
    return world.logged()


def verify(log: Logged, **options: object) -> SessionReport:
    return verify_session(log, **{"log_keys": [LOG_LINE], "ca_line": CA_LINE, **options})  # type: ignore[arg-type]


def fault(log: Logged, **options: object) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(log, **options)
    return caught.value


def flipped(text: str, position: int) -> str:
    return text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]


def test_a_true_log_holds_and_the_report_says_what_it_proves(log: Logged, world: World) -> None:
    report = verify(log, strict=True, session=world.session, must_have_ended=True)
    assert (report.session, report.records, report.state) == (world.session, 10, "ended")
    assert (report.technician, report.ticket, report.end_reason) == ("Alice Example", "T-1042", "customer")
    assert (report.first_index, report.last_index) == (41, 50)
    assert report.ca_checked and report.incomplete == () and report.notes == ()


def sweep(log: Logged, variants: Callable[[LoggedRecord], Iterator[LoggedRecord]]) -> Iterator[tuple[int, str]]:
    """(seq, fault) of every variant of every entry, each put in the place of the true one."""
    check = SessionCheck((LOG_LINE,), CA_LINE, False, decode_record(log[0].record).session, False)
    for seq, entry in enumerate(log):
        for variant in variants(entry):
            with pytest.raises(VerificationError) as caught:
                copy.deepcopy(check).take(variant)
            yield seq, caught.value.message
        check.take(entry)
    check.finish(True)


def changed_records(entry: LoggedRecord) -> Iterator[LoggedRecord]:
    for position in range(len(entry.record)):
        raw = bytearray(entry.record)
        raw[position] ^= 1
        yield replace(entry, record=bytes(raw))


def changed_heads(entry: LoggedRecord) -> Iterator[LoggedRecord]:
    for position in range(len(entry.head) - 1):  # the last line break is no part of the signature
        yield replace(entry, head=flipped(entry.head, position))


def changed_acknowledgements(entry: LoggedRecord) -> Iterator[LoggedRecord]:
    told = entry.acknowledgement
    for name in ("session", "hash", "time", "signature"):
        text = getattr(told, name)
        for position in range(len(text) - (name == "signature")):
            yield replace(entry, acknowledgement=replace(told, **{name: flipped(text, position)}))
    for bit in range(53):
        yield replace(entry, acknowledgement=replace(told, seq=told.seq ^ 1 << bit))
        yield replace(entry, acknowledgement=replace(told, index=told.index ^ 1 << bit))


@pytest.mark.slow
@pytest.mark.parametrize("variants", [changed_records, changed_heads, changed_acknowledgements])
def test_every_single_changed_byte_is_found_and_placed(
    log: Logged, world: World, variants: Callable[[LoggedRecord], Iterator[LoggedRecord]]
) -> None:
    count = 0
    for seq, message in sweep(log, variants):
        assert message.startswith(f"record {seq} of s-"), message
        count += 1
    assert count > 2000


def test_a_changed_byte_fails_the_whole_log_and_names_the_record(log: Logged, world: World) -> None:
    for seq, entry in enumerate(log):
        changed = next(one for n, one in enumerate(changed_records(entry)) if n == len(entry.record) // 2)
        assert fault([*log[:seq], changed, *log[seq + 1 :]]).where == f"record {seq} of {world.session}"


@pytest.mark.parametrize("seq", range(9))
def test_a_dropped_record_is_named(log: Logged, world: World, seq: int) -> None:
    error = fault([*log[:seq], *log[seq + 1 :]])
    assert error.where == f"record {seq} of {world.session}"
    assert "missing" in error.message


def test_several_dropped_records_are_named_as_a_range(log: Logged, world: World) -> None:
    assert "record 3 to 5 is not there" in fault([*log[:3], *log[6:]]).message


@pytest.mark.parametrize("seq", range(9))
def test_two_records_changing_places_are_named(log: Logged, world: World, seq: int) -> None:
    error = fault([*log[:seq], log[seq + 1], log[seq], *log[seq + 2 :]])
    assert error.where == f"record {seq} of {world.session}"


@pytest.mark.parametrize("seq", range(10))
def test_a_record_that_appears_twice_is_named(log: Logged, world: World, seq: int) -> None:
    error = fault([*log[: seq + 1], log[seq], *log[seq + 1 :]])
    assert error.where == f"record {seq + 1} of {world.session}"


@pytest.mark.parametrize("seq", range(10))
def test_a_record_cut_short_is_named(log: Logged, world: World, seq: int) -> None:
    for length in (0, 1, len(log[seq].record) // 2, len(log[seq].record) - 1):
        error = fault(
            [*log[:seq], replace(log[seq], record=log[seq].record[:length]), *log[seq + 1 :]], session=world.session
        )
        assert error.where == f"record {seq} of {world.session}"


@pytest.mark.parametrize("length", range(1, 10))
def test_an_ended_session_without_its_last_records_is_named_and_an_open_one_says_so(
    log: Logged, world: World, length: int
) -> None:
    error = fault(log[:length], must_have_ended=True)
    assert error.where == f"record {length} of {world.session}"
    assert f"open at seq {length - 1}" in error.message
    assert verify(log[:length]).state == f"open at seq {length - 1}"


def test_what_the_technician_was_shown_convicts_a_log_cut_or_rewritten(log: Logged, world: World) -> None:
    shown = [entry.acknowledgement for entry in log]
    assert verify(log, witnesses=shown).records == 10
    assert "record 6 of" in fault(log[:6], witnesses=shown[6:]).message
    forged = [*log[:9], resigned(world, log[9], outcome=Outcome(status="ended", reason="expired"))]
    assert verify(forged).end_reason == "expired"  # the operator with both keys can rewrite …
    assert "is not the one the relay once acknowledged" in fault(forged, witnesses=shown).message  # … but not alone


def test_a_witness_nobody_signed_convicts_nobody(log: Logged) -> None:
    false = replace(log[9].acknowledgement, hash="1" * 64)
    assert "not signed by the relay's log key" in fault(log, witnesses=[false]).message


def resigned(world: World, entry: LoggedRecord, *, key: str = "", **changes: object) -> LoggedRecord:
    """An entry changed and signed anew, by the host key (or another) and the log key: what a thief of keys could do."""
    record = replace(decode_record(entry.record), **changes)
    raw = encode_record(record)
    digest = record_hash(raw)
    signer = new_key(seed(key)) if key else world.host_key
    told = entry.acknowledgement
    return LoggedRecord(
        record=raw,
        head=sign(signer, "head", head_bytes(record.session, record.seq, digest)),
        acknowledgement=Log().sign(record.session, record.seq, digest, told.time, told.index),
    )


def test_the_previous_hash_must_match(log: Logged, world: World) -> None:
    forged = [*log[:7], resigned(world, log[7], prev="1" * 64), *log[8:]]
    assert fault(forged).message == f"record 7 of {world.session}: the previous-record hash does not match"


def test_a_head_signed_by_another_key_is_named(log: Logged, world: World) -> None:
    forged = [*log[:4], resigned(world, log[4], key="mallory"), *log[5:]]
    assert "head signature" in fault(forged).message


def after(world: World, log: Logged, key: PrivateKey, *, code: str, action: str = "") -> LoggedRecord:
    """The next record of a log, signed by whatever key."""
    before = decode_record(log[-1].record)
    record = replace(
        before, seq=before.seq + 1, prev=record_hash(log[-1].record), code=code, action=action, opening=None
    )
    raw = encode_record(record)
    digest, told = record_hash(raw), log[-1].acknowledgement
    return LoggedRecord(
        record=raw,
        head=sign(key, "head", head_bytes(record.session, record.seq, digest)),
        acknowledgement=Log().sign(record.session, record.seq, digest, told.time, told.index + 1),
    )


async def test_the_journal_key_may_not_sign_what_only_the_host_key_may(tmp_path: Path) -> None:
    open_world = new_world(tmp_path / "open", name="two")
    await open_world.append("RA1000E", opening=open_world.opening)
    await open_world.append("RA1301I", open_world.technician, action="a1", catalog="fix@1")
    await open_world.acknowledge_all()
    opened = open_world.logged()
    key = load_private((tmp_path / "open" / "journal_key").read_bytes())
    undone = after(open_world, opened, key, code="RA1302E", action="a1")
    assert verify([*opened, undone]).incomplete == ()
    ran = after(open_world, opened, key, code="RA1400I", action="a2")
    assert "head signature" in fault([*opened, ran]).message
    by_host = after(open_world, [*opened, undone], open_world.host_key, code="RA1990E")
    assert "only the journal key signs once it has signed" in fault([*opened, undone, by_host]).message


Change = Callable[[Opening, World], Opening]
OPENING_FAULTS: dict[str, tuple[Change, str]] = {
    "other host key": (
        lambda opening, world: replace(opening, host_key=public_line(new_key(seed("mallory")))),
        "another host key",
    ),
    "other statement": (
        lambda opening, world: replace(opening, statement=opening.statement.replace(b"T-1042", b"T-1043")),
        "session id is not that of the technician's statement",
    ),
    "other signature": (
        lambda opening, world: replace(opening, signature=sign(new_key(seed("mallory")), "pair", opening.statement)),
        "by another key",
    ),
    "signature for another purpose": (
        lambda opening, world: replace(opening, signature=sign(new_key(seed("alice")), "login", opening.statement)),
        "another purpose",
    ),
    "no certificate": (lambda opening, world: replace(opening, certificate=LOG_LINE), "not a certificate"),
    "lists of another CA": (
        lambda opening, world: replace(opening, lists=(signed_lists()[0].replace(b"A", b"B", 3),)),
        "list",
    ),
}


@pytest.mark.parametrize("name", OPENING_FAULTS)
def test_an_operator_cannot_invent_a_session_for_a_technician(log: Logged, world: World, name: str) -> None:
    change, words = OPENING_FAULTS[name]
    opening = decode_record(log[0].record).opening
    assert opening is not None
    key = "mallory" if name == "other host key" else ""
    error = fault([resigned(world, log[0], key=key, opening=change(opening, world)), *log[1:]])
    assert error.where == f"record 0 of {world.session}"
    assert words in error.message


def test_the_certificate_counts_at_the_records_time_not_now(log: Logged, world: World) -> None:
    assert verify(log).technician == "Alice Example"  # this certificate expired on 1 March 2026
    late = (world.clock.now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert "expired" in fault([resigned(world, log[0], time=late)]).message


def test_another_organisations_certificate_is_refused(log: Logged) -> None:
    other = public_line(new_key(seed("another ca")))
    assert "another CA" in fault(log, ca_line=other).message


def test_without_a_vouched_for_log_key_nothing_is_verified(log: Logged) -> None:
    error = fault(log, log_keys=[], ca_line=None)
    assert error.exit_code == 5
    assert "no log key is vouched for" in error.message and "--log-key" in error.advice


def test_a_ca_alone_vouches_for_the_log_keys_on_its_list(log: Logged) -> None:
    assert verify(log, log_keys=[]).records == 10


def test_a_log_key_alone_verifies_but_says_nobody_vouches_for_the_technician(log: Logged) -> None:
    assert verify(log, ca_line=None).ca_checked is False


def test_acknowledgements_by_another_log_key_are_refused(log: Logged, world: World) -> None:
    other = public_line(new_key(seed("other log")))
    assert "not signed by the relay's log key" in fault(log, log_keys=[other], ca_line=None).message


def test_a_missing_acknowledgement_is_named(log: Logged, world: World) -> None:
    lacking = [Lacking(one.record, one.head, one.acknowledgement) for one in log]
    lacking[5].acknowledgement = None
    with pytest.raises(VerificationError, match=f"record 5 of {world.session}: its acknowledgement is missing"):
        verify_session(lacking, log_keys=[LOG_LINE], ca_line=None)
    with pytest.raises(VerificationError, match=f"record 5 of {world.session}: its acknowledgement is missing"):
        verify_session(lacking, log_keys=[LOG_LINE], ca_line=None, may_lack_acknowledgements=True)


@dataclass
class Lacking:
    """Evidence whose acknowledgement may be gone."""

    record: bytes
    head: str
    acknowledgement: Acknowledgement | None


def test_leaf_indexes_must_rise(log: Logged, world: World) -> None:
    told = log[4].acknowledgement
    again = Log().sign(world.session, 4, told.hash, told.time, log[3].acknowledgement.index)
    assert "leaf index 44 does not rise" in fault([*log[:4], replace(log[4], acknowledgement=again)]).message


def test_an_acknowledgement_of_another_record_is_refused(log: Logged) -> None:
    mixed = replace(log[4], acknowledgement=log[5].acknowledgement)
    assert "for another record" in fault([*log[:4], mixed]).message


async def test_what_is_odd_but_no_forgery_is_reported(tmp_path: Path) -> None:
    world = new_world(tmp_path / "journal")
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1400I", world.technician, action="a1", program="ls")
    world.clock.now -= timedelta(seconds=5)
    await world.append("RA1400I", world.technician, action="a2", program="id")
    await world.append("RA1901E", action="a2")
    await world.append("RA1400O", world.technician, action="a9", outcome=Outcome(status="done"))
    await world.acknowledge_all()
    report = verify(world.logged())
    assert report.incomplete == (f"record 1 of {world.session}: RA1400I run has no outcome",)
    assert "the agent's clock went back by 4.993 s" in report.notes[0]
    assert "an outcome (RA1400O) without its intent" in report.notes[1]


def test_another_sessions_log_does_not_answer_for_the_one_asked_for(log: Logged) -> None:
    assert "it belongs to session" in fault(log, session="s-" + "b" * 16).message


def test_no_record_at_all_is_no_log() -> None:
    assert "no record at all" in fault([]).message


def test_strict_refuses_bytes_that_are_not_canonical(log: Logged, world: World) -> None:
    record = decode_record(log[9].record)
    spaced = log[9].record.replace(b'"seq":', b'"seq": ')
    digest = record_hash(spaced)
    told = log[9].acknowledgement
    loose = LoggedRecord(
        record=spaced,
        head=sign(world.host_key, "head", head_bytes(record.session, 9, digest)),
        acknowledgement=Log().sign(record.session, 9, digest, told.time, told.index),
    )
    assert verify([*log[:9], loose]).records == 10
    assert "not in canonical form" in fault([*log[:9], loose], strict=True).message


def test_a_relay_clock_that_goes_back_is_reported(log: Logged, world: World) -> None:
    told = log[4].acknowledgement
    early = Log().sign(world.session, 4, told.hash, "2026-03-01T09:29:00.000000Z", told.index)
    report = verify([*log[:4], replace(log[4], acknowledgement=early), *log[5:]])
    assert "the relay's clock went back by" in report.notes[0]

"""Records that belong to no session hold, or their fault is named: only their owner wrote them, and none is gone."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from remote_assist.audit.own_chain import ChainReport, verify_chain
from remote_assist.core.api import LoggedRecord
from remote_assist.core.log.organisation import is_chain_id, persons_opening
from remote_assist.core.records import decode_record
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import VerificationError
from tests.audit.own import RITA, certificate, kept, relays, review_draft, ritas
from tests.audit.world import CA_LINE, LOG_LINE, START, Log, seed

Logged = list[LoggedRecord]
STRANGER = new_key(seed("stranger"))


def verify(log: Logged, **options: object) -> ChainReport:
    return verify_chain(log, **{"log_keys": [LOG_LINE], "ca_line": CA_LINE, "strict": True, **options})  # type: ignore[arg-type]


def fault(log: Logged, **options: object) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(log, **options)
    assert caught.value.where
    return caught.value.message


def test_a_persons_records_hold_and_say_whose_they_are() -> None:
    report = verify(ritas(Log()))
    assert is_chain_id(report.chain)
    assert (report.owner, report.role, report.serial, report.records) == ("Rita Example", "reviewer", 9, 2)
    assert report.ca_checked and (report.first_index, report.last_index) == (41, 42)
    assert not verify(ritas(Log()), ca_line=None).ca_checked


def test_the_relays_own_records_hold_as_far_as_its_log_key_is_vouched_for() -> None:
    assert verify(relays(Log())).role == "relay"
    other = public_line(STRANGER)
    assert "not vouched for" in fault(relays(Log()), log_keys=[other])
    assert "no log key" in fault(relays(Log()), log_keys=[])


def test_one_certificate_at_one_log_has_one_chain() -> None:
    names = {persons_opening(RITA, certificate(serial=serial), "reviewer", LOG_LINE)[0] for serial in (9, 9, 10)}
    assert len(names) == 2


def test_a_dropped_swapped_or_cut_record_is_named() -> None:
    log = ritas(Log())
    assert fault(log[1:]).startswith("record 0 of")
    assert fault([]).endswith("there is no record at all")
    head = verify(log).head
    assert "missing" in fault(log[:1], expected_head=head)
    assert "another record" in fault([log[0], replace(log[1], acknowledgement=log[0].acknowledgement)])


def test_a_record_in_anothers_name_does_not_hold() -> None:
    name, first = persons_opening(RITA, certificate(), "reviewer", LOG_LINE)
    other = replace(first.actor, serial=10)
    log = kept(Log(), RITA, name, first, review_draft(other, "s-abcdefghijklmnop"))
    assert "another actor" in fault(log)


def test_a_code_that_is_not_for_the_role_does_not_hold() -> None:
    name, first = persons_opening(RITA, certificate(), "reviewer", LOG_LINE)
    log = kept(Log(), RITA, name, first, review_draft(first.actor, "s-abcdefghijklmnop", code="RA2002E"))
    assert "not for a reviewer" in fault(log)


def test_a_text_signed_by_somebody_else_does_not_hold() -> None:
    log = ritas(Log())
    record = decode_record(log[1].record)
    assert record.signed is not None
    name, first = persons_opening(RITA, certificate(), "reviewer", LOG_LINE)
    changed = replace(record.signed, text=record.signed.text + "and more\n")
    forged = kept(Log(), RITA, name, first, review_draft(first.actor, "s-abcdefghijklmnop", signed=changed))
    assert "signature of its text" in fault(forged)


def test_a_record_made_after_the_certificate_ended_does_not_hold() -> None:
    assert "the certificate" in fault(ritas(Log(), at=START + timedelta(hours=12)))


def test_a_chain_signed_by_another_key_does_not_hold() -> None:
    name, first = persons_opening(RITA, certificate(), "reviewer", LOG_LINE)
    assert "head signature" in fault(kept(Log(), STRANGER, name, first))
    assert "it belongs to" in fault(ritas(Log()), chain="o-abcdefghijklmnop")

"""Nameplates: one join, ten minutes, burned on failure, never listed, rarely guessed."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.links.rendezvous import MEMORY, SPACE, Order, Rendezvous, ask_share, invite_share
from remote_assist.errors import CodeBurned, RefusedError
from remote_assist.settings import RelaySettings

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SETTINGS = RelaySettings(data=Path())
LATER = NOW + timedelta(seconds=601)


def make(entropy: Callable[[int], bytes] = secrets.token_bytes) -> Rendezvous:
    return Rendezvous(lifetime_seconds=600, early_leaves=2, entropy=entropy)


def reason_of_join(rendezvous: Rendezvous, number: str, now: datetime = NOW) -> str:
    with pytest.raises(CodeBurned) as caught:
        rendezvous.join(number, now)
    return caught.value.reason


def test_a_nameplate_is_six_digits_and_lasts_ten_minutes() -> None:
    plate = make().assign("alice", NOW)
    assert len(plate.number) == 6 and plate.number.isdigit()
    assert plate.expires == NOW + timedelta(minutes=10)


def test_a_nameplate_admits_one_joiner() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    assert rendezvous.join(plate.number, NOW).number == plate.number
    assert reason_of_join(rendezvous, plate.number) == "used"


def test_a_number_never_given_out_is_unknown() -> None:
    assert reason_of_join(make(), "417203") == "unknown-code"


def test_after_ten_minutes_a_nameplate_is_expired_and_says_so_for_an_hour() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    assert reason_of_join(rendezvous, plate.number, LATER) == "expired"
    assert rendezvous.taken == 0
    assert reason_of_join(rendezvous, plate.number, LATER + MEMORY) == "unknown-code"


def test_a_pairing_under_way_does_not_expire_with_its_nameplate() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    rendezvous.join(plate.number, NOW)
    assert rendezvous.expire(LATER) == ()
    assert reason_of_join(rendezvous, plate.number, LATER) == "used"


def test_a_burned_nameplate_is_used() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    rendezvous.burn(plate.number, NOW)
    rendezvous.burn(plate.number, NOW)
    assert reason_of_join(rendezvous, plate.number) == "used"


def test_a_joiner_who_leaves_early_frees_the_nameplate_twice_and_then_it_is_replaced() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    for _ in range(2):
        rendezvous.join(plate.number, NOW)
        freed = rendezvous.joiner_left(plate.number, NOW)
        assert freed is not None and freed.number == plate.number
    rendezvous.join(plate.number, NOW)
    replaced = rendezvous.joiner_left(plate.number, NOW)
    assert replaced is not None and replaced.number != plate.number
    assert replaced.owner == "alice" and replaced.leaves == 0
    assert reason_of_join(rendezvous, plate.number) == "used"
    assert rendezvous.taken == 1


def test_a_joiner_who_leaves_after_its_reply_has_used_the_nameplate_up() -> None:
    rendezvous = make()
    plate = rendezvous.assign("alice", NOW)
    rendezvous.join(plate.number, NOW)
    rendezvous.replied(plate.number)
    assert rendezvous.joiner_left(plate.number, NOW) is None
    assert reason_of_join(rendezvous, plate.number) == "used"


def test_a_reply_or_a_leave_for_a_nameplate_that_is_gone_changes_nothing() -> None:
    rendezvous = make()
    rendezvous.replied("417203")
    assert rendezvous.joiner_left("417203", NOW) is None


def test_one_technician_may_hold_only_so_many() -> None:
    rendezvous = make()
    for _ in range(SETTINGS.nameplates_per_technician):
        rendezvous.assign("alice", NOW)
    with pytest.raises(RefusedError) as caught:
        rendezvous.assign("alice", NOW)
    assert caught.value.reason == "busy"
    rendezvous.assign("bob", NOW)
    rendezvous.assign("alice", LATER)


def test_only_so_many_numbers_are_taken_at_once() -> None:
    rendezvous = Rendezvous(lifetime_seconds=600, early_leaves=2, entropy=secrets.token_bytes, invites=invite_share(30))
    for owner in range(30):
        rendezvous.assign(str(owner), NOW)
    with pytest.raises(RefusedError, match="as many support codes as it may"):
        rendezvous.assign("one more", NOW)


def test_by_default_customers_may_hold_a_tenth_of_what_is_out() -> None:
    assert SETTINGS.asks * 10 == SETTINGS.nameplates


def test_by_default_one_percent_of_the_numbers_may_be_out() -> None:
    assert SETTINGS.nameplates * 100 == SPACE


def test_numbers_that_are_out_or_remembered_are_drawn_again() -> None:
    draws = iter([7, 7, 8, 7, 8, 9])
    rendezvous = make(lambda count: next(draws).to_bytes(count, "big"))
    assert rendezvous.assign("alice", NOW).number == "000007"
    assert rendezvous.assign("alice", NOW).number == "000008"
    rendezvous.burn("000007", NOW)
    assert rendezvous.assign("alice", NOW).number == "000009"


def test_only_so_many_numbers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.links.rendezvous.MAX_REMEMBERED", 2)
    rendezvous = make()
    numbers = [rendezvous.assign("alice", NOW).number for _ in range(3)]
    for number in numbers:
        rendezvous.burn(number, NOW)
    assert [reason_of_join(rendezvous, number) for number in numbers] == ["unknown-code", "used", "used"]


def test_a_customers_number_admits_a_technician_only_and_a_technicians_a_customer_only() -> None:
    rendezvous = make()
    asked, invited = rendezvous.assign("ask 192.0.2.1", NOW, Order.ASK), rendezvous.assign("alice", NOW)
    assert reason_of_join(rendezvous, asked.number) == "unknown-code"
    with pytest.raises(CodeBurned) as caught:
        rendezvous.join(invited.number, NOW, Order.ASK)
    assert caught.value.reason == "unknown-code"
    assert rendezvous.join(asked.number, NOW, Order.ASK).order is Order.ASK
    assert rendezvous.join(invited.number, NOW).order is Order.INVITE


def test_a_customers_number_is_not_replaced_when_technicians_leave_early() -> None:
    rendezvous = make()
    plate = rendezvous.assign("ask 192.0.2.1", NOW, Order.ASK)
    for _ in range(2):
        rendezvous.join(plate.number, NOW, Order.ASK)
        assert rendezvous.joiner_left(plate.number, NOW) is not None
    rendezvous.join(plate.number, NOW, Order.ASK)
    assert rendezvous.joiner_left(plate.number, NOW) is None
    assert rendezvous.taken == 0


def test_customers_have_a_share_of_the_numbers_and_technicians_the_rest() -> None:
    rendezvous = Rendezvous(
        lifetime_seconds=600,
        early_leaves=2,
        entropy=secrets.token_bytes,
        invites=invite_share(10, 10),
        asks=ask_share(4, 3),
    )
    for _ in range(3):
        rendezvous.assign("ask 192.0.2.1", NOW, Order.ASK)
    with pytest.raises(RefusedError, match="3 codes asked for from this address"):
        rendezvous.assign("ask 192.0.2.1", NOW, Order.ASK)
    rendezvous.assign("ask 192.0.2.2", NOW, Order.ASK)
    with pytest.raises(RefusedError, match="as many support codes as it may"):
        rendezvous.assign("ask 192.0.2.3", NOW, Order.ASK)
    for _ in range(6):
        rendezvous.assign("alice", NOW)
    with pytest.raises(RefusedError, match="as many support codes as it may"):
        rendezvous.assign("alice", NOW)
    assert (rendezvous.count(Order.ASK), rendezvous.count(Order.INVITE)) == (4, 6)


def test_a_relay_whose_customers_have_no_share_says_so() -> None:
    rendezvous = Rendezvous(lifetime_seconds=600, early_leaves=2, entropy=secrets.token_bytes, asks=ask_share(0))
    with pytest.raises(RefusedError) as caught:
        rendezvous.assign("ask 192.0.2.1", NOW, Order.ASK)
    assert caught.value.reason == "not-offered"


def test_nothing_of_the_class_lists_nameplates() -> None:
    public = {name for name in dir(Rendezvous) if not name.startswith("_")}
    assert public == {"assign", "burn", "count", "expire", "join", "joiner_left", "replied", "taken"}

"""So many an hour, then no more; the hour slides; nobody pays for others. And a pace that is a rate."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.limits.pace import Pace
from relay.limits.quotas import HourlyQuota
from remote_assist.errors import RefusedError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def test_a_quota_refuses_what_is_too_much_and_says_when_to_come_again() -> None:
    quota = HourlyQuota(3, what="joins from this address")
    for minute in range(3):
        quota.check("a", NOW + timedelta(minutes=minute))
        quota.count("a", NOW + timedelta(minutes=minute))
    with pytest.raises(RefusedError) as caught:
        quota.check("a", NOW + timedelta(minutes=30))
    assert caught.value.reason == "slow-down"
    assert "more than 3 joins" in caught.value.message and caught.value.advice == "Try again in 31 minutes."


def test_a_quota_frees_itself_a_piece_at_a_time() -> None:
    quota = HourlyQuota(2, what="x")
    quota.count("a", NOW)
    quota.count("a", NOW + timedelta(minutes=10))
    with pytest.raises(RefusedError):
        quota.check("a", NOW + timedelta(minutes=59))
    quota.check("a", NOW + timedelta(minutes=60))
    quota.count("a", NOW + timedelta(minutes=60))
    with pytest.raises(RefusedError):
        quota.check("a", NOW + timedelta(minutes=69))
    quota.check("a", NOW + timedelta(hours=9))


def test_others_do_not_pay_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.limits.quotas.MAX_NAMES", 2)
    quota = HourlyQuota(1, what="x")
    quota.count("a", NOW)
    quota.check("b", NOW)
    for name in ("b", "c"):
        quota.count(name, NOW)
    quota.check("a", NOW)


def test_a_pace_lets_a_burst_pass_and_then_keeps_the_rate() -> None:
    pace = Pace(1000, now=0.0)
    assert pace.spend(1000, 0.0) == 0.0
    assert pace.spend(500, 0.0) == 0.5
    assert pace.spend(500, 0.5) == 0.5
    assert pace.spend(0, 9.0) == 0.0
    assert pace.spend(1500, 9.0) == 0.5


def test_no_limit_never_waits() -> None:
    assert Pace(0, now=0.0).spend(1 << 40, 0.0) == 0.0


def test_what_is_taken_at_once_is_worth_an_eighth_of_a_second_at_most() -> None:
    assert Pace(8000, now=0.0).portion(1 << 20) == 1000
    assert Pace(1 << 30, now=0.0).portion(1 << 20) == 1 << 20
    assert Pace(0, now=0.0).portion(1 << 20) == 1 << 20

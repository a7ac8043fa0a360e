"""Failing costs the address time, more each time; one slip costs nothing, and nobody else pays."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.limits.penalties import Penalties, Tariff, source_of
from remote_assist.errors import RefusedError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MAX_SECONDS = int(Tariff().most.total_seconds())
ADDRESS = "192.0.2.7"


def seconds_to_wait(penalties: Penalties, address: str = ADDRESS, now: datetime = NOW) -> int:
    """The first second at which the address may come again."""
    for second in range(MAX_SECONDS + 2):
        try:
            penalties.check(address, now + timedelta(seconds=second))
        except RefusedError as error:
            assert error.reason == "slow-down"
            continue
        return second
    raise AssertionError("never")


def failing(times: int) -> Penalties:
    penalties = Penalties()
    for _ in range(times):
        penalties.failed(ADDRESS, NOW)
    return penalties


def test_two_slips_cost_nothing_and_the_third_holds() -> None:
    assert [seconds_to_wait(failing(times)) for times in (0, 1, 2, 3)] == [0, 0, 0, 15]


def test_each_further_failure_costs_twice_as_much_up_to_ten_minutes() -> None:
    assert [seconds_to_wait(failing(times)) for times in (4, 5, 6, 7)] == [25, 45, 85, 165]
    assert seconds_to_wait(failing(30)) == MAX_SECONDS


def test_other_addresses_do_not_pay() -> None:
    assert seconds_to_wait(failing(10), "192.0.2.8") == 0


def test_the_neighbours_of_an_ipv6_address_pay_with_it() -> None:
    penalties = Penalties()
    for _ in range(3):
        penalties.failed("2001:db8:1:2::1", NOW)
    assert seconds_to_wait(penalties, "2001:db8:1:2:ffff::9") == 15
    assert seconds_to_wait(penalties, "2001:db8:1:3::1") == 0


def test_after_an_hour_of_quiet_failures_are_forgotten() -> None:
    penalties = failing(6)
    later = NOW + Tariff().forget
    penalties.failed(ADDRESS, later)
    assert seconds_to_wait(penalties, now=later) == 0


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.limits.penalties.MAX_SOURCES", 2)
    penalties = failing(3)
    for other in ("192.0.2.8", "192.0.2.9"):
        penalties.failed(other, NOW)
    assert seconds_to_wait(penalties) == 0


def test_sources_are_addresses_or_networks() -> None:
    assert source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("fe80::1%eth0") == "fe80::/64"
    assert source_of("") == "unknown"

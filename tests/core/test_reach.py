"""Addresses of the machine itself are reached only when exactly they were granted."""

import pytest

from remote_assist.core.reach import reachable, why_not

ONLY_BY_NAME = (
    "127.0.0.1",
    "127.8.9.10",
    "::1",
    "::ffff:127.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "169.254.1.2",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "100.100.100.200",
    "::ffff:169.254.169.254",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
)


@pytest.mark.parametrize("address", ONLY_BY_NAME)
def test_a_name_that_points_at_the_machine_itself_opens_nothing(address: str) -> None:
    assert why_not("db.example.com", address)
    assert reachable("db.example.com", [address, "192.0.2.7"])[0] == ["192.0.2.7"]


@pytest.mark.parametrize("address", ONLY_BY_NAME)
def test_the_address_itself_may_be_granted(address: str) -> None:
    assert why_not(address.partition("%")[0], address) == ""


@pytest.mark.parametrize("address", ["10.0.0.5", "192.168.1.1", "192.0.2.7", "2001:db8::1", "fd12::1"])
def test_machines_of_the_network_may_be_reached(address: str) -> None:
    assert why_not("db.example.com", address) == ""


def test_localhost_is_loopback_and_nothing_else() -> None:
    assert why_not("localhost", "127.0.0.1") == ""
    assert why_not("localhost", "::1") == ""
    assert why_not("localhost", "169.254.169.254")
    assert why_not("127.0.0.1", "127.0.0.2")


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear"):
        why_not("db.example.com", "db.example.com")

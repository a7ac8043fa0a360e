"""Strangers at the door: a share for each address, room for newcomers at the cost of whoever holds most."""

from relay.limits.strangers import Stranger, Strangers


class Link:
    """A connection that can be dropped."""

    def __init__(self, address: str) -> None:
        self.open = True
        self.stranger = Stranger(address, lambda: self.open, self.drop)

    def drop(self) -> None:
        self.open = False


def admit(strangers: Strangers, address: str, count: int = 1) -> list[Link]:
    links = [Link(address) for _ in range(count)]
    assert all(strangers.admit(link.stranger) for link in links)
    return links


def test_an_address_has_its_share_and_others_have_theirs() -> None:
    strangers = Strangers(most=100, most_per_address=3)
    admit(strangers, "192.0.2.1", 3)
    assert not strangers.admit(Link("192.0.2.1").stranger)
    admit(strangers, "192.0.2.2", 3)
    assert len(strangers) == 6


def test_whoever_is_known_or_gone_counts_no_more() -> None:
    strangers = Strangers(most=100, most_per_address=2)
    first, second = admit(strangers, "192.0.2.1", 2)
    strangers.known(first.stranger)
    strangers.known(first.stranger)
    admit(strangers, "192.0.2.1")
    second.open = False
    admit(strangers, "192.0.2.1")
    assert not strangers.admit(Link("192.0.2.1").stranger)
    assert len(strangers) == 2


def test_a_full_house_makes_room_at_the_cost_of_the_heaviest_address() -> None:
    strangers = Strangers(most=5, most_per_address=4)
    heavy = admit(strangers, "192.0.2.1", 4)
    light = admit(strangers, "192.0.2.2")
    admit(strangers, "192.0.2.3")
    assert [link.open for link in heavy] == [False, True, True, True] and light[0].open
    assert len(strangers) == 5


def test_the_addresses_of_one_ipv6_network_share() -> None:
    strangers = Strangers(most=100, most_per_address=1)
    admit(strangers, "2001:db8::1")
    assert not strangers.admit(Link("2001:db8::2").stranger)


def test_a_proxy_that_speaks_for_many_has_no_share_of_its_own() -> None:
    strangers = Strangers(most=100, most_per_address=1)
    assert all(strangers.admit(Link("127.0.0.1").stranger, shared=True) for _ in range(5))


def test_the_sweep_forgets_what_is_closed() -> None:
    strangers = Strangers(most=100, most_per_address=9)
    for link in admit(strangers, "192.0.2.1", 5)[:4]:
        link.open = False
    strangers.sweep()
    assert len(strangers) == 1

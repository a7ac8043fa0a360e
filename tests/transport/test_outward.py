"""Names on their way outward: resolved once, judged, and only what was judged is dialled."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from remote_assist.core.wishes import Endpoint, parse_hop
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.transport.hops.ssh_login import open_connection
from remote_assist.transport.outward import dial, pin

PUBLIC = "192.0.2.10"


class Names:
    """A DNS that answers each question with the next of its answers, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers

    async def getaddrinfo(self, _host: str, port: int, **_more: object) -> list[tuple[object, ...]]:
        found = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    def answering(*answers: list[str]) -> Names:
        dns = Names(*answers)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", dns.getaddrinfo)
        return dns

    return answering


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "169.254.0.7", "0.0.0.0", "224.0.0.1"])
async def test_a_target_name_that_resolves_to_a_forbidden_address_is_refused(
    address: str, names: Callable[..., Names]
) -> None:
    names([address])
    with pytest.raises(RefusedError, match=f"db.example.com leads to {address}") as refused:
        await pin(Endpoint("db.example.com", 22))
    assert refused.value.reason == "forbidden-address"


async def test_of_several_addresses_the_forbidden_ones_are_left_out(names: Callable[..., Names]) -> None:
    names([PUBLIC, "127.0.0.1"])
    assert (await pin(Endpoint("db.example.com", 22))).addresses == (PUBLIC,)


async def test_a_name_whose_dns_changes_between_check_and_use_leads_where_it_was_judged_to(
    names: Callable[..., Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: the second answer would lead to this very computer."""
    dns = names([PUBLIC], ["127.0.0.1"])
    dialled: list[str] = []

    def connect(address: tuple[str, int], timeout: float = 0) -> socket.socket:
        dialled.append(address[0])
        raise ConnectionRefusedError("nobody there")

    async def open_to(host: str, _port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append(host)
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(asyncio, "open_connection", open_to)
    place = parse_hop("ssh://root@db.example.com")
    pinned = await pin(place.endpoint)
    for attempt in (open_connection(pinned, place, [], None), dial(pinned)):  # type: ignore[arg-type]  # loop's own pool
        with pytest.raises(UnreachableError):
            await attempt
    assert dialled == [PUBLIC, PUBLIC]
    assert dns.asked == 1


async def test_a_name_nobody_knows_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_words: object, **_more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(UnreachableError, match="cannot be resolved"):
        await pin(Endpoint("nowhere.example.com", 22))

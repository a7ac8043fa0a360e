"""Several addresses of one relay: which is tried, and when it moves on."""

import asyncio

import pytest

from remote_assist.errors import ElsewhereError, RefusedError, UnreachableError, UsageError
from remote_assist.transport.addresses import MAX_SENT_ON, ONE_OF_SEVERAL_SECONDS, Addresses

ONE, TWO, THREE = (f"https://{name}.example.com:443" for name in ("one", "two", "three"))


class Network:
    """Where an address answers; `tried` is what was dialled, in order."""

    def __init__(self, *up: str) -> None:
        self.up = set(up)
        self.tried: list[str] = []

    async def dial(self, origin: str) -> str:
        self.tried.append(origin)
        if origin not in self.up:
            raise UnreachableError(f"the relay {origin} cannot be reached", advice="Wait.")
        return origin


async def test_they_are_tried_in_turn_and_the_one_that_answered_is_tried_first_next_time() -> None:
    addresses, network = Addresses([ONE, TWO, THREE]), Network(TWO, THREE)
    assert await addresses.reach(network.dial) == TWO
    assert await addresses.reach(network.dial) == TWO
    network.up = {ONE}
    assert await addresses.reach(network.dial) == ONE
    assert network.tried == [ONE, TWO, TWO, TWO, THREE, ONE]


async def test_when_none_answers_the_first_ones_reason_is_told() -> None:
    network = Network()
    with pytest.raises(UnreachableError, match=r"none of 2 addresses answers; the relay https://one") as caught:
        await Addresses([ONE, TWO]).reach(network.dial)
    assert caught.value.advice == "Wait."
    with pytest.raises(UnreachableError, match=r"^the relay https://one"):
        await Addresses([ONE]).reach(network.dial)


async def test_a_no_is_an_answer_and_asks_no_other_address() -> None:
    tried: list[str] = []

    async def refuse(origin: str) -> None:
        tried.append(origin)
        raise RefusedError("no", reason="role")

    with pytest.raises(RefusedError):
        await Addresses([ONE, TWO]).reach(refuse)
    assert tried == [ONE]


async def test_a_dial_that_was_given_up_from_outside_moves_on_too() -> None:
    addresses = Addresses([ONE, TWO])
    silent = asyncio.create_task(addresses.reach(lambda _origin: asyncio.Event().wait()))
    await asyncio.sleep(0)
    silent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await silent
    assert addresses.current == TWO


def test_one_of_several_may_not_take_the_whole_time() -> None:
    assert Addresses([ONE]).deadline(20) == 20
    assert Addresses([ONE, ONE]).deadline(20) == 20
    assert Addresses([ONE, TWO]).deadline(20) == ONE_OF_SEVERAL_SECONDS
    assert Addresses([ONE, TWO]).deadline(2) == 2


def test_no_address_at_all_is_said() -> None:
    with pytest.raises(UsageError, match="no relay was named"):
        Addresses([])


async def test_a_node_that_is_known_is_dialled_when_another_sends_there() -> None:
    addresses, tried = Addresses([ONE, TWO, THREE]), list[str]()

    async def dial(origin: str) -> str:
        tried.append(origin)
        if origin != THREE:
            raise ElsewhereError("another node serves it", node=THREE)
        return origin

    assert await addresses.reach(dial) == THREE
    assert tried == [ONE, THREE]
    assert addresses.current == THREE


@pytest.mark.parametrize("node", ["https://169.254.169.254", "https://four.example.com", "http://one.example.com", ""])
async def test_a_node_that_was_not_named_here_is_never_dialled(node: str) -> None:
    tried: list[str] = []

    async def dial(origin: str) -> str:
        tried.append(origin)
        raise ElsewhereError("another node serves it", node=node)

    with pytest.raises(ElsewhereError):
        await Addresses([ONE, TWO]).reach(dial)
    assert tried == [ONE]


async def test_nodes_that_send_to_each_other_for_ever_count_as_not_answering() -> None:
    tried: list[str] = []

    async def dial(origin: str) -> str:
        tried.append(origin)
        raise ElsewhereError("another node serves it", node=TWO if origin == ONE else ONE)

    with pytest.raises(UnreachableError):
        await Addresses([ONE, TWO]).reach(dial)
    assert len(tried) == 2 + MAX_SENT_ON

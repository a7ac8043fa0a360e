"""The customer's own codes at the relay: a stranger waits, a technician comes; what strangers may take is bounded."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from remote_assist.core.codec import encode
from remote_assist.core.messages import Burn, NameplateAssigned, PeerJoined, PeerLeft, RelayRefused, Rendezvous
from tests.relay.world import RelayWorld, understood

Started = Callable[..., AbstractAsyncContextManager[RelayWorld]]


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """A relay with settings of the test's choice."""

    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[RelayWorld]:
        async with RelayWorld(tmp_path, **settings) as world:
            yield world

    return start


async def said(link: ClientConnection) -> Any:
    return understood(await link.recv(), Rendezvous)


async def ask(world: RelayWorld) -> tuple[ClientConnection, str]:
    """A customer beside a nameplate."""
    link = await world.socket("/v1/ask")
    assigned = await said(link)
    assert isinstance(assigned, NameplateAssigned) and assigned.seconds == 600
    return link, assigned.nameplate


class Alice:
    """A technician with a ticket, who takes codes."""

    def __init__(self, world: RelayWorld, token: str, ticket: str) -> None:
        self.world, self.token, self.ticket = world, token, ticket

    @classmethod
    async def of(cls, world: RelayWorld, name: str = "Alice Example") -> "Alice":
        _, token = await world.technician(name)
        return cls(world, token, await world.ticket(token))

    def dial(self, number: str, ticket: str | None = None) -> Any:
        return self.world.socket(f"/v1/accept/{number}?ticket={ticket or self.ticket}", token=self.token)

    async def takes(self, number: str, customer: ClientConnection) -> ClientConnection:
        link: ClientConnection = await self.dial(number)
        assert await said(link) == PeerJoined()
        assert await said(customer) == PeerJoined()
        return link

    async def is_refused(self, number: str) -> str:
        """Why a code could not be taken; the socket is closed behind it."""
        async with self.dial(number) as link:
            answer = await said(link)
            assert isinstance(answer, RelayRefused) and answer.sentence
            with pytest.raises(ConnectionClosed):
                await link.recv()
            return answer.reason

    async def guesses(self, number: str, customer: ClientConnection) -> None:
        """Pair with a wrong word, as our program does: burn and leave."""
        link = await self.takes(number, customer)
        await link.send(b"start")
        assert await customer.recv() == b"start"
        await customer.send(b"reply")
        assert await link.recv() == b"reply"
        await link.send(encode(Burn(reason="wrong-code")).decode(), text=True)
        assert await said(customer) == PeerLeft(reason="burned")
        await customer.wait_closed()


async def http_refusal(dialled: Any) -> tuple[int, str, str]:
    """(status, reason, sentence) of a WebSocket that was not opened."""
    with pytest.raises(InvalidStatus) as caught:
        await dialled
    told = json.loads(caught.value.response.body)
    return caught.value.response.status_code, told["reason"], told["sentence"]


async def test_bytes_pass_between_a_customer_who_asked_and_the_technician_who_came(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    customer, number = await ask(world)
    technician = await alice.takes(number, customer)
    for message in (b"\x00\xff", b"", bytes(60_000)):
        await technician.send(message)
        assert await customer.recv() == message
        await customer.send(message)
        assert await technician.recv() == message


async def test_of_two_technicians_who_race_for_a_code_one_gets_it(world: RelayWorld) -> None:
    alice, bob = await Alice.of(world), await Alice.of(world, "Bob Example")
    customer, number = await ask(world)
    links = await asyncio.gather(alice.dial(number), bob.dial(number))
    answers = [await said(link) for link in links]
    assert [answer for answer in answers if answer == PeerJoined()] == [PeerJoined()]
    (other,) = [answer for answer in answers if isinstance(answer, RelayRefused)]
    assert other.reason == "used" and "customer" in other.advice
    assert await said(customer) == PeerJoined()


async def test_each_order_is_closed_to_whoever_comes_from_the_wrong_side(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    _, asked = await ask(world)
    async with world.socket(f"/v1/join/{asked}") as link:
        assert (await said(link)).reason == "unknown-code"
    async with world.socket("/v1/nameplate", token=alice.token) as owner:
        invited = (await said(owner)).nameplate
        assert await alice.is_refused(invited) == "unknown-code"
        async with world.socket(f"/v1/join/{invited}") as joiner:
            assert await said(joiner) == PeerJoined()


async def test_a_wrong_guess_uses_the_code_up_and_the_customer_is_told_so(world: RelayWorld) -> None:
    alice, bob = await Alice.of(world), await Alice.of(world, "Bob Example")
    customer, number = await ask(world)
    await alice.guesses(number, customer)
    assert await bob.is_refused(number) == "used"


async def test_a_technician_who_leaves_before_pairing_frees_the_code_twice_and_then_it_is_used_up(
    world: RelayWorld,
) -> None:
    alice = await Alice.of(world)
    customer, number = await ask(world)
    for _ in range(3):
        technician = await alice.takes(number, customer)
        await technician.close()
        assert await said(customer) == PeerLeft(reason="gone")
        world.clock.turn(seconds=30)  # leaving costs the address a little
    with pytest.raises(ConnectionClosed):
        await customer.recv()
    assert await alice.is_refused(number) == "used"


@pytest.mark.parametrize("how", ["burns", "leaves"])
async def test_a_code_its_customer_took_back_is_used_up_and_a_technician_who_came_is_told(
    world: RelayWorld, how: str
) -> None:
    alice = await Alice.of(world)
    customer, number = await ask(world)
    technician = await alice.takes(number, customer)
    if how == "burns":
        await customer.send(encode(Burn(reason="refused")).decode(), text=True)
    else:
        await customer.close()
    assert await said(technician) == PeerLeft(reason="burned" if how == "burns" else "gone")
    assert await alice.is_refused(number) == "used"


async def test_after_ten_minutes_a_code_is_expired_for_whoever_types_it(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    _, number = await ask(world)
    world.clock.turn(seconds=601)
    assert await alice.is_refused(number) == "expired"


@pytest.mark.slow
async def test_a_customer_for_whom_nobody_came_is_told(started: Started) -> None:
    async with started(nameplate_lifetime_seconds=1) as world:
        customer = await world.socket("/v1/ask")
        assert isinstance(await said(customer), NameplateAssigned)
        assert await said(customer) == PeerLeft(reason="expired")


async def test_a_code_is_taken_for_a_ticket_that_may_have_a_session_now(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    customer, number = await ask(world)
    status, reason, _ = await http_refusal(world.socket(f"/v1/accept/{number}", token=alice.token))
    assert (status, reason) == (400, "usage")
    status, reason, _ = await http_refusal(alice.dial(number, "9999"))
    assert (status, reason) == (404, "absent")
    body = json.dumps({"text": "done", "key": "k1", "closing": True}).encode()
    assert (await world.call("POST", f"/v1/tickets/{alice.ticket}/notes", body, token=alice.token))[0] == 201
    status, reason, _ = await http_refusal(alice.dial(number))
    assert (status, reason) == (403, "closed-ticket")
    await (await Alice.of(world, "Bob Example")).takes(number, customer)  # none of that used the code up


@pytest.mark.slow
async def test_a_ticket_that_is_closed_takes_a_pairing_for_it_with_it(world: RelayWorld) -> None:
    person, token = await world.technician()
    alice = Alice(world, token, await world.ticket(token))
    await world.agent(person, alice.ticket).open()
    customer, number = await ask(world)
    await alice.takes(number, customer)
    body = json.dumps({"text": "done", "key": "k1", "closing": True}).encode()
    assert (await world.call("POST", f"/v1/tickets/{alice.ticket}/notes", body, token=alice.token))[0] == 201
    assert await said(customer) == PeerLeft(reason="closed")


async def test_an_address_holds_only_so_many_codes_and_technicians_are_not_touched_by_that(started: Started) -> None:
    async with started(asks_per_address=2) as world:
        alice = await Alice.of(world)
        held = [await ask(world) for _ in range(2)]
        status, reason, sentence = await http_refusal(world.socket("/v1/ask"))
        assert (status, reason) == (429, "busy") and sentence.startswith("2 codes asked for from this address")
        async with world.socket("/v1/nameplate", token=alice.token) as owner:
            assert isinstance(await said(owner), NameplateAssigned)
        await held[0][0].close()
        await ask(world)


async def test_all_customers_together_hold_only_so_many_and_a_relay_may_offer_none(started: Started) -> None:
    async with started(asks=1, nameplates=3) as world:
        alice = await Alice.of(world)
        await ask(world)
        assert (await http_refusal(world.socket("/v1/ask")))[:2] == (429, "busy")
        for _ in range(2):
            await world.socket("/v1/nameplate", token=alice.token)
        assert (await http_refusal(world.socket("/v1/nameplate", token=alice.token)))[:2] == (429, "busy")


async def test_a_relay_may_give_customers_no_codes_at_all(started: Started) -> None:
    async with started(asks=0) as world:
        status, reason, sentence = await http_refusal(world.socket("/v1/ask"))
        assert (status, reason) == (403, "not-offered") and "no codes of their own" in sentence


async def test_an_address_asks_only_so_often_in_an_hour(started: Started) -> None:
    async with started(asks_per_address_per_hour=2) as world:
        alice = await Alice.of(world)
        for _ in range(2):
            customer, number = await ask(world)
            technician = await alice.takes(number, customer)
            await customer.close()
            await technician.wait_closed()
        status, reason, sentence = await http_refusal(world.socket("/v1/ask"))
        assert (status, reason) == (429, "slow-down") and "codes asked for from this address" in sentence
        world.clock.turn(hours=1, seconds=1)
        await ask(world)


async def test_codes_nobody_comes_for_cost_their_address_more_and_more(world: RelayWorld) -> None:
    for _ in range(3):
        customer, _ = await ask(world)
        await customer.close()
        await asyncio.sleep(0.05)  # the relay has noticed
    status, reason, _ = await http_refusal(world.socket("/v1/ask"))
    assert (status, reason) == (429, "slow-down")
    world.clock.turn(seconds=20)
    await ask(world)


async def test_a_customer_whom_a_technician_came_to_pays_nothing(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    for _ in range(6):
        customer, number = await ask(world)
        technician = await alice.takes(number, customer)
        await customer.close()
        await technician.wait_closed()


async def test_who_waits_with_a_code_counts_as_a_stranger_until_a_technician_came(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    customer, number = await ask(world)
    assert b"remote_assist_strangers 1.0" in await world.relay.metrics.text()
    assert b'remote_assist_codes{order="ask"} 1.0' in await world.relay.metrics.text()
    await alice.takes(number, customer)
    assert b"remote_assist_strangers 0.0" in await world.relay.metrics.text()


async def test_a_number_nobody_has_costs_the_address_of_whoever_tries_it(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    for _ in range(3):
        assert await alice.is_refused("417203") == "unknown-code"
    assert (await http_refusal(alice.dial("417203")))[:2] == (429, "slow-down")


@pytest.mark.parametrize("how", ["burns", "vanishes", "vanishes-after-a-statement"])
async def test_a_technician_who_guesses_is_stopped_also_when_nothing_is_burned(started: Started, how: str) -> None:
    async with started(failed_pairings_per_technician_per_hour=2) as world:
        alice = await Alice.of(world)
        for _ in range(2):
            customer, number = await ask(world)
            if how == "burns":
                await alice.guesses(number, customer)
                continue
            technician = await alice.takes(number, customer)
            for message in (b"start", b"statement")[: 1 if how == "vanishes" else 2]:
                await technician.send(message)
                assert await customer.recv() == message
            await customer.send(b"reply")
            await technician.recv()
            await technician.close()
            assert await said(customer) == PeerLeft(reason="gone")
            await customer.wait_closed()
        customer, number = await ask(world)
        status, reason, sentence = await http_refusal(alice.dial(number))
        assert (status, reason) == (429, "slow-down") and "failed pairings" in sentence
        await (await Alice.of(world, "Bob Example")).takes(number, customer)


async def test_a_pairing_with_a_verdict_is_no_guess_even_when_it_was_a_no(started: Started) -> None:
    async with started(failed_pairings_per_technician_per_hour=1) as world:
        alice = await Alice.of(world)
        for _ in range(3):
            customer, number = await ask(world)
            technician = await alice.takes(number, customer)
            for sender, receiver in ((technician, customer), (customer, technician)) * 2:
                await sender.send(b"message")
                await receiver.recv()
            await technician.close()
            await customer.wait_closed()


@pytest.mark.parametrize("text", ['{"type":"peer-joined"}', "{}", "burn"])
async def test_text_that_is_no_burn_is_refused(world: RelayWorld, text: str) -> None:
    customer, _ = await ask(world)
    await customer.send(text, text=True)
    assert (await said(customer)).reason == "malformed"


async def test_a_page_of_another_site_opens_no_socket_here(world: RelayWorld) -> None:
    alice = await Alice.of(world)
    for path, token in (("/v1/ask", ""), (f"/v1/accept/417203?ticket={alice.ticket}", alice.token)):
        dialled = world.socket(path, token=token, origin="https://evil.example.com")
        assert (await http_refusal(dialled))[:2] == (403, "foreign-origin")

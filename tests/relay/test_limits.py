"""Each limit against a running relay: reached, refused with its reason, and nobody else notices."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from remote_assist.core.codec import encode
from remote_assist.core.messages import Burn, NameplateAssigned, PeerJoined, Rendezvous
from tests.relay.test_streams import opened_session, stream
from tests.relay.world import RelayWorld, understood

Started = Callable[..., AbstractAsyncContextManager[RelayWorld]]


async def dial(world: RelayWorld, address: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    port = int(world.url.rpartition(":")[2])
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))


async def is_closed(reader: asyncio.StreamReader, seconds: float = 5.0) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await reader.read() == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def refused(world: RelayWorld, path: str, token: str) -> dict[str, str]:
    with pytest.raises(InvalidStatus) as caught:
        await world.socket(path, token=token)
    said = json.loads(caught.value.response.body)
    assert caught.value.response.status_code == 429, said
    return dict(said)


async def nameplate(world: RelayWorld, token: str) -> tuple[Any, str]:
    link = await world.socket("/v1/nameplate", token=token)
    said = understood(await link.recv(), Rendezvous)
    assert isinstance(said, NameplateAssigned)
    return link, said.nameplate


async def test_an_address_may_have_only_so_many_connections_nobody_knows(started: Started) -> None:
    async with started(unauthenticated_per_address=5) as world:
        held = [await dial(world, "127.0.0.3") for _ in range(5)]
        reader, _ = await dial(world, "127.0.0.3")
        assert await is_closed(reader)
        assert (await world.call("GET", "/healthz"))[0] == 200
        assert not await is_closed(held[0][0], 0.1)
        held[0][1].close()
        await asyncio.sleep(0.05)
        reader, writer = await dial(world, "127.0.0.3")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()


async def test_whoever_logged_in_does_not_count_as_a_stranger(started: Started) -> None:
    async with started(unauthenticated_per_address=3) as world:
        agent, token = await opened_session(world)
        links = [await stream(world, agent, token) for _ in range(4)]
        await links[-1][0].send(b"x")
        assert await links[-1][1].recv() == b"x"


async def test_silence_costs_the_address_more_each_time_and_it_is_closed_at_the_door(started: Started) -> None:
    async with started(handshake_deadline_seconds=0.1) as world:
        for _ in range(2):
            reader, _ = await dial(world, "127.0.0.4")
            assert await is_closed(reader)
        reader, _ = await dial(world, "127.0.0.4")
        started_at = time.monotonic()
        assert await is_closed(reader) and time.monotonic() - started_at < 0.09
        assert (await world.call("GET", "/healthz"))[0] == 200
        world.clock.turn(seconds=21)
        reader, writer = await dial(world, "127.0.0.4")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()


async def test_a_trusted_proxy_speaks_for_others_and_pays_for_none(started: Started) -> None:
    async with started(trusted_proxies=("127.0.0.1",)) as world:
        for _ in range(3):
            await world.try_login(world.person(), signature="wrong")
        assert (await world.try_login(world.person()))[0] == 429
        proxied = {"X-Forwarded-For": "127.0.0.1, 192.0.2.9"}
        for status in (403, 403, 403, 429):
            answer = await world.call(
                "POST",
                "/v1/login",
                b'{"certificate":"","nonce":"","time":"","role":"technician","signature":""}',
                **proxied,
            )
            assert answer[0] == status, answer


async def test_others_may_not_say_for_whom_they_ask(started: Started) -> None:
    async with started() as world:
        body = b'{"certificate":"","nonce":"","time":"","role":"technician","signature":""}'
        found = [
            (await world.call("POST", "/v1/login", body, **{"X-Forwarded-For": f"192.0.2.{n}"}))[0] for n in range(4)
        ]
        assert found == [403, 403, 403, 429]


async def test_an_address_joins_only_so_often_in_an_hour(started: Started) -> None:
    async with started(joins_per_address_per_hour=2) as world:
        _, token = await world.technician()
        for _ in range(2):
            owner, number = await nameplate(world, token)
            async with world.socket(f"/v1/join/{number}") as link:
                assert isinstance(understood(await link.recv(), Rendezvous), PeerJoined)
                await link.send(b"a reply")
            await owner.wait_closed()
        _, number = await nameplate(world, token)
        assert "joins from this address" in (await refused(world, f"/v1/join/{number}", ""))["sentence"]
        world.clock.turn(hours=1, seconds=-60)
        assert (await refused(world, f"/v1/join/{number}", ""))["advice"].startswith("Try again in ")


async def test_a_technician_whose_pairings_fail_gets_no_new_code_for_a_while(started: Started) -> None:
    async with started(failed_pairings_per_technician_per_hour=2) as world:
        _, token = await world.technician()
        for _ in range(2):
            owner, number = await nameplate(world, token)
            async with world.socket(f"/v1/join/{number}") as link:
                await link.recv()
                await link.send(b"a reply with a wrong word")
                await owner.recv()
                await owner.recv()
                await owner.send(encode(Burn(reason="wrong-code")).decode())
                await owner.wait_closed()
        assert "failed pairings" in (await refused(world, "/v1/nameplate", token))["sentence"]
        _, other = await world.technician("Bob Example")
        await nameplate(world, other)
        world.clock.turn(hours=1, seconds=1)
        await nameplate(world, token)


@pytest.mark.parametrize("reason", ["paired", "refused"])
async def test_a_pairing_that_went_well_or_was_cancelled_is_no_failed_one(started: Started, reason: str) -> None:
    async with started(failed_pairings_per_technician_per_hour=1) as world:
        _, token = await world.technician()
        for _ in range(3):
            owner, number = await nameplate(world, token)
            async with world.socket(f"/v1/join/{number}") as link:
                await link.recv()
                await link.send(b"a reply")
                await owner.send(encode(Burn(reason=reason)).decode())
                await owner.wait_closed()


async def test_a_technician_with_enough_live_sessions_gets_no_new_code(started: Started) -> None:
    async with started(sessions_per_technician=1) as world:
        agent, token = await opened_session(world)
        said = await refused(world, "/v1/nameplate", token)
        assert (said["reason"], "live already" in said["sentence"]) == ("busy", True)
        await agent.append(agent.ending())
        await nameplate(world, token)


async def test_codes_of_a_technician_and_of_all_are_limited(started: Started) -> None:
    async with started(nameplates=3, nameplates_per_technician=2) as world:
        _, alice = await world.technician()
        _, bob = await world.technician("Bob Example")
        links = [await nameplate(world, token) for token in (alice, alice, bob)]
        assert "2 support codes of yours" in (await refused(world, "/v1/nameplate", alice))["sentence"]
        assert "as many support codes as it may" in (await refused(world, "/v1/nameplate", bob))["sentence"]
        await links[0][0].close()


async def test_streams_of_a_session_are_limited(started: Started) -> None:
    async with started(streams_per_session=1) as world:
        agent, token = await opened_session(world)
        await stream(world, agent, token)
        async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as link:
            assert "1 streams open already" in await link.recv()


@pytest.mark.slow
async def test_a_session_moves_only_so_many_bytes_a_second_and_others_are_not_slowed(started: Started) -> None:
    async with started(session_bytes_per_second=1 << 20) as world:
        agent, token = await opened_session(world)
        other_agent, other_token = await opened_session(world)
        technician, far, _ = await stream(world, agent, token)
        quick, quick_far, _ = await stream(world, other_agent, other_token)

        async def move() -> float:
            begun = time.monotonic()
            for _ in range(10):
                await technician.send(bytes(256 << 10))
            for _ in range(10):
                await far.recv()
            return time.monotonic() - begun

        moving = asyncio.create_task(move())
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        await quick.send(b"key")
        assert await quick_far.recv() == b"key" and time.monotonic() - begun < 0.2
        assert 1.0 <= await moving < 3.0


@pytest.mark.slow
async def test_an_end_that_reads_nothing_is_cut_off_and_its_sender_told(started: Started) -> None:
    async with started(stalled_reader_seconds=0.4) as world:
        agent, token = await opened_session(world)
        technician, far, _ = await stream(world, agent, token, max_queue=1)
        with pytest.raises(ConnectionClosed) as caught:
            async with asyncio.timeout(20):
                while True:
                    await technician.send(bytes(1 << 20))
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 4003
        await agent.append(agent.record("RA1006E"))
        await far.close()


@pytest.mark.slow
async def test_a_reader_that_does_not_take_its_answer_is_cut_off(started: Started) -> None:
    async with started(answer_deadline_seconds=0.4) as world:
        _, token = await world.technician()
        ticket = await world.ticket(token)
        note = json.dumps({"key": "k", "text": "x" * (60 << 10)})
        for number in range(160):
            await world.call(
                "POST", f"/v1/tickets/{ticket}/notes", note.replace('"k"', f'"k{number}"').encode(), token=token
            )
        reader, writer = await dial(world)
        head = f"GET /v1/tickets/{ticket} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(head.encode())
        await asyncio.sleep(1.5)
        taken = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while piece := await reader.read(1 << 20):
                    taken += piece
        assert len(taken) < 160 * (60 << 10)


async def test_a_new_session_must_open_in_time(started: Started) -> None:
    async with started(opening_deadline_seconds=0.2) as world:
        alice, token = await world.technician()
        agent = world.agent(alice, await world.ticket(token))
        await agent.connect()
        assert "not opened in time" in str(await agent.link.recv())


async def test_a_pairing_ends_at_its_deadline(started: Started) -> None:
    async with started(pairing_deadline_seconds=0.2) as world:
        _, token = await world.technician()
        owner, number = await nameplate(world, token)
        async with world.socket(f"/v1/join/{number}") as link:
            await link.recv()
            assert "expired" in str(await link.recv())
        await owner.wait_closed()


async def test_sizes_of_messages_and_bodies_are_limited(started: Started) -> None:
    async with started(body_max_bytes=1000, message_max_bytes=1000, pairing_message_max_bytes=100) as world:
        _, token = await world.technician()
        status, raw = await world.call("POST", "/v1/tickets", b"x" * 2000, token=token)
        assert (status, json.loads(raw)["reason"]) == (413, "too-large")
        agent = await world.socket("/v1/agent")
        await agent.recv()
        await agent.send("x" * 2000)
        await agent.wait_closed()
        owner, _ = await nameplate(world, token)
        await owner.send(bytes(200))
        await owner.wait_closed()
        assert (agent.close_code, owner.close_code) == (1009, 1009)

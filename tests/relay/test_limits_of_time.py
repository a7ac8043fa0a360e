"""How long things last, as the settings say it: logins, codes, tickets, deadlines of whoever writes slowly."""

import asyncio
import json
import time

import pytest
from websockets.exceptions import InvalidStatus

from relay.log.keys import LogKeys
from remote_assist.core.api import ChallengeAnswer
from remote_assist.core.codec import decode
from remote_assist.core.messages import NameplateAssigned, PeerJoined, PeerLeft, Rendezvous, StreamOffered
from tests.relay.log.test_rotation import rotated
from tests.relay.test_limits import Started, dial, is_closed, nameplate, refused
from tests.relay.test_streams import opened_session
from tests.relay.world import RelayWorld, understood


async def test_a_login_lasts_as_long_as_the_settings_say(started: Started) -> None:
    async with started(token_lifetime_seconds=120) as world:
        _, token = await world.technician()
        world.clock.turn(seconds=110)
        assert (await world.call("GET", "/v1/tickets", token=token))[0] == 200
        world.clock.turn(seconds=11)
        assert (await world.call("GET", "/v1/tickets", token=token))[0] == 401


async def test_a_nonce_for_a_login_is_good_as_long_as_the_settings_say(started: Started) -> None:
    async with started(login_nonce_seconds=10) as world:
        alice = world.person()

        async def nonce() -> bytes:
            return decode((await world.call("POST", "/v1/login/challenge"))[1], ChallengeAnswer).nonce

        early, late = await nonce(), await nonce()
        world.clock.turn(seconds=8)
        assert (await world.try_login(alice, nonce=early))[0] == 200
        world.clock.turn(seconds=3)
        status, raw = await world.try_login(alice, nonce=late)
        assert (status, json.loads(raw)["reason"]) == (403, "stale")


async def test_failing_costs_what_the_tariff_in_the_settings_says(started: Started) -> None:
    tariff = {"penalty_seconds": 30, "penalty_holds_seconds": 0, "penalty_most_seconds": 45}
    async with started(**tariff, penalty_forget_seconds=300) as world:
        alice, mallory = world.person(), world.person("Mallory Example")

        async def fail() -> int:
            return (await world.try_login(mallory, certificate=alice.certificate))[0]

        assert [await fail(), await fail()] == [403, 429]  # nothing is free here
        world.clock.turn(seconds=31)
        assert [await fail(), await fail()] == [403, 429]
        for _ in range(4):  # each costs more, up to the longest wait
            world.clock.turn(seconds=46)
            assert [await fail(), await fail()] == [403, 429]
        world.clock.turn(seconds=301)
        assert await fail() == 403
        world.clock.turn(seconds=31)  # the first price again: what was before is forgotten
        assert (await world.try_login(alice))[0] == 200


async def test_an_old_log_key_lasts_as_long_as_the_settings_say(started: Started) -> None:
    async with started(log_key_overlap_seconds=100) as world:
        old, new = world.organisation.log_key, await rotated(world)
        world.clock.turn(seconds=90)
        await world.relay.log.rotation.retire()
        assert LogKeys(world.organisation.data).lines == (new, old)
        world.clock.turn(seconds=20)
        await world.relay.log.rotation.retire()
        assert LogKeys(world.organisation.data).lines == (new,)


async def test_a_code_lasts_as_long_as_the_settings_say(started: Started) -> None:
    async with started(nameplate_lifetime_seconds=60) as world:
        _, token = await world.technician()
        _, number = await nameplate(world, token)
        world.clock.turn(seconds=61)
        async with world.socket(f"/v1/join/{number}") as link:
            assert "expired" in str(await link.recv())


@pytest.mark.parametrize("leaves", [0, 1])
async def test_a_code_survives_as_many_joiners_who_leave_as_the_settings_say(started: Started, leaves: int) -> None:
    async with started(nameplate_early_leaves=leaves) as world:
        _, token = await world.technician()
        owner, number = await nameplate(world, token)
        for _ in range(leaves + 1):
            async with world.socket(f"/v1/join/{number}") as link:
                assert understood(await link.recv(), Rendezvous) == PeerJoined()
            assert understood(await owner.recv(), Rendezvous) == PeerJoined()
            assert understood(await owner.recv(), Rendezvous) == PeerLeft(reason="gone")
        replaced = understood(await owner.recv(), Rendezvous)
        assert isinstance(replaced, NameplateAssigned) and replaced.nameplate != number


async def test_a_streams_ticket_is_good_as_long_as_the_settings_say(started: Started) -> None:
    async with started(stream_ticket_seconds=1) as world:
        agent, token = await opened_session(world)
        async with world.socket(f"/v1/sessions/{agent.session}/stream", token=token) as technician:
            offered = await agent.receive()
            assert isinstance(offered, StreamOffered)
            assert "agent-away" in str(await technician.recv())
        with pytest.raises(InvalidStatus) as caught:
            await world.socket(f"/v1/streams/{offered.ticket}")
        assert caught.value.response.status_code == 404


@pytest.mark.parametrize("head", [False, True])
async def test_who_writes_slowly_has_no_longer_than_who_is_silent(started: Started, head: bool) -> None:
    """A request that dribbles in, in its head or in its body."""
    async with started(handshake_deadline_seconds=0.4) as world:
        reader, writer = await dial(world)
        begun = b"POST /v1/login HTTP/1.1\r\nHost: x\r\n"
        writer.write(begun if head else begun + b"Content-Length: 1000\r\n\r\n")
        closing = asyncio.create_task(is_closed(reader) if head else _status(reader))
        since = time.monotonic()
        while not closing.done() and time.monotonic() - since < 3:
            writer.write(b"X-Slow: 1\r\n" if head else b"{")
            await asyncio.sleep(0.05)
        assert await closing == (True if head else 400)
        assert time.monotonic() - since < 2
        assert (await world.call("GET", "/healthz"))[0] == 200


async def _status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readline()).split()[1])


async def test_an_agent_that_proves_nothing_has_no_longer_than_the_handshake(started: Started) -> None:
    async with started(handshake_deadline_seconds=0.2) as world:
        for path in ("/v1/agent", "/v1/standby"):
            async with world.socket(path) as link:
                await link.recv()
                assert "too-slow" in str(await link.recv())


async def test_nobody_is_let_in_for_the_time_a_penalty_takes_by_another_door(started: Started) -> None:
    async with started(penalty_holds_seconds=0) as world:
        _, token = await world.technician()
        async with world.socket("/v1/join/417203") as link:
            assert "unknown-code" in str(await link.recv())
        said = await refused(world, "/v1/join/417203", "")
        assert said["reason"] == "slow-down"
        for path in ("/v1/agent", "/v1/standby"):
            assert (await refused(world, path, ""))["reason"] == "slow-down"
        assert (await _login(world))[0] == 429
        assert (await world.call("GET", "/v1/tickets", token=token))[0] == 200  # who is logged in pays nothing


async def _login(world: RelayWorld) -> tuple[int, bytes]:
    return await world.try_login(world.person())

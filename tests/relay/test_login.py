"""Who may log in: a certified key that signs this relay's fresh nonce for this relay."""

import asyncio
import json
from datetime import timedelta

import pytest

from remote_assist.core.api import About, ChallengeAnswer, ListsAnswer
from remote_assist.core.codec import decode
from remote_assist.core.identity.lists import open_lists
from remote_assist.core.records import format_time, login_bytes, parse_time
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import public_line
from tests.relay.world import RelayWorld


def told(raw: bytes) -> str:
    return str(json.loads(raw)["reason"])


async def test_a_login_gives_a_token_with_the_name_in_the_certificate_and_the_lists(world: RelayWorld) -> None:
    answer = await world.login(world.person())
    assert (answer.name, answer.role) == ("Alice Example", "technician")
    open_lists(answer.lists, ca_line=public_line(world.organisation.ca), now=world.clock())
    assert (await world.get("/v1/lists", ListsAnswer, answer.token)).lists == answer.lists


async def test_a_token_is_stored_only_as_its_hash(world: RelayWorld) -> None:
    token = (await world.login(world.person())).token
    for file in world.organisation.data.iterdir():
        if file.is_file():
            raw = file.read_bytes()
            assert token.encode() not in raw and bytes.fromhex(token) not in raw, file


async def test_a_nonce_works_once(world: RelayWorld) -> None:
    alice = world.person()
    nonce = decode((await world.call("POST", "/v1/login/challenge"))[1], ChallengeAnswer).nonce
    assert (await world.try_login(alice, nonce=nonce))[0] == 200
    status, raw = await world.try_login(alice, nonce=nonce)
    assert (status, told(raw)) == (403, "stale")


async def test_a_login_signed_for_another_relay_opens_nothing_here(world: RelayWorld) -> None:
    status, raw = await world.try_login(world.person(), origin="https://relay.example.com:443")
    assert (status, told(raw)) == (403, "unverified")


async def test_a_login_signed_by_another_key_or_for_another_role_is_refused(world: RelayWorld) -> None:
    alice, mallory = world.person(), world.person("Mallory Example")
    assert (await world.try_login(mallory, certificate=alice.certificate))[0] == 403
    assert (await world.try_login(alice, role="reviewer"))[0] == 403
    status, raw = await world.try_login(alice, role="root")
    assert (status, told(raw)) == (400, "usage")


async def test_signature_bytes_bind_nonce_time_and_role(world: RelayWorld) -> None:
    alice = world.person()
    other = sshsig.sign(alice.key, "login", login_bytes(world.url, bytes(32), format_time(world.clock()), "technician"))
    assert (await world.try_login(alice, signature=other))[0] == 403


async def test_a_clock_that_is_far_off_is_named(world: RelayWorld) -> None:
    early = format_time(world.clock() - timedelta(minutes=10))
    status, raw = await world.try_login(world.person(), time=early)
    assert (status, told(raw)) == (403, "skew")
    assert (await world.try_login(world.person(), time="yesterday"))[0] == 400


async def test_a_token_ends_with_its_certificate(world: RelayWorld) -> None:
    alice = world.person(hours=1)
    answer = await world.login(alice)
    assert parse_time(answer.expires) <= world.clock() + timedelta(hours=1)
    assert (await world.call("GET", "/v1/tickets", token=answer.token))[0] == 200
    world.clock.turn(hours=1)
    status, raw = await world.call("GET", "/v1/tickets", token=answer.token)
    assert (status, told(raw)) == (401, "not-logged-in")


async def test_tokens_survive_a_restart_of_the_relay(world: RelayWorld) -> None:
    token = (await world.login(world.person())).token
    await world.relay.stop()
    await world.start()
    assert (await world.call("GET", "/v1/tickets", token=token))[0] == 200


@pytest.mark.slow
async def test_a_revoked_certificate_loses_its_token_without_a_restart(world: RelayWorld) -> None:
    alice = world.person()
    token = (await world.login(alice)).token
    world.organisation.write_lists(world.organisation.data, number=2, revoked=(alice.serial,))
    async with asyncio.timeout(10):
        while (await world.call("GET", "/v1/tickets", token=token))[0] != 403:
            await asyncio.sleep(0.02)
    status, raw = await world.try_login(alice)
    assert (status, told(raw)) == (403, "unverified")


async def test_after_failing_thrice_an_address_waits(world: RelayWorld) -> None:
    alice, mallory = world.person(), world.person("Mallory Example")
    for _ in range(3):
        await world.try_login(mallory, certificate=alice.certificate)
    status, raw = await world.try_login(alice)
    assert (status, told(raw)) == (429, "slow-down")
    world.clock.turn(seconds=20)
    assert (await world.try_login(alice))[0] == 200


async def test_logins_are_written_down(world: RelayWorld) -> None:
    alice = world.person()
    await world.login(alice)
    rows = world.sql("select name, serial, role from logins")
    assert rows == [("Alice Example", alice.serial, "technician")]


async def test_about_tells_the_relays_name_and_nothing_secret(world: RelayWorld) -> None:
    about = decode((await world.call("GET", "/v1/about"))[1], About)
    assert (about.product, about.origin) == ("remote-assist", world.url)
    assert (await world.call("GET", "/healthz")) == (200, b"ok\n")


async def test_an_unknown_host_header_does_not_change_the_relays_name(world: RelayWorld) -> None:
    _, raw = await world.call("GET", "/v1/about", Host="evil.example.com")
    assert decode(raw, About).origin == world.url
    port = world.url.rpartition(":")[2]
    _, raw = await world.call("GET", "/v1/about", Host=f"localhost:{port}")
    assert decode(raw, About).origin == f"http://localhost:{port}"

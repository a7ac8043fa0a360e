"""The road to an agent: which sessions may be reached, how long an absent agent is waited for, whom we trust."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from remote_assist.core.codec import decode
from remote_assist.core.messages import StreamOffered, StreamOpened
from remote_assist.core.records import format_time
from remote_assist.core.requests import CheckpointSeen, ShowCheckpoint, Status
from remote_assist.core.signing.keys import PrivateKey, new_key, private_bytes, public_line
from remote_assist.errors import RefusedError, UnreachableError, UsageError, VerificationError
from remote_assist.technician.desk import Desk
from remote_assist.technician.session_folder import SessionFacts
from remote_assist.transport.channel import MessageChannel
from remote_assist.transport.dial import dial
from remote_assist.transport.ssh import serve_technician
from remote_assist.transport.streams import StreamTunnel
from tests.relay.world import Agent
from tests.technician.conftest import Technician
from tests.technician.world import ScriptedDoors

SESSION_KEY = new_key(secrets.token_bytes(32))


async def desk_with_session(technician: Technician, agent: Agent, *, ends_in: int = 1800) -> Desk:
    """A desk whose folder holds the session that `agent` opened."""
    await technician.login()
    settings = replace(technician.settings, away_patience_seconds=0.3, connect_deadline_seconds=5)
    desk = await Desk.open(settings, clock=technician.world.clock)
    now = technician.world.clock()
    folder = desk.home.new_session(agent.session)
    folder.write_keys(private_bytes(SESSION_KEY), bytes(32))
    folder.write(
        SessionFacts(
            session=agent.session,
            relay=desk.identity.relay,
            ticket="1",
            subject="s",
            host_key=public_line(agent.key),
            host_name="web-07",
            scopes=("diagnose",),
            certificate_fingerprint="SHA256:x",
            opened=format_time(now),
            ends=format_time(now.replace(year=now.year + 1) if ends_in > 0 else now),
            certificate_ends=format_time(now.replace(year=now.year + 1)),
        )
    )
    return desk


async def opened(technician: Technician) -> Agent:
    token = (await technician.world.login(technician.person)).token
    agent = technician.world.agent(technician.person, await technician.world.ticket(token))
    await agent.open()
    return agent


async def serve(agent: Agent, host_key: PrivateKey, script: Callable[[MessageChannel], Awaitable[None]]) -> None:
    """Take one stream as an agent does."""
    offer = await agent.receive()
    assert isinstance(offer, StreamOffered)
    link = await dial(agent.world.url, f"/v1/streams/{offer.ticket}")
    assert decode(await link.receive(), StreamOpened).session == agent.session
    tunnel = StreamTunnel(link, stream=offer.stream, epoch=offer.epoch)
    connection = await serve_technician(
        tunnel,
        host_key=host_key,
        authorised=lambda line: line == public_line(SESSION_KEY),
        doors=ScriptedDoors(script),
    )
    await connection.wait_closed()


def telling(agent: Agent) -> Callable[[MessageChannel], Awaitable[None]]:
    async def script(channel: MessageChannel) -> None:
        while True:
            if isinstance(await channel.receive(), ShowCheckpoint):
                await channel.send(CheckpointSeen(checkpoint=""))
                continue
            await channel.send(
                Status(session=agent.session, ticket="1", grants=(), ends="", host_name="web-07", recorded=1)
            )

    return script


async def test_a_connected_session_answers_and_uses_its_conversation_again(technician: Technician) -> None:
    agent = await opened(technician)
    async with await desk_with_session(technician, agent) as desk:
        serving = asyncio.create_task(serve(agent, agent.key, telling(agent)))
        async with await desk.connect(agent.session) as session:
            assert [(await session.status()).recorded for _ in range(3)] == [1, 1, 1]
        async with asyncio.timeout(5):
            await serving
    await agent.link.close()


async def test_an_agent_with_another_key_is_refused_whatever_the_relay_says(technician: Technician) -> None:
    agent = await opened(technician)
    async with await desk_with_session(technician, agent) as desk:
        serving = asyncio.create_task(serve(agent, new_key(secrets.token_bytes(32)), telling(agent)))
        with pytest.raises(VerificationError, match="not the one pinned"):
            await desk.connect(agent.session)
        await asyncio.gather(serving, return_exceptions=True)
    await agent.link.close()


async def test_an_agent_that_stays_away_is_unreachable(technician: Technician) -> None:
    agent = await opened(technician)
    await agent.link.close()
    async with await desk_with_session(technician, agent) as desk:
        with pytest.raises(UnreachableError, match="agent is not connected"):
            await desk.connect(agent.session)


async def test_an_agent_on_its_way_is_waited_for(technician: Technician) -> None:
    token = (await technician.world.login(technician.person)).token
    agent = technician.world.agent(technician.person, await technician.world.ticket(token))
    async with await desk_with_session(technician, agent) as desk:
        connecting = asyncio.create_task(desk.connect(agent.session))
        await agent.open()
        serving = asyncio.create_task(serve(agent, agent.key, telling(agent)))
        async with await connecting as session:
            assert (await session.status()).host_name == "web-07"
        await asyncio.gather(serving, return_exceptions=True)
    await agent.link.close()


async def test_an_old_session_the_relay_does_not_know_is_not_waited_for(technician: Technician) -> None:
    agent = technician.world.agent(technician.person, "1")
    async with await desk_with_session(technician, agent) as desk:
        technician.world.clock.turn(seconds=61)
        with pytest.raises(RefusedError) as refusal:
            await desk.connect(agent.session)
    assert refusal.value.reason == "absent"


async def test_a_session_that_is_over_is_refused_before_anything_is_dialled(technician: Technician) -> None:
    agent = technician.world.agent(technician.person, "1")
    async with await desk_with_session(technician, agent, ends_in=0) as desk:
        with pytest.raises(RefusedError, match="consent ran out"):
            await desk.connect(agent.session)
        with pytest.raises(UsageError, match="not opened from"):
            await desk.connect("s-bbbbbbbbbbbbbbbb")


async def test_an_answer_for_another_session_is_not_taken(technician: Technician) -> None:
    agent = await opened(technician)
    other = technician.world.agent(technician.person, "1")
    async with await desk_with_session(technician, agent) as desk:
        serving = asyncio.create_task(serve(agent, agent.key, telling(other)))
        async with await desk.connect(agent.session) as session:
            with pytest.raises(Exception, match="another session"):
                await session.status()
        await asyncio.gather(serving, return_exceptions=True)
    await agent.link.close()

"""Chat and pause at the customer: recorded, shown, followed; a pause stops what runs and lets nothing start."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remote_assist.core.prompt import LineTyped, PausePressed
from remote_assist.core.requests import AskStatus, ChatLine, Done, FollowChat, InputEnd, Run, SayChat, Status
from remote_assist.transport.channel import MessageChannel
from tests.agent.world import LiveSession, agent_world, ask

pytestmark = pytest.mark.slow


@contextlib.asynccontextmanager
async def live(folder: Path) -> AsyncIterator[LiveSession]:
    async with agent_world(folder) as world, world.session() as session:
        yield session


async def line_of(channel: MessageChannel) -> ChatLine:
    async with asyncio.timeout(60):
        answer = await channel.receive()
    assert isinstance(answer, ChatLine), answer
    return answer


async def shown(session: LiveSession, text: str) -> None:
    async with asyncio.timeout(60):
        while not any(text in line for line in session.world.customer.lines):
            await asyncio.sleep(0.01)


async def test_a_line_to_the_customer_is_an_action_whose_words_are_sealed(tmp_path: Path) -> None:
    async with live(tmp_path) as session:
        answers = await session.ask(SayChat(text="Is the shop closed now?\x1b[2J"))
        assert answers.done.status == "done"
        assert "Alice Example: Is the shop closed now?\\x1b[2J" in session.world.customer.lines
        assert [code for code in session.world.codes() if code.startswith("RA16")] == ["RA1600I", "RA1600O"]
        said = next(record for record in session.world.journal() if record.code == "RA1600I")
        assert set(said.sealed) == {"text"}
        assert b"shop closed" not in b"".join(one.record for one in await session.world.logged())


async def test_a_line_that_shows_a_code_is_refused_by_the_agent_too(tmp_path: Path) -> None:
    async with live(tmp_path) as session:
        assert (await session.ask(SayChat(text="417203-tulip-rocket-amber"))).refused.reason == "live-code"
        assert "RA1600I" not in session.world.codes()


async def test_what_the_customer_types_is_written_down_and_reaches_whoever_follows(tmp_path: Path) -> None:
    async with live(tmp_path) as session, session.world.technician.channel() as channel:
        await channel.send(FollowChat())
        session.world.customer.acts.put_nowait(LineTyped("it says error 98"))
        first = await line_of(channel)
        assert (first.number, first.author, first.text) == (1, "customer", "it says error 98")
        await ask_aside(session, "thank you")
        assert (await line_of(channel)).author == "technician"
        await channel.send(InputEnd())
        async with asyncio.timeout(60):
            assert isinstance(await channel.receive(), Done)
        assert (await ask_so_far(channel)) == ["it says error 98", "thank you"]
        assert "RA1601E" in session.world.codes()


async def test_the_customer_cannot_give_a_code_away_in_the_chat(tmp_path: Path) -> None:
    async with live(tmp_path) as session:
        session.world.customer.acts.put_nowait(LineTyped("417203 tulip rocket amber"))
        await shown(session, "not sent: this text contains a support code")
        assert "RA1601E" not in session.world.codes()


async def test_a_pause_stops_what_runs_and_lets_nothing_start_until_it_is_lifted(tmp_path: Path) -> None:
    async with live(tmp_path) as session:
        running = asyncio.create_task(session.ask(Run(argv=("sleep", "60"))))
        await shown(session, "runs sleep")
        session.world.customer.acts.put_nowait(PausePressed(hold=True))
        async with asyncio.timeout(60):
            assert (await running).done.status == "aborted"
        assert (await session.ask(Run(argv=("true",)))).refused.reason == "paused"
        status = (await session.ask(AskStatus())).last
        assert isinstance(status, Status) and status.paused
        session.world.customer.acts.put_nowait(PausePressed(hold=False))
        await shown(session, "you let it go on")
        assert (await session.ask(Run(argv=("true",)))).done.status == "done"
        assert [code for code in session.world.codes() if code in {"RA1006E", "RA1007E"}] == ["RA1006E", "RA1007E"]


async def ask_aside(session: LiveSession, text: str) -> None:
    assert (await session.ask(SayChat(text=text))).done.status == "done"


async def ask_so_far(channel: MessageChannel) -> list[str]:
    answers = await ask(channel, FollowChat(wait=False))
    return [line.text for line in answers.messages if isinstance(line, ChatLine)]

"""A reviewer finds sessions by what the log holds in clear, and pages through all of them."""

from collections.abc import AsyncIterator

import pytest

from relay.log import sessions
from remote_assist.core.records import Actor, Outcome
from remote_assist.errors import UsageError
from remote_assist.technician.api import RelayApi
from tests.relay.world import RelayWorld

MADE = (
    ("ended", "Alice Example", "Printer"),
    ("refused", "Bob 50%", "Mail_1"),
    ("open", "Bob 50%", "Mail"),
)


@pytest.fixture
async def filled(world: RelayWorld) -> AsyncIterator[tuple[RelayApi, dict[str, str]]]:
    """Three sessions: Alice's that ended, Bob's with a refusal, Bob's with an open intent."""
    named = {}
    for name, who, subject in MADE:
        person = world.person(who)
        token = (await world.login(person)).token
        agent = world.agent(person, await world.ticket(token, subject))
        await agent.open()
        if name == "open":
            await agent.append(agent.record("RA1400I", action="a1", actor=Actor(kind="technician"), program="ls"))
        elif name == "refused":
            await agent.append(agent.record("RA1900R", outcome=Outcome(status="refused", reason="out-of-scope")))
        else:
            await agent.append(agent.ending())
        named[agent.session] = name
    rita = world.person("Rita Example", "reviewer")
    async with RelayApi(world.url, token=(await world.login(rita, "reviewer")).token) as api:
        yield api, named


async def test_sessions_are_found_by_every_filter(filled: tuple[RelayApi, dict[str, str]]) -> None:
    api, named = filled

    async def found(**wanted: str) -> set[str]:
        return {named[one.id] async for one in api.each_session(**wanted)}

    everything = {"ended", "refused", "open"}
    assert await found() == everything
    tickets = {named[one.id]: one.ticket async for one in api.each_session()}
    assert await found(ticket=tickets["ended"]) == {"ended"}
    assert await found(technician="bob") == {"refused", "open"}
    assert await found(technician="50%") == {"refused", "open"} and await found(technician="5_%") == set()
    assert await found(customer="mail_") == {"refused"} and await found(customer="nobody") == set()
    assert await found(action="run") == await found(action="RA1400I") == {"open"}
    assert await found(outcome="refused") == {"refused"}
    assert await found(outcome="incomplete") == {"open"}
    assert await found(outcome="ended") == await found(outcome="done") == {"ended"}
    assert await found(since="2020", until="2099") == everything and await found(until="2020") == set()
    first = (await api.sessions())[0]
    assert await found(machine=first.host_key.split()[1][20:40]) == {named[first.id]}
    for wrong in ({"action": "nonsense"}, {"ticket": "x"}, {"before": "s-aaaaaaaaaaaaaaaa"}):
        with pytest.raises(UsageError):
            await found(**wrong)


async def test_a_list_of_many_pages_is_complete(
    filled: tuple[RelayApi, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, named = filled
    monkeypatch.setattr(sessions, "MAX_LISTED", 1)
    assert {one.id async for one in api.each_session()} == set(named)
    assert len(await api.sessions()) == 1

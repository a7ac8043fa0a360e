"""Incident T10 at the command line: an agent that answers in control sequences writes none of them to a terminal."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from remote_assist.core.codes import SupportCode, parse_code
from tests.scenarios.hostile_agent import ANSWERS, FAILURES, LIES, REFUSALS, HostileAgent
from tests.scenarios.onscreen import OnScreen
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

FIX = ("fix", "SESSION", "linux.service.start-unit", "--set", "unit=x.service")
COMMANDS: dict[str, tuple[str, ...]] = {
    "ls": ("ls", "SESSION", "/"),
    "ls --json": ("ls", "SESSION", "/", "--json"),
    "get": ("get", "SESSION", "/a", "got"),
    "get -r": ("get", "-r", "SESSION", "/tree", "got", "--max-bytes", str(1 << 80)),
    "put": ("put", "SESSION", "alice.pub", "/tmp"),
    "run": ("run", "SESSION", "--", "true"),
    "run --json": ("run", "SESSION", "--json", "--", "true"),
    "fix --plan": (*FIX, "--plan"),
    "fix --plan --json": (*FIX, "--plan", "--json"),
    "fix --yes": (*FIX, "--yes"),
    "request": ("request", "SESSION", "terminal"),
    "request --json": ("request", "SESSION", "terminal", "--json"),
    "diagnose": ("diagnose", "SESSION", "-o", "bundle"),
}
UNDER = {
    LIES: ("ls",),
    REFUSALS: ("ls --json", "run", "run --json"),
    FAILURES: ("ls", "fix --yes", "request"),
    ANSWERS: tuple(COMMANDS),
}
"""How the agent answers → the commands it is asked with. What `diagnose` brings is kept, so it comes last."""

AFTERWARDS: dict[str, tuple[str, ...]] = {
    "findings": ("findings", "bundle"),
    "tickets show": ("tickets", "show", "TICKET"),
    "sessions": ("sessions",),
    "audit list": ("audit", "list"),
    "audit show": ("audit", "show", "SESSION"),
    "audit show --json": ("audit", "show", "SESSION", "--json"),
    "end": ("end", "SESSION", "--note", "Left."),
}

PROGRESS = {"invite", "get", "get -r", "put", "diagnose", "fix --yes"}
"""Commands that rewrite a line (progress, a countdown), for which a carriage return is ours."""

DRAWN = "\\x1b]52;c;cHduZWQ=\\x07"
"""A payload as text that can be seen."""


async def at_the_terminal(world: World, *words: str) -> str:
    """What a command wrote to Alice's terminal. Fails when it crashed."""

    def look() -> bytes:
        with OnScreen(world, *words) as screen:
            screen.finished()
            return screen.seen

    seen = (await asyncio.to_thread(look)).decode("utf-8")  # strict: no stray byte either
    assert "Traceback" not in seen
    return seen


@asynccontextmanager
async def inviting(world: World, ticket: str) -> AsyncIterator[tuple[OnScreen, SupportCode]]:
    """`invite` at Alice's terminal, and its code."""
    with OnScreen(world, "invite", "--ticket", ticket) as screen:
        await asyncio.to_thread(screen.read_until, "customer runs")
        yield screen, parse_code(screen.seen.decode().split()[1])


def acting(text: str, *, allowed: str = "\n") -> set[str]:
    """Characters a terminal or a reader would be led astray by."""
    return {repr(sign) for sign in text if not sign.isprintable() and sign not in allowed}


async def test_t10_no_answer_of_an_agent_moves_the_cursor(world: World) -> None:
    (world.folder / "got").mkdir()
    before = _files(world)
    ticket = await asyncio.to_thread(world.new_ticket)
    agent = HostileAgent(world, world.folder / "customer-home")
    seen: dict[str, str] = {}
    async with inviting(world, ticket) as (screen, code), agent.paired(code):
        assert await asyncio.to_thread(screen.finished) == 0
        seen["invite"] = screen.seen.decode()
        session = seen["invite"].split()[-1]
        assert session.startswith("s-")
        for agent.doors.manner, names in UNDER.items():
            told = {f"{name} under {agent.doors.manner}": COMMANDS[name] for name in names}
            seen |= await _all(world, told, session, ticket)
    seen |= await _all(world, AFTERWARDS, session, ticket)
    for name, text in seen.items():
        ours = "\n\r" if name.partition(" under ")[0] in PROGRESS else "\n"
        assert acting(text, allowed=ours) == set(), name
    for name in (
        "ls under answers",
        "run under answers",
        "get -r under answers",
        "fix --plan under answers",
        "run under refusals",
    ):
        assert DRAWN in seen[name], name
    assert all(DRAWN in seen[name] for name in ("tickets show", "sessions", "audit list", "audit show"))
    assert len(seen["sessions"].splitlines()) == len(seen["audit list"].splitlines()) == 1
    head = 2  # who helped whom, for people only
    assert len(seen["audit show"].splitlines()) == head + len(seen["audit show --json"].splitlines())
    assert "did not arrive as it was sent" in seen["put under answers"]
    assert _files(world) - before == {"got/a", "bundle"}


async def test_t10_a_no_in_control_sequences_is_shown_as_text(world: World) -> None:
    ticket = await asyncio.to_thread(world.new_ticket)
    async with inviting(world, ticket) as (screen, code):
        await HostileAgent(world, world.folder / "denying-home").deny(code)
        assert await asyncio.to_thread(screen.finished) == 3
    text = screen.seen.decode()
    assert "the customer's program said no: " in text
    assert "\\x1b" in text
    assert acting(text, allowed="\n\r") == set()


def _files(world: World) -> set[str]:
    """Every file under the organisation's folder, but what the programs keep for themselves."""
    own = {"alice-home", "customer-home", "denying-home", "relay-data"}
    found = {path.relative_to(world.folder) for path in world.folder.rglob("*") if path.is_file()}
    return {str(path) for path in found if path.parts[0] not in own}


async def _all(world: World, commands: Mapping[str, Sequence[str]], session: str, ticket: str) -> dict[str, str]:
    """What commands show, asked two at a time."""
    turns = asyncio.Semaphore(2)

    async def one(name: str, words: Sequence[str]) -> tuple[str, str]:
        async with turns:
            told = [word.replace("SESSION", session).replace("TICKET", ticket) for word in words]
            return name, await at_the_terminal(world, *told)

    return dict(await asyncio.gather(*(one(name, words) for name, words in commands.items())))

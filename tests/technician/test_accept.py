"""Taking a customer's code, over a real relay: one guess on this end too, keys on disk before the question."""

import asyncio
import secrets
import stat
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode, new_code
from remote_assist.core.messages import (
    AgentStatement,
    Burn,
    Grant,
    NameplateAssigned,
    PairingStart,
    PairingStatement,
    PeerJoined,
    PeerLeft,
    Rendezvous,
    SignedStatement,
    Verdict,
)
from remote_assist.core.pairing import AgentPairing
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.words import WORDS
from remote_assist.errors import CodeBurned, ConsentDenied, RefusedError, UsageError
from remote_assist.technician.desk import Desk
from tests.relay.world import RelayWorld, understood
from tests.technician.conftest import Technician

GRANT = Grant(id="g1", scope="diagnose", until="2099-01-01T00:00:00Z", key="SHA256:x")
YES = Verdict(grants=(GRANT,))


class Customer:
    """An agent that asks, over the relay's wire, step by step."""

    def __init__(self, world: RelayWorld) -> None:
        self.world = world
        self.host_key = new_key(secrets.token_bytes(32))
        self.asked: SignedStatement

    async def ask(self) -> SupportCode:
        self.link = await self.world.socket("/v1/ask")
        assigned = understood(await self.link.recv(), NameplateAssigned)
        self.code = new_code(assigned.nameplate, secrets.token_bytes(8))
        self.pairing = AgentPairing(self.code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
        return self.code

    async def reply(self, pairing: AgentPairing | None = None) -> None:
        assert understood(await self.link.recv(), Rendezvous) == PeerJoined()
        statement = AgentStatement(
            host_key=public_line(self.host_key),
            agent_version="0.1",
            platform="linux",
            host_name="web-07",
            checkpoint="",
        )
        start = decode(await self.link.recv(), PairingStart)
        await self.link.send(encode((pairing or self.pairing).receive_start(start, statement)))

    async def answer(self, verdict: Verdict) -> None:
        envelope = self.pairing.receive_statement(decode(await self.link.recv(), PairingStatement))
        self.asked = decode(envelope.statement, SignedStatement)
        await self.link.send(encode(self.pairing.verdict(verdict)))

    async def play(self, verdict: Verdict) -> None:
        await self.reply()
        await self.answer(verdict)


class Taking:
    """A logged-in technician with a ticket, and a customer who asked."""

    def __init__(self, technician: Technician, desk: Desk) -> None:
        self.world, self.desk = technician.world, desk
        self.customer = Customer(technician.world)
        self.hosts: list[str] = []

    async def accept(self, code: SupportCode) -> str:
        ticket = await self.desk.new_ticket("Web server does not start")
        return await self.desk.accept(
            code, ticket, ("diagnose",), 1800, lambda agent: self.hosts.append(agent.host_name)
        )


@pytest.fixture
async def taking(technician: Technician) -> AsyncIterator[Taking]:
    await technician.login()
    async with await technician.desk() as desk:
        yield Taking(technician, desk)


def other(code: SupportCode) -> SupportCode:
    first, *rest = code.words.split("-")
    return SupportCode(code.nameplate, "-".join([WORDS[(WORDS.index(first) + 1) % len(WORDS)], *rest]))


async def test_a_yes_leaves_a_session_with_pinned_keys(taking: Taking) -> None:
    code = await taking.customer.ask()
    session, _ = await asyncio.gather(taking.accept(code), taking.customer.play(YES))
    facts = taking.desk.session_folder(session).facts()
    assert facts.host_key == public_line(taking.customer.host_key)
    assert (facts.scopes, facts.ticket, facts.host_name) == (("diagnose",), taking.customer.asked.ticket, "web-07")
    assert taking.hosts == ["web-07"]
    assert taking.desk.session_folder(session).resume() == taking.customer.pairing.resume_key


async def test_a_wrong_word_is_told_to_the_customer_and_this_end_takes_the_code_no_more(taking: Taking) -> None:
    code = await taking.customer.ask()
    outcome, _ = await asyncio.gather(taking.accept(other(code)), taking.customer.reply(), return_exceptions=True)
    assert isinstance(outcome, CodeBurned) and outcome.reason == "wrong-code" and "remote-assist ask" in outcome.advice
    assert understood(await taking.customer.link.recv(), Rendezvous) == PeerLeft(reason="burned")
    with pytest.raises(CodeBurned, match="tried here already"):
        await taking.accept(code)
    assert taking.hosts == [] and taking.desk.home.sessions() == []


async def test_the_number_is_on_disk_before_an_answer_is_looked_at_and_for_an_hour(taking: Taking) -> None:
    home, clock = taking.desk.home, taking.world.clock
    code = await taking.customer.ask()
    await asyncio.gather(taking.accept(code), taking.customer.play(YES))
    kept = home.path / "tried" / code.nameplate
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert code.words.encode() not in kept.read_bytes()
    for minutes in (0, 59, -59):
        with pytest.raises(CodeBurned):
            home.check_untried(code.nameplate, clock() + timedelta(minutes=minutes))
    later = clock() + timedelta(minutes=61)
    home.check_untried(code.nameplate, later)
    home.remember_tried("000001", later)
    assert [path.name for path in kept.parent.iterdir()] == ["000001"]


async def test_of_two_programs_of_one_technician_one_tries_a_code(taking: Taking) -> None:
    home, now = taking.desk.home, taking.world.clock()
    home.remember_tried("417203", now)
    with pytest.raises(CodeBurned):
        home.remember_tried("417203", now)


async def test_a_damaged_memory_does_not_pass_for_a_code_that_was_never_tried(taking: Taking) -> None:
    home, now = taking.desk.home, taking.world.clock()
    home.remember_tried("417203", now)
    (home.path / "tried" / "417203").write_bytes(b"soon")
    with pytest.raises(CodeBurned):
        home.check_untried("417203", now)


async def test_a_customer_who_leaves_before_their_answer_costs_no_guess(taking: Taking) -> None:
    code = await taking.customer.ask()
    accepting = asyncio.create_task(taking.accept(code))
    assert understood(await taking.customer.link.recv(), Rendezvous) == PeerJoined()
    await taking.customer.link.send(encode(Burn(reason="refused")).decode(), text=True)
    with pytest.raises(CodeBurned, match="took the code back"):
        await accepting
    taking.desk.home.check_untried(code.nameplate, taking.world.clock())


@pytest.mark.parametrize(("reason", "words"), [("denied", "said no"), ("timed-out", "did not answer in time")])
async def test_a_no_says_why_and_leaves_no_session(taking: Taking, reason: str, words: str) -> None:
    code = await taking.customer.ask()
    outcome, _ = await asyncio.gather(
        taking.accept(code), taking.customer.play(Verdict(reason=reason)), return_exceptions=True
    )
    assert isinstance(outcome, ConsentDenied) and words in outcome.message and "remote-assist ask" in outcome.advice
    assert taking.desk.home.sessions() == []


async def test_more_than_was_asked_for_is_not_taken(taking: Taking) -> None:
    code = await taking.customer.ask()
    more = Grant(id="g2", scope="terminal", until="2099-01-01T00:00:00Z", key="SHA256:x")
    outcome, _ = await asyncio.gather(
        taking.accept(code), taking.customer.play(Verdict(grants=(GRANT, more))), return_exceptions=True
    )
    assert isinstance(outcome, CodeBurned) and "not asked for: terminal" in outcome.message
    assert taking.desk.home.sessions() == []


async def test_cancelling_while_the_customer_is_asked_uses_the_code_up_and_leaves_no_session(taking: Taking) -> None:
    code = await taking.customer.ask()
    accepting = asyncio.create_task(taking.accept(code))
    await taking.customer.reply()
    await taking.customer.link.recv()
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    assert understood(await taking.customer.link.recv(), Rendezvous) == PeerLeft(reason="gone")
    assert taking.desk.home.sessions() == []


@pytest.mark.parametrize("what", ["unknown", "expired", "a technician's"])
async def test_a_code_that_cannot_be_taken_says_why(taking: Taking, what: str) -> None:
    code = await taking.customer.ask()
    if what == "unknown":
        code = SupportCode("000000" if code.nameplate != "000000" else "000001", code.words)
    elif what == "expired":
        taking.world.clock.turn(seconds=601)
    else:
        ticket = await taking.desk.new_ticket("Web server does not start")
        code = (await taking.desk.invite(ticket, ("diagnose",), 60)).code
    with pytest.raises(CodeBurned) as told:
        await taking.accept(code)
    assert told.value.reason == ("expired" if what == "expired" else "unknown-code")
    assert told.value.advice


async def test_what_no_agent_would_show_is_refused_before_a_code_is_touched(taking: Taking) -> None:
    code = await taking.customer.ask()
    ticket = await taking.desk.new_ticket("Web server does not start")
    for scopes, seconds in (((), 60), (("root",), 60), (("diagnose",), 0), (("diagnose",), 9 * 3600)):
        with pytest.raises(UsageError):
            await taking.desk.accept(code, ticket, scopes, seconds)


async def test_a_ticket_that_may_have_no_session_leaves_the_code_alone(taking: Taking) -> None:
    code = await taking.customer.ask()
    ticket = await taking.desk.new_ticket("Web server does not start")
    gone = type(ticket)(**{name: getattr(ticket, name) for name in ticket.__struct_fields__} | {"id": "9999"})
    with pytest.raises(RefusedError) as told:
        await taking.desk.accept(code, gone, ("diagnose",), 60)
    assert told.value.reason == "absent"
    assert (await asyncio.gather(taking.accept(code), taking.customer.play(YES)))[0].startswith("s-")

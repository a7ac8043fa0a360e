"""Inviting, over a real relay: one guess, ten minutes on our own clock, keys on disk before the question."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
import pytest

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.core.identity.certificates import ca_of, check_certificate
from remote_assist.core.messages import (
    AgentStatement,
    Burn,
    Grant,
    PairingStart,
    PairingStatement,
    PeerLeft,
    SignedStatement,
    Verdict,
)
from remote_assist.core.pairing import AgentPairing, version_only
from remote_assist.core.signing.keys import load_private, new_key, public_line
from remote_assist.errors import CodeBurned, ConsentDenied, RefusedError, UsageError
from remote_assist.technician.desk import Desk
from remote_assist.technician.invite import Invitation
from tests.relay.world import RelayWorld
from tests.technician.conftest import Technician

GRANT = Grant(id="g1", scope="diagnose", until="2099-01-01T00:00:00Z", key="SHA256:x")


class Customer:
    """An agent's pairing over the relay's wire, step by step."""

    def __init__(self, world: RelayWorld, code: SupportCode) -> None:
        self.world = world
        self.code = code
        self.host_key = new_key(secrets.token_bytes(32))
        self.pairing = AgentPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
        self.asked: SignedStatement

    async def join(self) -> None:
        self.link = await self.world.socket(f"/v1/join/{self.code.nameplate}")
        await self.link.recv()
        self.start = decode(await self.link.recv(), PairingStart)

    async def reply(self, host_key: str = "") -> None:
        statement = AgentStatement(
            host_key=host_key or public_line(self.host_key),
            agent_version="0.1",
            platform="linux",
            host_name="web-07",
            checkpoint="",
        )
        await self.link.send(encode(self.pairing.receive_start(self.start, statement)))

    async def answer(self, verdict: Verdict) -> None:
        envelope = self.pairing.receive_statement(decode(await self.link.recv(), PairingStatement))
        self.asked = decode(envelope.statement, SignedStatement)
        await self.link.send(encode(self.pairing.verdict(verdict)))

    async def play(self, verdict: Verdict) -> None:
        await self.join()
        await self.reply()
        await self.answer(verdict)


@contextlib.asynccontextmanager
async def invited(
    technician: Technician, scopes: tuple[str, ...] = ("diagnose",)
) -> AsyncIterator[tuple[Desk, Invitation]]:
    await technician.login()
    async with await technician.desk() as desk:
        ticket = await desk.new_ticket("Web server does not start")
        async with await desk.invite(ticket, scopes, 1800) as invitation:
            yield desk, invitation


async def test_a_yes_leaves_a_session_with_pinned_keys(technician: Technician) -> None:
    async with invited(technician) as (desk, invitation):
        customer = Customer(technician.world, invitation.code)
        session, _ = await asyncio.gather(invitation.paired(), customer.play(Verdict(grants=(GRANT,))))
        folder = desk.session_folder(session)
        facts = folder.facts()
        assert facts.host_key == public_line(customer.host_key)
        assert (facts.scopes, facts.ticket, facts.host_name) == (("diagnose",), customer.asked.ticket, "web-07")
        assert facts.ends_at() == certificate_end(technician)  # earlier than the consent's
        key = load_private((folder.path / "session_key").read_bytes())
        assert public_line(key) == customer.asked.session_key
        assert folder.resume() == customer.pairing.resume_key


@pytest.mark.parametrize(
    ("reason", "words"),
    [("denied", "said no"), ("timed-out", "did not answer in time"), ("unverified", "could not verify")],
)
async def test_a_no_says_why_and_leaves_no_session(technician: Technician, reason: str, words: str) -> None:
    async with invited(technician) as (desk, invitation):
        customer = Customer(technician.world, invitation.code)
        outcomes = await asyncio.gather(
            invitation.paired(), customer.play(Verdict(reason=reason)), return_exceptions=True
        )
        assert isinstance(outcomes[0], ConsentDenied)
        assert words in outcomes[0].message
        assert desk.home.sessions() == []


async def test_a_customers_program_of_another_version_is_told_by_its_version(technician: Technician) -> None:
    async with invited(technician) as (desk, invitation):
        customer, waiting = Customer(technician.world, invitation.code), asyncio.create_task(invitation.paired())
        await customer.join()
        await customer.link.send(encode(msgspec.structs.replace(version_only(), version=0)))
        await customer.link.send(encode(Burn(reason="version")).decode())
        with pytest.raises(CodeBurned) as burned:
            await waiting
        assert burned.value.reason == "version" and "Update the customer's program" in burned.value.advice
        assert desk.home.sessions() == []


async def test_a_wrong_word_burns_the_code_at_once(technician: Technician) -> None:
    async with invited(technician) as (desk, invitation):
        wrong = parse_code(f"{invitation.code.nameplate}-{other_words(invitation.code.words)}")
        customer, waiting = Customer(technician.world, wrong), asyncio.create_task(invitation.paired())
        await customer.join()
        await customer.reply()
        with pytest.raises(CodeBurned) as burned:
            await waiting
        assert burned.value.reason == "wrong-code"
        assert decode(await customer.link.recv(), PeerLeft).reason == "burned"
        assert desk.home.sessions() == []
        late = await technician.world.socket(f"/v1/join/{invitation.code.nameplate}")
        assert b"used" in str(await late.recv()).encode()


async def test_nothing_is_sent_after_a_reply_that_is_none(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        customer, waiting = Customer(technician.world, invitation.code), asyncio.create_task(invitation.paired())
        await customer.join()
        await customer.link.send(b"not a pairing message")
        with pytest.raises(CodeBurned) as burned:
            await waiting
        assert burned.value.reason == "malformed"
        assert isinstance(await customer.link.recv(), str)  # the relay's word; no statement


async def test_a_joiner_who_leaves_early_costs_no_guess(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        waiting = asyncio.create_task(invitation.paired())
        first = Customer(technician.world, invitation.code)
        await first.join()
        await first.link.close()
        second = Customer(technician.world, invitation.code)
        await second.play(Verdict(grants=(GRANT,)))
        assert (await waiting).startswith("s-")
        assert first.start.x != second.start.x


async def leave_early(technician: Technician, invitation: Invitation, times: int) -> None:
    for _ in range(times):
        joiner = Customer(technician.world, invitation.code)
        await joiner.join()
        await joiner.link.close()


async def test_a_replaced_nameplate_is_the_end_unless_somebody_is_told(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        waiting = asyncio.create_task(invitation.paired())
        await leave_early(technician, invitation, 3)
        with pytest.raises(CodeBurned, match="replaced"):
            await waiting


async def test_a_replaced_nameplate_gets_new_words_when_somebody_is_told(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        first, told = invitation.code, asyncio.Queue[SupportCode]()
        waiting = asyncio.create_task(invitation.paired(told.put_nowait))
        await leave_early(technician, invitation, 3)
        second = await told.get()
        assert second == invitation.code
        assert (second.nameplate, second.words) != (first.nameplate, first.words)
        technician.world.clock.turn(seconds=30)  # the relay slows an address down that left so often
        await Customer(technician.world, second).play(Verdict(grants=(GRANT,)))
        assert (await waiting).startswith("s-")


async def test_more_than_was_asked_for_is_not_taken(technician: Technician) -> None:
    async with invited(technician) as (desk, invitation):
        customer = Customer(technician.world, invitation.code)
        more = Grant(id="g2", scope="terminal", until="2099-01-01T00:00:00Z", key="SHA256:x")
        outcomes = await asyncio.gather(
            invitation.paired(), customer.play(Verdict(grants=(GRANT, more))), return_exceptions=True
        )
        assert isinstance(outcomes[0], CodeBurned)
        assert "not asked for: terminal" in outcomes[0].message
        assert desk.home.sessions() == []


async def test_ten_minutes_are_counted_here(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        technician.world.clock.turn(seconds=601)
        with pytest.raises(CodeBurned, match="ten minutes"):
            await invitation.paired()


async def test_a_host_key_that_is_no_plain_ed25519_key_stops_the_pairing(technician: Technician) -> None:
    async with invited(technician) as (desk, invitation):
        customer, waiting = Customer(technician.world, invitation.code), asyncio.create_task(invitation.paired())
        await customer.join()
        await customer.reply(technician.person.certificate)
        with pytest.raises(CodeBurned):
            await waiting
        assert desk.home.sessions() == []


async def test_cancelling_burns_the_code(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        nameplate = invitation.code.nameplate
        await invitation.cancel()
        joiner = await technician.world.socket(f"/v1/join/{nameplate}")
        assert "used" in str(await joiner.recv())


async def test_the_words_never_reach_the_relay_or_a_file(
    technician: Technician, caplog: pytest.LogCaptureFixture
) -> None:
    async with invited(technician) as (_, invitation):
        customer = Customer(technician.world, invitation.code)
        await asyncio.gather(invitation.paired(), customer.play(Verdict(grants=(GRANT,))))
        assert invitation.code.words not in repr(invitation.code)
        held = [path for path in technician.folder.rglob("*") if path.is_file()]
        assert len(held) > 5
        assert not [path for path in held if invitation.code.words.encode() in path.read_bytes()]
        assert invitation.code.words not in caplog.text


async def test_what_no_agent_would_show_is_refused_before_a_code_is_made(technician: Technician) -> None:
    await technician.login()
    async with await technician.desk() as desk:
        ticket = await desk.new_ticket("Web server does not start")
        for scopes, seconds in (((), 60), (("root",), 60), (("diagnose",), 0), (("diagnose",), 9 * 3600)):
            with pytest.raises(UsageError):
                await desk.invite(ticket, scopes, seconds)


async def test_a_reviewer_cannot_invite(technician: Technician) -> None:
    technician.write_files(technician.world.person("Rita Example", "reviewer"))
    await technician.login()
    async with await technician.desk() as desk:
        with pytest.raises(RefusedError):
            await desk.new_ticket("Web server does not start")


async def test_the_code_is_spoken_digit_by_digit(technician: Technician) -> None:
    async with invited(technician) as (_, invitation):
        spoken = invitation.spoken.split(", ")
        assert len(spoken) == 5
        assert [len(part.split()) for part in spoken[:2]] == [3, 3]
        assert "-".join(spoken[2:]) == invitation.code.words


def certificate_end(technician: Technician) -> datetime:
    line = technician.person.certificate
    return check_certificate(line, ca_line=ca_of(line), now=technician.world.clock(), role="technician").valid_before


def other_words(words: str) -> str:
    return "-".join(reversed(words.split("-"))) if words.split("-")[0] != words.split("-")[2] else "tulip-rocket-amber"

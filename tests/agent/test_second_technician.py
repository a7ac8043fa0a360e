"""A second technician at the agent: who comes in, and every way a relay or a stranger tries to."""

import contextlib
import hashlib
import secrets
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from remote_assist.core.agreements.sharing import (
    Attachment,
    Invited,
    Part,
    certificate_fingerprint,
    sign_attachment,
    sign_invitation,
)
from remote_assist.core.messages import PROTOCOL_VERSION, Message
from remote_assist.core.records import format_time
from remote_assist.core.requests import (
    AskStatus,
    Attach,
    Attached,
    Done,
    EndSession,
    ListFolder,
    Participant,
    Refused,
    RequestScopes,
    Run,
    SayChat,
    Share,
    Status,
)
from remote_assist.core.signing.keys import PrivateKey, fingerprint, new_key, public_line
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.channel import MessageChannel, open_channel
from remote_assist.transport.ssh import connect_to_agent
from remote_assist.transport.streams import StreamTunnel
from tests.agent.world import AgentWorld, LiveSession, ask
from tests.core.test_sharing import certificate
from tests.relay.world import Person

MINUTES = timedelta(minutes=20)


class Second:
    """Bob, with what he needs to come; every field of what he signs can be changed by a test."""

    def __init__(self, world: AgentWorld) -> None:
        self.world = world
        self.person: Person
        self.token = ""
        self.session_key = new_key(secrets.token_bytes(32))
        self.invitation = b""

    async def log_in(self) -> "Second":
        self.person, self.token = await self.world.relay.technician("Bob Example")
        return self

    def share(self, part: Part = Part.ACTIVE, *, signer: PrivateKey | None = None, **changes: Any) -> Share:
        """Alice's request to let him in."""
        invited = Invited(
            version=PROTOCOL_VERSION,
            session=self.world.technician.session,
            host_key=self.world.technician.agent.host_key,
            certificate=certificate_fingerprint(self.person.certificate),
            part=part.value,
            expires=format_time(datetime.now(UTC) + MINUTES),
        )
        alice = self.world.technician.person.key
        self.invitation, signature = sign_invitation(signer or alice, structs.replace(invited, **changes))
        return Share(invitation=self.invitation, signature=signature, certificate=self.person.certificate)

    def attach(self, *, signer: PrivateKey | None = None, **changes: Any) -> Attach:
        """His proof."""
        attachment = Attachment(
            version=PROTOCOL_VERSION,
            session=self.world.technician.session,
            host_key=self.world.technician.agent.host_key,
            session_key=public_line(self.session_key),
            invitation=hashlib.sha256(self.invitation).hexdigest(),
        )
        raw, signature = sign_attachment(signer or self.person.key, structs.replace(attachment, **changes))
        return Attach(attachment=raw, signature=signature)

    @contextlib.asynccontextmanager
    async def channel(self, key: PrivateKey | None = None, *, token: str = "") -> AsyncIterator[MessageChannel]:
        """A conversation over a stream of his own."""
        half = self.world.technician
        own, half.token = half.token, token or self.token
        try:
            link, opened = await half.open_stream()
        finally:
            half.token = own
        tunnel = StreamTunnel(link, stream=opened.stream, epoch=opened.epoch)
        connection = await connect_to_agent(
            tunnel, session_key=key or self.session_key, host_key_line=half.agent.host_key
        )
        try:
            yield await open_channel(connection)
        finally:
            connection.abort()
            await connection.wait_closed()
            await tunnel.closed()

    async def say(self, request: Message, **how: Any) -> Message:
        """One request; its first answer."""
        async with self.channel(**how) as channel:
            await channel.send(request)
            answer = await channel.receive()
        assert isinstance(answer, Message)
        return answer


@pytest.fixture
async def bob(world: AgentWorld) -> Second:
    return await Second(world).log_in()


async def let_in(live: LiveSession, bob: Second, part: Part = Part.ACTIVE) -> Attached:
    assert (await live.ask(bob.share(part))).done.status == "done"
    answer = await bob.say(bob.attach())
    assert isinstance(answer, Attached), answer
    return answer


async def test_the_second_is_in_with_what_the_customer_ticked_and_everybody_sees_both(
    world: AgentWorld, bob: Second
) -> None:
    world.customer.allows = ("diagnose", "terminal")
    async with world.session() as live:
        attached = await let_in(live, bob)
        question = world.customer.questions[-1]
        assert (str(question.name), str(question.newcomer), question.part) == ("Alice Example", "Bob Example", "active")
        assert [grant.scope for grant in attached.grants] == ["diagnose", "terminal"]
        status = await bob.say(AskStatus())
        assert isinstance(status, Status) and isinstance(status.technicians, tuple)
        assert [(one.name, one.part) for one in status.technicians] == [
            ("Alice Example", "active"),
            ("Bob Example", "active"),
        ]
        assert isinstance(status.technicians[0], Participant)
        assert {grant.key for grant in status.grants} == {attached.grants[0].key}
        async with bob.channel() as channel:
            assert (await ask(channel, Run(argv=("true",)))).done.exit == 0
    records = world.journal()
    assert [record.code for record in records if record.code.startswith("RA101")] == [
        "RA1010I",
        "RA1012E",
        "RA1010O",
        "RA1013E",
    ]
    assert records[-2].actor.serial == bob.person.serial


async def test_without_the_customers_yes_nobody_is_expected(world: AgentWorld, bob: Second) -> None:
    world.customer.welcomes = False
    async with world.session() as live:
        answer = (await live.ask(bob.share())).done
        assert (answer.status, answer.sentence) == ("denied", "the customer did not let them in")
        with pytest.raises((RefusedError, UnreachableError)):  # the key does not even log in
            await bob.say(bob.attach(), token=world.technician.token)
    assert "RA1012E" not in world.codes()


@pytest.mark.parametrize(
    "changes",
    [
        {"session": "s-qrstuvwxyz234567"},
        {"host_key": "ssh-ed25519 AAAA"},
        {"certificate": "SHA256:other"},
        {"expires": "2026-03-01T09:30:00.000000Z"},
        {"signer": new_key(bytes(32))},
    ],
    ids=["another session", "another agent", "another certificate", "expired", "a forger"],
)
async def test_an_invitation_that_does_not_hold_asks_nobody(
    world: AgentWorld, bob: Second, changes: dict[str, Any]
) -> None:
    async with world.session() as live:
        asked = len(world.customer.questions)
        assert (await live.ask(bob.share(**changes))).refused.reason in {"unverified", "expired"}
        assert len(world.customer.questions) == asked


async def test_a_certificate_of_another_organisation_asks_nobody(world: AgentWorld, bob: Second) -> None:
    async with world.session() as live:
        asked = len(world.customer.questions)
        other = certificate(new_key(bytes(32)))
        request = bob.share(certificate=certificate_fingerprint(other))
        assert (await live.ask(structs.replace(request, certificate=other))).refused.reason == "unverified"
        assert len(world.customer.questions) == asked


async def test_a_relay_that_forges_a_proof_stays_outside_and_the_true_one_still_comes(
    world: AgentWorld, bob: Second
) -> None:
    """The relay opens streams as it likes; while somebody is expected its key may log in, and finds one door."""
    relays = new_key(secrets.token_bytes(32))
    async with world.session() as live:
        await live.ask(bob.share())
        for forged in (
            bob.attach(signer=relays, session_key=public_line(relays)),
            bob.attach(session_key=public_line(bob.session_key)),  # Bob's true proof, seen somewhere, with another key
        ):
            answer = await bob.say(forged, key=relays)
            assert isinstance(answer, Refused) and answer.reason == "unverified", answer
        for other in (AskStatus(), Run(argv=("true",))):
            answer = await bob.say(other, key=relays)
            assert isinstance(answer, Refused), answer
        assert isinstance(await bob.say(bob.attach()), Attached)
    refused = [record for record in world.journal() if record.code == "RA1900R"]
    assert len(refused) == 4 and {record.actor.kind for record in refused} == {"agent"}


async def test_a_row_the_relay_adds_by_itself_leads_to_a_shut_door(world: AgentWorld, bob: Second) -> None:
    async with world.session():
        row = (world.technician.session, fingerprint(public_line(bob.person.key)), "active", "2099", 0)
        with contextlib.closing(sqlite3.connect(world.relay.organisation.data / "relay.db")) as database, database:
            database.execute("INSERT INTO participants VALUES (?, ?, ?, ?, ?)", row)
        with pytest.raises(RefusedError, match="does not take this session's key"):
            await bob.say(AskStatus())


async def test_an_invitation_is_used_once(world: AgentWorld, bob: Second) -> None:
    async with world.session() as live:
        await let_in(live, bob)
        proof = bob.attach()
        bob.session_key = new_key(secrets.token_bytes(32))
        with pytest.raises(RefusedError):  # nobody is expected any more, so an unknown key does not log in
            await bob.say(proof)


async def test_an_observer_is_refused_by_the_gate_and_may_not_end(world: AgentWorld, bob: Second) -> None:
    async with world.session() as live:
        attached = await let_in(live, bob, Part.OBSERVER)
        assert (attached.part, attached.grants) == ("observer", ())
        for request in (
            Run(argv=("true",)),
            ListFolder(path=b"/tmp"),
            RequestScopes(scopes=("terminal",), seconds=60),
            SayChat(text="hello"),
            EndSession(),
            bob.share(),
        ):
            answer = await bob.say(request)
            assert isinstance(answer, Refused) and answer.reason in {"observer", "unverified"}, (request, answer)
        assert isinstance(await bob.say(AskStatus()), Status)
        assert (await live.ask(Run(argv=("true",)))).done.exit == 0


async def test_after_a_transfer_only_the_second_is_in(world: AgentWorld, bob: Second) -> None:
    async with world.session() as live:
        async with world.technician.channel() as alices:
            running = await _started(alices)
            await let_in(live, bob, Part.SUCCESSOR)
            with pytest.raises(AssistError):
                while True:
                    await alices.receive()
            assert running
        with pytest.raises((AssistError, AssertionError)):
            await live.ask(AskStatus())
        status = await bob.say(AskStatus())
        assert isinstance(status, Status) and len(status.grants) > 0
    codes = world.codes()
    assert codes[-1] == "RA1990E" and "RA1014E" in codes
    ended = next(record for record in world.journal() if record.code == "RA1400O")
    assert ended.outcome is not None and ended.outcome.reason in {"transferred", "disconnected"}


async def _started(channel: MessageChannel) -> bool:
    await channel.send(Run(argv=("sleep", "60")))
    return not isinstance(await channel.receive(), Done | Refused)

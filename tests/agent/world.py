"""A customer's agent against a real relay, with the technician's half played by the core pairing classes.

Nothing is faked but the customer: `Customer` answers what a person would, when it is told to.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncssh

from remote_assist.agent.join import join
from remote_assist.agent.keeper import system_moment
from remote_assist.agent.memory import AgentHome
from remote_assist.agent.surroundings import Surroundings
from remote_assist.audit.journal_files import read_journal
from remote_assist.core.api import LoggedRecord, Records
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode, choose_words, session_id
from remote_assist.core.consent import Moment
from remote_assist.core.identity.lists import ReviewerKey, ReviewersList, sign_list
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    AgentStatement,
    Burn,
    Message,
    NameplateAssigned,
    Pairing,
    PairingReply,
    PairingVerdict,
    PeerJoined,
    RelayRefused,
    Rendezvous,
    SignedStatement,
    StreamControl,
    StreamOpened,
    TechnicianEnvelope,
    Verdict,
)
from remote_assist.core.pairing import TechnicianPairing, sign_statement
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion, CustomerAct, PlanQuestion, TypedQuestion
from remote_assist.core.records import Record, decode_record
from remote_assist.core.requests import Done, Expected, Refused, Status
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.signing.reviewer_keys import reviewer_public
from remote_assist.settings import AgentSettings, PairingSettings
from remote_assist.transport.channel import MessageChannel, open_channel
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link
from remote_assist.transport.ssh import connect_to_agent
from remote_assist.transport.streams import StreamTunnel
from tests.relay.world import ISSUED, Person, RelayWorld

ALL_SCOPES = ("diagnose", "files:read", "files:write", "fix", "terminal")
REVIEWER_PRIVATE = bytes(range(32))
QUICK = PairingSettings(handshake_deadline_seconds=5.0, verified_wait_seconds=0.0, first_contact_wait_seconds=0.0)


@dataclass
class Customer:
    """The person at the machine. Implements core/prompt.Prompt."""

    allows: tuple[str, ...] = ALL_SCOPES
    folders: tuple[str, ...] = ()
    strikes: frozenset[str] = frozenset()
    allows_plans: bool = True
    welcomes: bool = True
    can_ask: bool = True
    decides: asyncio.Event = field(default_factory=asyncio.Event)
    questions: list[ConsentQuestion] = field(default_factory=list)
    plans: list[PlanQuestion] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    typed_questions: list[TypedQuestion] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    acts: "asyncio.Queue[CustomerAct]" = field(default_factory=asyncio.Queue)
    end: "asyncio.Future[str]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def __post_init__(self) -> None:
        self.decides.set()

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        self.questions.append(question)
        await self.decides.wait()
        allowed = tuple(scope for scope in question.scopes if scope in self.allows)
        welcome = self.welcomes and bool(question.newcomer)
        return ConsentAnswer(allowed, question.seconds, folders=self.folders, struck=self.strikes, welcome=welcome)

    async def allow_plan(self, question: PlanQuestion) -> bool:
        self.plans.append(question)
        await self.decides.wait()
        return self.allows_plans

    async def typed(self, question: TypedQuestion) -> str | None:
        self.typed_questions.append(question)
        return self.types.pop(0) if self.types else None

    def show(self, line: str) -> None:
        self.lines.append(line)

    async def act(self) -> CustomerAct:
        return await self.acts.get()

    async def end_requested(self) -> str:
        return await self.end

    def press_end(self) -> None:
        if not self.end.done():
            self.end.set_result("customer")


class TechnicianHalf:
    """Makes a code, pairs, and opens streams, with the core classes and the transport."""

    def __init__(self, relay: RelayWorld, person: Person, token: str, ticket: str) -> None:
        self.relay = relay
        self.person = person
        self.token = token
        self.ticket = ticket
        self.session_key = new_key(secrets.token_bytes(32))
        self.agent: AgentStatement
        self.session = ""
        self.link: Link
        self.code: SupportCode
        self.pairing: TechnicianPairing

    async def make_code(self) -> SupportCode:
        self.link = await self.dial("/v1/nameplate")
        assigned: object = decode(await self.link.receive(), Rendezvous)  # type: ignore[arg-type]
        assert isinstance(assigned, NameplateAssigned)
        self.code = SupportCode(assigned.nameplate, choose_words(secrets.token_bytes(8)))
        self.pairing = TechnicianPairing(self.code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)
        return self.code

    async def take_code(self, code: SupportCode) -> None:
        """Dial a code the customer made, as it is typed here."""
        self.code = code
        self.link = await self.dial(f"/v1/accept/{code.nameplate}?ticket={self.ticket}")
        self.pairing = TechnicianPairing(code, nonce=secrets.token_bytes(32), entropy=secrets.token_bytes)

    async def burn(self, reason: str) -> None:
        await self.link.send_text(encode(Burn(reason=reason)))

    async def is_refused(self, code: SupportCode) -> str:
        """Why a code of a customer cannot be taken."""
        await self.take_code(code)
        refused: object = decode(await self.link.receive(), Rendezvous)  # type: ignore[arg-type]
        assert isinstance(refused, RelayRefused)
        return refused.reason

    async def greet(self) -> None:
        """Messages 1 to 2."""
        await self.wait_for_agent()
        await self.link.send_binary(encode(self.pairing.start()))
        reply = await self.receive(PairingReply)
        self.agent = self.pairing.receive_reply(reply)

    async def wait_for_agent(self) -> None:
        assert isinstance(decode(await self.link.receive(), Rendezvous), PeerJoined)  # type: ignore[arg-type]

    async def ask(self, scopes: tuple[str, ...] = ALL_SCOPES, seconds: int = 600, **changes: Any) -> None:
        """Message 4; `changes` replace fields of the statement before it is signed."""
        statement = SignedStatement(
            version=PROTOCOL_VERSION,
            transcript=self.pairing.transcript,
            agent_host_key=self.agent.host_key,
            session_key=public_line(self.session_key),
            ticket=self.ticket,
            subject="Web server does not start",
            scopes=scopes,
            seconds=seconds,
            relay=self.relay.url,
            organisation_ca=public_line(self.relay.organisation.ca),
        )
        fields = {name: changes.get(name, getattr(statement, name)) for name in SignedStatement.__struct_fields__}
        lists = signed_lists(self.relay)
        envelope = sign_statement(self.person.key, self.person.certificate, SignedStatement(**fields), lists)
        await self.send_envelope(envelope)

    async def send_envelope(self, envelope: TechnicianEnvelope) -> None:
        self.session = session_id(envelope.statement)
        await self.link.send_binary(encode(self.pairing.statement(envelope)))

    async def verdict(self) -> Verdict:
        """Message 6."""
        return self.pairing.receive_verdict(await self.receive(PairingVerdict))

    async def receive(self, kind: type[Message]) -> Any:
        raw = await self.link.receive()
        assert isinstance(raw, bytes), raw
        message: object = decode(raw, Pairing)  # type: ignore[arg-type]
        assert isinstance(message, kind)
        return message

    async def dial(self, path: str) -> Link:
        return await dial(self.relay.url, path, headers={"Authorization": f"Bearer {self.token}"})

    async def open_stream(self) -> tuple[Link, StreamOpened]:
        """A stream; an agent that is just dialling the relay again is waited for."""
        async with asyncio.timeout(8):
            while True:
                link = await self.dial(f"/v1/sessions/{self.session}/stream")
                opened = await self._first_word(link)
                if isinstance(opened, StreamOpened):
                    return link, opened
                assert opened is None or isinstance(opened, RelayRefused)
                assert opened is None or opened.reason == "agent-away", opened
                await link.close()
                await asyncio.sleep(0.02)  # there is nothing to wait on: the relay must be asked again

    async def _first_word(self, link: Link) -> object:
        """What the relay says first; None when it says nothing: an offer on a connection that was just cut."""
        try:
            async with asyncio.timeout(1):
                return decode(await link.receive(), StreamControl)  # type: ignore[arg-type]
        except TimeoutError:
            return None

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A stream with SSH on it, both keys pinned."""
        link, opened = await self.open_stream()
        tunnel = StreamTunnel(link, stream=opened.stream, epoch=opened.epoch)
        connection = await connect_to_agent(tunnel, session_key=self.session_key, host_key_line=self.agent.host_key)
        try:
            yield connection
        finally:
            connection.abort()
            await connection.wait_closed()
            await tunnel.closed()

    @contextlib.asynccontextmanager
    async def channel(self) -> AsyncIterator[MessageChannel]:
        async with self.connection() as connection:
            channel = await open_channel(connection)
            try:
                yield channel
            finally:
                await channel.close()


def signed_lists(relay: RelayWorld) -> list[bytes]:
    """The relay's lists, but with a reviewers' key that things can be sealed to."""
    expires = (relay.clock() + timedelta(days=300)).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = ReviewerKey(id="r-1", public=reviewer_public(REVIEWER_PRIVATE))
    reviewers = ReviewersList(number=1, keys=(key,), issued=ISSUED, expires=expires)
    folder = relay.organisation.data / "lists"
    others = [(folder / f"{kind}.json").read_bytes() for kind in ("organisation", "packs", "revocations")]
    return [*others, sign_list(relay.organisation.ca, reviewers)]


@dataclass
class Answers:
    """Everything one request was answered with."""

    messages: list[Message] = field(default_factory=list)
    data: bytes = b""

    @property
    def last(self) -> Message:
        return self.messages[-1]

    @property
    def done(self) -> Done:
        assert isinstance(self.last, Done), self.last
        return self.last

    @property
    def refused(self) -> Refused:
        assert isinstance(self.last, Refused), self.last
        return self.last


async def ask(channel: MessageChannel, request: Message, *follow: Message | bytes) -> Answers:
    """Send a request, and after its acceptance what belongs to it; take everything up to its last answer."""
    answers = Answers()
    await channel.send(request)
    rest = list(follow)
    while not answers.messages or not isinstance(answers.last, Done | Refused):
        answer = await channel.receive()
        if isinstance(answer, bytes):
            answers.data += answer
            continue
        answers.messages.append(answer)
        while rest and len(answers.messages) == 1 and not isinstance(answer, Refused):
            part = rest.pop(0)
            await (channel.send_data(part) if isinstance(part, bytes) else channel.send(part))
        if isinstance(answer, Status | Expected):
            break
    return answers


class AgentWorld:
    """One customer's machine, one technician, one relay."""

    def __init__(self, relay: RelayWorld, folder: Path, technician: TechnicianHalf) -> None:
        self.relay = relay
        self.folder = folder
        self.technician = technician
        self.customer = Customer()
        self.home = AgentHome(folder / "customer-home")
        self.settings = AgentSettings(
            home=self.home.path, relay_url=relay.url, acknowledgement_deadline_seconds=2.0, pairing=QUICK
        )
        self.moment: Callable[[], Moment] = system_moment
        self.ask_each = False
        self.services: Path | None = None
        self.knows_ca = True

    @property
    def around(self) -> Surroundings:
        return Surroundings(
            settings=self.settings,
            home=self.home,
            origin=self.relay.url,
            moment=self.moment,
            entropy=secrets.token_bytes,
            ask_each=self.ask_each,
            services=self.services,
        )

    def limit(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)

    def join(self, code: SupportCode) -> "asyncio.Task[int]":
        """Start the agent."""
        ca_line = public_line(self.relay.organisation.ca) if self.knows_ca else None
        return asyncio.create_task(join(self.around, code, self.customer, ca_line=ca_line))

    @contextlib.asynccontextmanager
    async def session(self, scopes: tuple[str, ...] = ALL_SCOPES, seconds: int = 600) -> "AsyncIterator[LiveSession]":
        """A session that is up; whatever is still running at the end is ended by the customer."""
        code = await self.technician.make_code()
        agent = self.join(code)
        await self.technician.greet()
        await self.technician.ask(scopes, seconds)
        verdict = await self.technician.verdict()
        assert verdict.grants, verdict
        live = LiveSession(self, agent, verdict)
        try:
            yield live
        finally:
            self.customer.press_end()
            async with asyncio.timeout(10):
                await asyncio.gather(agent, return_exceptions=True)

    async def logged(self) -> list[LoggedRecord]:
        """The session's records as the relay holds them."""
        path = f"/v1/sessions/{self.technician.session}/records"
        return list((await self.relay.get(path, Records, self.technician.token)).records)

    def journal(self) -> list[Record]:
        """The session's records as they lie on the customer's disk."""
        content = read_journal(self.home.session_folder(self.technician.session))
        return [decode_record(stored.record) for stored in content.records]

    def codes(self) -> list[str]:
        return [record.code for record in self.journal()]


@dataclass
class LiveSession:
    """A session with the verdict it began with."""

    world: AgentWorld
    agent: "asyncio.Task[int]"
    verdict: Verdict

    async def ask(self, request: Message, *follow: Message | bytes) -> Answers:
        """One request on a connection of its own."""
        async with self.world.technician.channel() as channel:
            return await ask(channel, request, *follow)

    async def ended(self) -> int:
        async with asyncio.timeout(10):
            return await self.agent


@contextlib.asynccontextmanager
async def agent_world(folder: Path, **relay_settings: Any) -> AsyncIterator[AgentWorld]:
    """A relay, a logged-in technician with a ticket, and a customer's machine."""
    async with RelayWorld(folder, **relay_settings) as relay:
        person, token = await relay.technician()
        technician = TechnicianHalf(relay, person, token, await relay.ticket(token))
        yield AgentWorld(relay, folder, technician)

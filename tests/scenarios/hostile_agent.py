"""A customer's machine that pairs as it should and then lies in every field of every answer.

Keys, journal, relay connection and acknowledgements are real, so that nothing is refused before it is read.
"""

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from remote_assist.agent.assembly import assemble
from remote_assist.agent.keeper import system_moment
from remote_assist.agent.memory import AgentHome
from remote_assist.agent.pairing_attempt import Attempt, Known
from remote_assist.agent.prompt.unattended import PromptUnattended
from remote_assist.agent.session import Session
from remote_assist.agent.session_facts import SessionFacts
from remote_assist.agent.surroundings import Surroundings
from remote_assist.core.codes import SupportCode
from remote_assist.core.file_batch import FileHead, digest_of, head_line
from remote_assist.core.messages import Acknowledgement, Grant, Message, Verdict
from remote_assist.core.prompt import ConsentAnswer
from remote_assist.core.records import Actor, Outcome, RecordDraft
from remote_assist.core.requests import (
    KIND_ERROR,
    Accepted,
    ApplyFix,
    AskStatus,
    CheckpointSeen,
    Collect,
    Done,
    EndSession,
    Entry,
    FolderListed,
    InputEnd,
    ListFolder,
    Listing,
    ListMany,
    Plan,
    PlanFix,
    PlanStep,
    Progress,
    ReadFile,
    ReadMany,
    Refused,
    RequestScopes,
    Run,
    ShowCheckpoint,
    Status,
    WriteFile,
)
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import AssistError
from remote_assist.settings import AgentSettings
from remote_assist.transport.channel import MessageChannel
from remote_assist.transport.doors import ClosedDoors
from tests.agent.world import ALL_SCOPES, QUICK
from tests.scenarios.world import World

PAYLOADS = (
    "\x1b]52;c;cHduZWQ=\x07",  # clipboard
    "\x1b[2J\x1b[3;3HGOTCHA",  # clear and move
    "\x9b31mC1\x9d0;title\x9c",  # 8-bit CSI and OSC
    "\u202egnp.exe\u2066\u200b\ufeff\u2028",  # direction, nothing to see, another line
    "\x1bP+q544e\x1b\\\x1b[6n\x05",  # questions a terminal answers
    "\r\x08\x7f\x00\ttwo\nlines",
)
RAW = "".join(PAYLOADS).encode() + bytes(range(256))

ANSWERS, REFUSALS, FAILURES, LIES = "answers", "refusals", "failures", "lies about the log"
"""How it answers: with results, by refusing, by accepting and failing, or as if the relay's log were another one."""


@dataclass
class HostileDoors(ClosedDoors):
    """One conversation after another; `manner` may be changed between commands."""

    session: "Session | None" = None
    manner: str = ANSWERS
    _numbers: "count[int]" = field(default_factory=count)

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        with contextlib.suppress(AssistError):
            while True:
                await self._answer(channel, await channel.receive())

    def evil(self) -> str:
        """All payloads, each time beginning with another one."""
        turn = next(self._numbers) % len(PAYLOADS)
        return "".join(PAYLOADS[turn:] + PAYLOADS[:turn])

    async def _answer(self, channel: MessageChannel, request: Message | bytes) -> None:
        if isinstance(request, bytes | InputEnd):
            return
        if isinstance(request, ShowCheckpoint):
            lie = CheckpointSeen(checkpoint=self.evil(), consistency=(self.evil().encode(),))
            await channel.send(lie if self.manner == LIES else CheckpointSeen(checkpoint=""))
        elif isinstance(request, AskStatus):
            await channel.send(self._status())
        elif self.manner == REFUSALS and not isinstance(request, EndSession):
            await channel.send(Refused(reason=self.evil(), sentence=self.evil(), advice=self.evil()))
        elif isinstance(request, EndSession):
            await channel.send(Done(action=self.evil(), status=self.evil(), sentence=self.evil()))
        else:
            await self._perform(channel, request)

    async def _perform(self, channel: MessageChannel, request: Message) -> None:
        size = len(RAW) if isinstance(request, ReadFile | Collect) else 0
        await channel.send(Accepted(action=self.evil(), acknowledgement=self._acknowledgement(), size=size))
        for done in range(3):
            await channel.send(Progress(item=self.evil(), status=self.evil(), done=done, total=3, seconds=0.1))
        await self._results(channel, request)
        if isinstance(request, WriteFile):
            while not isinstance(await channel.receive(), InputEnd):
                pass
        worked = self.manner == ANSWERS
        await channel.send(
            Done(
                action=self.evil(),
                status="done" if worked else self.evil(),
                size=size,
                sha256=self._sum(request, size),
                sentence=self.evil(),
                truncated=True,
            )
        )

    def _sum(self, request: Message, size: int) -> str:
        if isinstance(request, ReadMany):
            return digest_of([])
        return hashlib.sha256(RAW).hexdigest() if size else self.evil()

    async def _results(self, channel: MessageChannel, request: Message) -> None:
        match request:
            case ListFolder():
                await channel.send(Listing(entries=self._entries(), truncated=True))
            case PlanFix():
                await channel.send(self._plan())
            case ReadFile() | Collect():
                await channel.send_data(RAW)
            case ListMany():
                for number in range(len(request.names)):
                    said = FolderListed(number=number, reason=self.evil(), sentence=self.evil())
                    await channel.send(said)
            case ReadMany():
                for number in range(len(request.names)):
                    head = FileHead(number=number, reason=self.evil(), sentence=self.evil())
                    await channel.send_data(head_line(head))
            case Run():
                await channel.send_data(RAW)
                await channel.send_data(RAW[::-1], KIND_ERROR)
            case ApplyFix() | RequestScopes() | _:
                return

    def _entries(self) -> tuple[Entry, ...]:
        names = [payload.encode() for payload in PAYLOADS] + [b"../../etc/passwd", b"/etc/passwd", b"..", b"\xff\x9b"]
        kinds = ("file", self.evil(), "folder")
        sizes = [(0, 0.0), (-1, 1e300), (1 << 62, -1e300)]
        return tuple(
            Entry(
                name=name,
                kind=kinds[place % 3],
                size=size,
                mode=-1,
                modified=modified,
            )
            for place, name in enumerate(names)
            for size, modified in sizes
        )

    def _plan(self) -> Plan:
        step = PlanStep(name=self.evil(), before=self.evil(), after=self.evil(), undo=self.evil(), blocked=self.evil())
        return Plan(
            fix=self.evil(),
            version=1,
            digest=self.evil(),
            title=self.evil(),
            risk=self.evil(),
            consent=self.evil(),
            prechecks=(self.evil(),),
            steps=(step, step),
            verify=(self.evil(),),
            runnable=True,
            why_not=self.evil(),
        )

    def _status(self) -> Status:
        assert self.session is not None
        until = "2099-01-01T00:00:00Z"
        grant = Grant(id=self.evil(), scope=self.evil(), until=until, key=self.evil(), folders=(self.evil(),))
        words = grant if self.manner == ANSWERS else Grant(id="g1", scope="fix", until=self.evil(), key="k")
        return Status(
            session=self.session.facts.id,
            ticket=self.evil(),
            grants=(words,),
            ends=until,
            host_name=self.evil(),
            recorded=-1,
        )

    def _acknowledgement(self) -> Acknowledgement:
        """What the relay signed last."""
        assert self.session is not None
        return [one for _, one in self.session.journal.records() if one is not None][-1]


@dataclass
class HostileAgent:
    """One machine. `pair` answers a code, `leave` ends the session in hostile words."""

    world: World
    folder: Path
    doors: HostileDoors = field(default_factory=HostileDoors)

    @contextlib.asynccontextmanager
    async def pairing(self, code: SupportCode) -> AsyncIterator[tuple[Session, Attempt]]:
        """Paired and verified; nothing is answered yet."""
        settings = AgentSettings(home=self.folder, relay_url=self.world.relay_url, pairing=QUICK)
        around = Surroundings(
            settings=settings,
            home=AgentHome(self.folder),
            origin=self.world.relay_url,
            moment=system_moment,
            entropy=secrets.token_bytes,
        )
        around.home.prepare()
        host_key = new_key(secrets.token_bytes(32))
        link = await around.dial(f"/v1/join/{code.nameplate}")
        attempt = Attempt(
            code,
            link,
            home=around.home,
            known=Known(self.world.relay_url, (self.world.folder / "org" / "ca.pub").read_text(), {}),
            host_key=host_key,
            host_name=self.doors.evil()[:200],
            limits=settings.pairing,
            moment=system_moment,
            entropy=secrets.token_bytes,
        )
        technician = await attempt.run(lambda: None)
        facts = SessionFacts(technician, host_key, public_line(host_key), "host", settings, attempt.resume_key)
        session = self.doors.session = assemble(facts, around, PromptUnattended(ALL_SCOPES, 600))
        session.serve(self.doors)  # in place of the agent's own doors
        session.start()
        try:
            yield session, attempt
        finally:
            session.end.now(self.doors.evil())
            await session.run()

    async def deny(self, code: SupportCode) -> None:
        """Say no, in hostile words."""
        async with self.pairing(code) as (_, attempt):
            await attempt.send_verdict(Verdict(reason=self.doors.evil(), sentence=self.doors.evil()))

    @contextlib.asynccontextmanager
    async def paired(self, code: SupportCode) -> AsyncIterator[Session]:
        """A session that is up, with a record whose every free field is hostile."""
        async with self.pairing(code) as (session, attempt):
            grants = await session.open(ConsentAnswer(scopes=ALL_SCOPES, seconds=600))
            await attempt.send_verdict(Verdict(grants=grants))
            await session.note(
                RecordDraft(
                    code="RA1900R",
                    actor=Actor(kind="agent", key=self.doors.evil()),
                    action=self.doors.evil(),
                    scope=self.doors.evil(),
                    catalog=self.doors.evil(),
                    program=self.doors.evil(),
                    target=self.doors.evil(),
                    paths=(self.doors.evil(),),
                    outcome=Outcome(status=self.doors.evil(), reason=self.doors.evil()),
                )
            )
            yield session

"""A small support desk in memory that implements the façade's ports: tickets, a customer, one broken web server.

Nothing here waits for a clock: `join`, `deny`, `cut` and `release` are the customer's and the network's acts.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from remote_assist.core.agreements.sharing import Part
from remote_assist.core.api import Deliveries, Delivery, SessionSummary, Ticket
from remote_assist.core.codes import SupportCode
from remote_assist.core.log.asciicast import Event, Header, read_cast
from remote_assist.core.log.kept import BUNDLE, RECORDING, Kept
from remote_assist.core.messages import AgentStatement
from remote_assist.core.requests import Done
from remote_assist.core.resume import LinkNews
from remote_assist.errors import AssistError, CodeBurned, ContentError, UnreachableError
from remote_assist.technician.disclosing import Disclosure
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.technician.knowledge import Article
from remote_assist.tui.ports import AskPassphrase, EnrolledPort, OnLink
from tests.tui.customer_world import CustomerWorld, WorldSession, rfc
from tests.tui.reading_world import ARTICLES, CHANGES, MACHINES, RECORDED, WorldChange, WorldCompared

NOW = datetime(2026, 3, 14, 14, 5, 11, tzinfo=UTC)
SESSION = "s-k3vq2m7x4nbdw6zu"


class World(CustomerWorld):
    """What is true in this small world, and a list of what the screens asked it to do."""

    def __init__(self, now: datetime = NOW, *, downloads: Path = Path("collected")) -> None:
        super().__init__(now)
        self.downloads = downloads
        self.summaries: list[SessionSummary] = [summary(now)]
        self.deliveries: list[Delivery] = []
        self.resting: dict[str, str] = {}
        self.lines: list[str] = [
            "2026-03-14 14:04:31  ·  agent: Session opened",
            "2026-03-14 14:04:58  ·  customer: Consent granted diagnose, files:read, fix",
        ]
        self.name = "Alice Example"
        self.desk: WorldDesk | None = None
        self.machines: Sequence[EnrolledPort] = MACHINES
        self.passphrase: bytes | None = None
        self.invitations: list[WorldInvitation] = []
        self.accepting: WorldAccepting | None = None
        self.articles: Sequence[Article] = ARTICLES
        self.changes: Sequence[WorldChange] = CHANGES
        self.recorded: Sequence[Event] = RECORDED
        self.cast: bytes | None = None

    def clock(self) -> datetime:
        return self.now

    async def open(self, ask_passphrase: AskPassphrase) -> "WorldDesk":
        self.check("open")
        self.desk = WorldDesk(self, ask_passphrase)
        return self.desk

    def cut(self) -> None:
        """The network goes."""
        self.failure = UnreachableError(
            "the relay http://127.0.0.1:8470 cannot be reached: connection refused",
            advice="Check the address, the network, and whether the relay runs.",
        )

    def tell_link(self, news: LinkNews, since: datetime) -> None:
        """What the façade says of the link."""
        assert self.desk is not None
        self.desk.on_link(SESSION, news, since)

    def mend(self) -> None:
        self.failure = None


class WorldDesk:
    def __init__(self, world: World, ask_passphrase: AskPassphrase) -> None:
        self._world = world
        self._ask_passphrase = ask_passphrase
        self.name = world.name
        self.on_link: OnLink = lambda _session, _news, _since: None

    async def tickets(self) -> Sequence[Ticket]:
        self._world.check("tickets")
        return tuple(self._world.tickets)

    async def ticket(self, ticket: str) -> Ticket:
        self._world.check("ticket", ticket)
        return next(one for one in self._world.tickets if one.id == ticket)

    async def new_ticket(self, subject: str, description: str = "") -> Ticket:
        self._world.check("new_ticket", subject, description)
        opened = Ticket(
            id=str(4712 + len(self._world.tickets)), subject=subject, description=description, state="open",
            opened=rfc(self._world.now), opened_by=self._world.name,
        )  # fmt: skip
        self._world.tickets.append(opened)
        return opened

    async def add_time(self, ticket: str, minutes: int, text: str) -> bool:
        self._world.check("add_time", ticket, str(minutes), text)
        return False

    async def add_note(self, ticket: str, text: str, *, key: str, session: str = "") -> None:
        self._world.check("add_note", ticket, text, session)

    async def outbox(self, *, dead: bool = False) -> Deliveries:
        self._world.check("outbox")
        held = tuple(one for one in self._world.deliveries if one.state == "dead" or not dead)
        return Deliveries(deliveries=held, paused=self._world.resting)

    async def retry_delivery(self, which: int = 0) -> int:
        self._world.check("retry", str(which))
        freed = [one for one in self._world.deliveries if one.state == "dead" and which in (0, one.id)]
        self._world.deliveries = [
            msgspec.structs.replace(one, state="waiting") if one in freed else one for one in self._world.deliveries
        ]
        return len(freed)

    async def invite(self, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> "WorldInvitation":
        self._world.check("invite", ticket.id, *scopes, str(seconds))
        self._unlock()
        invitation = WorldInvitation(self._world)
        self._world.invitations.append(invitation)
        return invitation

    async def accept(
        self,
        code: SupportCode,
        ticket: Ticket,
        scopes: tuple[str, ...],
        seconds: int,
        on_paired: Callable[[AgentStatement], None],
    ) -> str:
        self._world.check("accept", str(code), ticket.id, *scopes, str(seconds))
        self._unlock()
        self._world.accepting = WorldAccepting(on_paired)
        return await self._world.accepting.answer

    async def sessions(self) -> Sequence[SessionSummary]:
        self._world.check("sessions")
        return tuple(self._world.summaries)

    async def connect(self, session: str) -> "WorldSession":
        self._world.check("connect", session)
        return WorldSession(self._world, session)

    async def timeline(self, session: str) -> Sequence[str]:
        self._world.check("timeline", session)
        return tuple(self._world.lines)

    async def articles(self) -> Sequence[Article]:
        self._world.check("articles")
        return tuple(self._world.articles)

    async def compare(self, older: Path, newer: Path) -> WorldCompared:
        self._world.check("compare", older.name, newer.name)
        return WorldCompared(tuple(self._world.changes), ("The older one was made by another version.",))

    async def preview_disclosure(self, session: str, choice: Choice) -> "WorldPreview":
        extra = [*([str(choice.seal_to)] if choice.seal_to else []), *(["digest"] if choice.digest_only else [])]
        self._world.check("preview", session, choice.kind, choice.readers, choice.words, *extra)
        what = Disclosure(choice.kind, choice.readers, f"{len(self._world.findings)} findings", TOLD)
        return WorldPreview(self._world, what, sealed_to=choice.seal_to)

    async def machines(self) -> Sequence[EnrolledPort]:
        self._world.check("machines")
        return tuple(self._world.machines)

    async def call(self, machine: str, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> str:
        self._unlock()
        self._world.check("call", machine, ticket.id, *scopes, str(seconds))
        await self._world.hold.wait()
        return SESSION

    async def share(self, session: str, certificate_file: Path, part: Part, seconds: int) -> Done:
        self._unlock()
        self._world.check("share", session, str(certificate_file), part.value, str(seconds))
        return Done(action="a-8", status="done", sentence="the customer let Bob Example in")

    async def close(self) -> None:
        self._world.calls.append(("close desk",))

    def _unlock(self) -> None:
        """As the real one: the key is opened by whatever signs."""
        wanted = self._world.passphrase
        if wanted is not None and self._ask_passphrase("Passphrase of alice: ") != wanted:
            raise ContentError("this passphrase does not open the key")


TOLD = "FAIL tls.expired: TLS certificate expired\n  The certificate ended 3 days ago.\nFAIL \x1b[31mred"


@dataclass(frozen=True)
class WorldPreview:
    world: World
    what: Disclosure
    private: str = "1 × email"
    sealed_to: Path | None = None

    @property
    def ticket(self) -> str:
        return self.world.tickets[0].id

    @property
    def text(self) -> str:
        return self.what.text

    async def send(self) -> str:
        self.world.check("disclose", self.what.kind, self.what.readers)
        return "n-1"


class WorldRecordings:
    """What is recorded in a small world: one terminal."""

    def __init__(self, world: "World") -> None:
        self._world = world

    async def listed(self, session: str) -> Sequence[Kept]:
        self._world.check("recordings", session)
        return (
            Kept("a7", RECORDING, self._world.host_name, "2026-03-14T14:05:11Z"),
            Kept("b1", BUNDLE, "first-look", "2026-03-14T14:05:11Z"),
        )

    async def fetched(self, session: str, name: str, key: Path) -> "WorldRecording":
        self._world.check("recording", session, name, str(key))
        return WorldRecording(self._world, f"{session} {name}")


class WorldRecording:
    def __init__(self, world: "World", title: str) -> None:
        self._world = world
        self.title = title
        self.faults: Sequence[str] = ()

    def open(self) -> tuple[Header, Iterator[Event]]:
        if self._world.cast is not None:
            return read_cast([self._world.cast])
        return Header(version=2, width=80, height=24), iter(self._world.recorded)

    def close(self) -> None:
        self._world.calls.append(("close recording",))


class WorldInvitation:
    """The second code of a world differs from the first."""

    def __init__(self, world: World) -> None:
        self._world = world
        number = len(world.invitations)
        self.code = SupportCode(f"41720{3 + number}", ("tulip-rocket-amber", "amber-tulip-rocket")[number % 2])
        self.spoken = "four one seven, two zero three, tulip, rocket, amber"
        self.expires = world.now + timedelta(minutes=9, seconds=41)
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def paired(self, on_new_code: object = None) -> str:
        return await self._answer

    async def cancel(self) -> None:
        self._world.check("burn", self.code.nameplate)

    def join(self) -> None:
        self._answer.set_result(SESSION)

    def fail(self, error: AssistError) -> None:
        self._answer.set_exception(error)

    def guess_wrong(self) -> None:
        self.fail(CodeBurned("somebody typed wrong words; the code is burned", reason="wrong-code"))


class WorldAccepting:
    """A customer's code on its way; the test says what becomes of it."""

    def __init__(self, on_paired: Callable[[AgentStatement], None]) -> None:
        self._on_paired = on_paired
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def pair(self, host_name: str = "web-07") -> None:
        """The code was right."""
        self._on_paired(
            AgentStatement(host_key="", agent_version="1", platform="linux", host_name=host_name, checkpoint="")
        )

    def allow(self) -> None:
        self.answer.set_result(SESSION)

    def fail(self, error: AssistError) -> None:
        self.answer.set_exception(error)


def summary(now: datetime, *, state: str = "live") -> SessionSummary:
    return SessionSummary(
        id=SESSION, ticket="4711", subject="Web server does not start", technician="Alice Example",
        technician_key="SHA256:a", host_key="SHA256:h", opened=rfc(now), state=state, records=12,
    )  # fmt: skip

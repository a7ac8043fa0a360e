"""A small support desk in memory that implements the façade's ports: tickets, a customer, one broken web server.

Nothing here waits for a clock: `join`, `deny`, `cut` and `release` are the customer's and the network's acts.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from remote_assist.core.api import Deliveries, Delivery, SessionSummary, Ticket, TicketNote
from remote_assist.core.asciicast import Event, Header, read_cast
from remote_assist.core.chat import checked_line
from remote_assist.core.codes import SupportCode
from remote_assist.core.kept import BUNDLE, RECORDING, Kept
from remote_assist.core.messages import Grant
from remote_assist.core.requests import KIND_DATA, KIND_ERROR, ChatLine, Done, Entry, Plan, PlanStep, Progress, Status
from remote_assist.core.resume import LinkNews
from remote_assist.core.sharing import Part
from remote_assist.errors import AssistError, CodeBurned, ContentError, RefusedError, UnreachableError
from remote_assist.technician.knowledge import Article
from remote_assist.tui.ports import AskPassphrase, OnLink, OnOutput, OnProgress
from tests.tui.reading_world import ARTICLES, CHANGES, RECORDED, WorldChange, WorldCompared

NOW = datetime(2026, 3, 14, 14, 5, 11, tzinfo=UTC)
SESSION = "s-k3vq2m7x4nbdw6zu"
COLLECTORS = ("certificates", "disks", "listening_ports", "logs", "packages", "processes", "services", "time")


def rfc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class WorldEvidence:
    collector: str
    pointer: str = ""


@dataclass(frozen=True)
class WorldFinding:
    issue: str
    title: str
    severity: str
    subject: str
    message: str
    version: int = 1
    outcome: str = "fail"
    explanation: str = ""
    evidence: Sequence[WorldEvidence] = ()
    fix: str = ""
    fix_version: int = 0
    fix_digest: str = ""
    fix_title: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


FINDINGS = [
    WorldFinding(
        "linux.disk.fills", "/var fills in about 19 h", "medium", "/var 83 %", "/var grows by 1.2 GiB an hour."
    ),
    WorldFinding(
        "linux.service.port-taken",
        "Service failed: its port is taken",
        "high",
        "nginx :80",
        "nginx.service cannot bind port 80: held by apache2 (pid 812).",
        explanation="nginx was restarted at 13:58 after apache2 had been installed at 13:41 and took the port.",
        evidence=(WorldEvidence("listening_ports", "/1"), WorldEvidence("services", "/nginx.service")),
        fix="linux.service.free-port",
        fix_version=3,
        fix_digest="d" * 64,
        fix_title="Stop the program that holds the port",
        parameters={"service": "nginx.service", "port": "80"},
    ),
    WorldFinding(
        "tls.expired", "TLS certificate expired", "critical", "shop.example", "The certificate ended 3 days ago."
    ),
    WorldFinding(
        "disk.smart", "SMART state", "low", "declined", "The state of the disks could not be read.", outcome="unknown"
    ),
    *(WorldFinding(f"passed.{n}", f"Check {n}", "low", "", "", outcome="pass") for n in range(41)),
]

FACTS: dict[str, object] = {
    "system": {"name": "web-07", "os": "Debian GNU/Linux 12", "kernel": "6.1.0-37-amd64", "up_seconds": 86400},
    "listening_ports": [{"name": "sshd", "port": 22}, {"name": "apache2", "port": 80, "pid": 812}],
    "services": {"nginx.service": {"state": "failed", "enabled": True}, "apache2.service": {"state": "active"}},
}

PLAN = Plan(
    fix="linux.service.free-port",
    version=3,
    digest="9f2c61d0" + "0" * 52 + "a1e1",
    title="Stop the program that holds the port and start the service",
    risk="medium",
    consent="the customer's grant of fix covers this plan",
    prechecks=("the holder is a systemd service", "it is not a remote-access service"),
    steps=(
        PlanStep(name="service apache2.service", before="active", after="stopped", undo="start it"),
        PlanStep(name="systemctl reset-failed nginx.service", before="", after="", undo=""),
        PlanStep(name="service nginx.service", before="failed", after="active", undo="stop it"),
    ),
    verify=("port 80 is held by nginx.service (5 tries, 2 s), else roll back 3, 1",),
    runnable=True,
)


class World:
    """What is true in this small world, and a list of what the screens asked it to do."""

    def __init__(self, now: datetime = NOW, *, downloads: Path = Path("collected")) -> None:
        self.now = now
        self.downloads = downloads
        self.calls: list[tuple[str, ...]] = []
        self.tickets: list[Ticket] = default_tickets(now)
        self.summaries: list[SessionSummary] = [summary(now)]
        self.deliveries: list[Delivery] = []
        self.resting: dict[str, str] = {}
        self.findings: Sequence[WorldFinding] = FINDINGS
        self.facts: Mapping[str, object] = FACTS
        self.texts: Mapping[str, str] = {}
        self.plan = PLAN
        self.entries: Sequence[Entry] = default_entries(now)
        self.output: Sequence[tuple[int, bytes]] = (
            (KIND_DATA, b"Linux web-07 6.1.0-37-amd64\n"),
            (KIND_ERROR, b"a warning\n"),
        )
        self.lines: list[str] = [
            "2026-03-14 14:04:31  ·  agent: Session opened",
            "2026-03-14 14:04:58  ·  customer: Consent granted diagnose, files:read, fix",
        ]
        self.host_name = "web-07"
        self.chat: list[ChatLine] = []
        self.chat_news = asyncio.Event()
        self.scopes: tuple[str, ...] = ("diagnose", "files:read", "fix")
        self.name = "Alice Example"
        self.collectors: Sequence[str] = COLLECTORS
        self.has_bundle = False
        self.paused = False
        self.greeting = b"\x1b[1;32malice@web-07\x1b[0m:\x1b[34m~\x1b[0m$ "
        self.terminals: list[WorldTerminal] = []
        self.here_already: set[str] = set()
        self.failure: AssistError | None = None
        self.desk: WorldDesk | None = None
        self.apply_done = Done(action="a-9", status="resolved", sentence="port 80 is held by nginx.service")
        self.hold = asyncio.Event()
        self.hold.set()
        self.run_done = Done(action="a-7", status="done", exit=3)
        self.undelivered = ""
        self.passphrase: bytes | None = None
        self.invitations: list[WorldInvitation] = []
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

    def check(self, *call: str) -> None:
        """Note a call; fail it when the world is broken."""
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    def customer_says(self, *texts: str) -> None:
        """Chat lines of the customer arrive."""
        for text in texts:
            self._said("customer", text)

    def technician_says(self, text: str) -> None:
        self._said("technician", text)

    def _said(self, author: str, text: str) -> None:
        self.chat.append(ChatLine(number=len(self.chat) + 1, author=author, text=text, time=rfc(self.now)))
        self.chat_news.set()
        self.chat_news = asyncio.Event()

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

    def asked_for(self, name: str) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] == name]


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


class WorldSession:
    def __init__(self, world: World, session: str) -> None:
        self._world = world
        self.id = session
        self.ticket = world.tickets[0].id
        self.subject = world.tickets[0].subject
        self.recorded = 12

    @property
    def has_bundle(self) -> bool:
        return self._world.has_bundle

    async def status(self) -> Status:
        self._world.check("status")
        until = rfc(self._world.now + timedelta(minutes=27))
        grants = tuple(
            Grant(id=f"g{n}", scope=scope, until=until, key="SHA256:x") for n, scope in enumerate(self._world.scopes)
        )
        return Status(
            session=self.id, ticket=self.ticket, grants=grants, ends=until,
            host_name=self._world.host_name, recorded=self.recorded, paused=self._world.paused,
        )  # fmt: skip

    async def collect(self, bundle: str, out: Path, on_progress: OnProgress) -> object:
        self._world.check("collect", bundle)
        total = len(self._world.collectors)
        for number, name in enumerate(self._world.collectors):
            on_progress(Progress(item=name, status="running", done=number, total=total))
            if number == total // 2:
                await self._world.hold.wait()
            await asyncio.sleep(0)
            on_progress(Progress(item=name, status="ok", done=number + 1, total=total, seconds=0.4))
        self.recorded += 2
        self._world.has_bundle = True
        return None

    async def findings(self, bundle_file: Path | None = None) -> Sequence[WorldFinding]:
        self._world.check("findings")
        return self._world.findings

    async def facts(self, bundle_file: Path | None = None) -> Mapping[str, object]:
        self._world.check("facts")
        return self._world.facts

    async def texts(self, bundle_file: Path | None = None) -> Mapping[str, str]:
        return self._world.texts

    async def ls(self, path: bytes) -> Sequence[Entry]:
        self._world.check("ls", path.decode("utf-8", "backslashreplace"))
        self._need("files:read")
        return self._world.entries

    async def peek(self, remote: bytes, max_bytes: int) -> tuple[bytes, bool]:
        self._world.check("peek", remote.decode("utf-8", "backslashreplace"))
        self._need("files:read")
        return b"first line\nsecond line\n", True

    async def get(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> "WorldFile":
        self._world.check("get", remote.decode("utf-8", "backslashreplace"), *(["force"] if force else []))
        self._need("files:read")
        assert on_progress is not None
        on_progress(Progress(item="dpkg.log", status="running", done=1024, total=4096))
        await self._world.hold.wait()
        name = os.fsdecode(remote.rpartition(b"/")[2])
        if name in self._world.here_already and not force:
            raise RefusedError("dpkg.log is here already", reason="exists", advice="Replace it.")
        return WorldFile(folder / name, 4096)

    async def put(
        self, local: Path, folder: bytes, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Done:
        self._world.check("put", local.name, folder.decode())
        self._need("files:write")
        return Done(action="a-10", status="done", size=local.stat().st_size)

    async def plan(self, fix: str, version: int, digest: str, parameters: Mapping[str, str]) -> Plan:
        self._world.check("plan", fix, str(version))
        self._need("fix")
        return self._world.plan

    async def apply(self, plan_digest: str, on_progress: OnProgress) -> Done:
        self._world.check("apply", plan_digest)
        for number, step in enumerate(self._world.plan.steps):
            on_progress(Progress(item=step.name, status="done", done=number + 1, total=3, seconds=0.2))
        await self._world.hold.wait()
        return self._world.apply_done

    async def run(self, argv: Sequence[str], *, stdin: AsyncIterable[bytes] | None, on_output: OnOutput) -> Done:
        self._world.check("run", *argv)
        self._need("terminal")
        for kind, data in self._world.output:
            on_output(kind, data)
        await self._world.hold.wait()
        return self._world.run_done

    async def request_scopes(self, scopes: tuple[str, ...], seconds: int, reason: str) -> Status:
        self._world.check("request_scopes", *scopes, reason)
        self._world.scopes = tuple(scopes)
        return await self.status()

    async def end(self, note: str, reason: str) -> "WorldEnd":
        self._world.check("end", note, reason)
        return WorldEnd(self._world.undelivered)

    async def say(self, text: str) -> Done:
        line = checked_line(text)
        self._world.check("say", line)
        self._world.technician_says(line)
        return Done(action="a-8", status="done")

    async def follow_chat(self, on_line: Callable[[ChatLine], None], after: int) -> None:
        self._world.check("follow_chat", str(after))
        while True:
            news = self._world.chat_news
            for line in self._world.chat[after:]:
                on_line(line)
            after = len(self._world.chat)
            await news.wait()

    @contextlib.asynccontextmanager
    async def shell(self, *, term: str, columns: int, rows: int) -> "AsyncIterator[WorldTerminal]":
        self._world.check("shell", term, str(columns), str(rows))
        self._need("terminal")
        terminal = WorldTerminal(self._world)
        self._world.terminals.append(terminal)
        try:
            yield terminal
        finally:
            self._world.calls.append(("close shell",))

    async def close(self) -> None:
        self._world.calls.append(("close session",))

    def _need(self, scope: str) -> None:
        if scope not in self._world.scopes:
            raise RefusedError(
                f"the customer did not allow {scope}", reason="out-of-scope", advice=f"Ask for it: {scope}."
            )


class WorldTerminal:
    """A terminal that shows what the test says and keeps what was typed."""

    def __init__(self, world: World) -> None:
        self.done: Done | None = None
        self.typed = b""
        self.sizes: list[tuple[int, int]] = []
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.show(world.greeting)

    def show(self, raw: bytes) -> None:
        self._pieces.put_nowait(raw)

    def end(self, status: int) -> None:
        self.done = Done(action="a-11", status="done", exit=status)
        self._pieces.put_nowait(None)

    async def write(self, raw: bytes) -> None:
        self.typed += raw

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def output(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


@dataclass(frozen=True)
class WorldFile:
    path: Path
    size: int


@dataclass(frozen=True)
class WorldEnd:
    undelivered: str = ""


def default_tickets(now: datetime) -> list[Ticket]:
    notes = (
        TicketNote(
            id=1, time=rfc(now), author="Carol Example", text="Since lunch the shop is down.", visibility="customer"
        ),
        TicketNote(id=2, time=rfc(now), author="remote-assist", text="Session opened.", visibility="internal"),
    )
    return [
        Ticket(
            id="4711", subject="Web server does not start", description="nginx fails after the update.\nPort 80?",
            state="active", opened=rfc(now - timedelta(hours=1)), opened_by="Carol Example", notes=notes,
        ),
        Ticket(
            id="4705", subject="Printer prints every page twice since the last maintenance window on Sunday",
            description="", state="open", opened=rfc(now - timedelta(days=1)), opened_by="Bob Example",
        ),
        Ticket(
            id="4698", subject="Disk full", description="", state="closed", opened=rfc(now - timedelta(days=3)),
            opened_by="Carol Example",
        ),
    ]  # fmt: skip


def summary(now: datetime, *, state: str = "live") -> SessionSummary:
    return SessionSummary(
        id=SESSION, ticket="4711", subject="Web server does not start", technician="Alice Example",
        technician_key="SHA256:a", host_key="SHA256:h", opened=rfc(now), state=state, records=12,
    )  # fmt: skip


def default_entries(now: datetime) -> list[Entry]:
    modified = now.timestamp()
    return [
        Entry(name=b"dpkg.log", kind="file", size=4096, mode=0o644, modified=modified),
        Entry(name=b"nginx", kind="folder", size=4096, mode=0o755, modified=modified),
        Entry(name=b"caf\xe9.log", kind="file", size=12, mode=0o600, modified=modified),
        Entry(name=b"lastlog", kind="link", size=7, mode=0o777, modified=modified),
    ]

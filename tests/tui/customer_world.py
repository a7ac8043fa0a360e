"""The customer's side of a small world: one broken web server, what its agent answers, what is said in the chat.

Nothing here waits for a clock: `release` of `hold` is the customer's act.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from remote_assist.core.api import Ticket, TicketNote
from remote_assist.core.chat import checked_line
from remote_assist.core.messages import Grant
from remote_assist.core.requests import (
    KIND_DATA,
    KIND_ERROR,
    ChatLine,
    Done,
    Entry,
    Participant,
    Plan,
    PlanStep,
    Progress,
    Status,
)
from remote_assist.errors import AssistError, RefusedError
from remote_assist.technician.folder_fetch import FetchedFolder
from remote_assist.technician.remote_tree import LeftOut
from remote_assist.tui.ports import OnOutput, OnProgress

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


class CustomerWorld:
    """What is true of the customer's machine, and a list of what the screens asked for."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.calls: list[tuple[str, ...]] = []
        self.tickets: list[Ticket] = default_tickets(now)
        self.findings: Sequence[WorldFinding] = FINDINGS
        self.facts: Mapping[str, object] = FACTS
        self.texts: Mapping[str, str] = {}
        self.plan = PLAN
        self.entries: Sequence[Entry] = default_entries(now)
        self.output: Sequence[tuple[int, bytes]] = (
            (KIND_DATA, b"Linux web-07 6.1.0-37-amd64\n"),
            (KIND_ERROR, b"a warning\n"),
        )
        self.host_name = "web-07"
        self.chat: list[ChatLine] = []
        self.chat_news = asyncio.Event()
        self.scopes: tuple[str, ...] = ("diagnose", "files:read", "fix")
        self.collectors: Sequence[str] = COLLECTORS
        self.has_bundle = False
        self.paused = False
        self.technicians: tuple[Participant, ...] = ()
        self.greeting = b"\x1b[1;32malice@web-07\x1b[0m:\x1b[34m~\x1b[0m$ "
        self.terminals: list[WorldTerminal] = []
        self.here_already: set[str] = set()
        self.left_out: list[tuple[bytes, str, str]] = []
        self.failure: AssistError | None = None
        self.apply_done = Done(action="a-9", status="resolved", sentence="port 80 is held by nginx.service")
        self.hold = asyncio.Event()
        self.hold.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.takes_lines = asyncio.Event()
        self.takes_lines.set()
        self.run_done = Done(action="a-7", status="done", exit=3)
        self.undelivered = ""

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

    def asked_for(self, name: str) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] == name]


class WorldSession:
    def __init__(self, world: CustomerWorld, session: str) -> None:
        self._world = world
        self.id = session
        self.ticket = world.tickets[0].id
        self.subject = world.tickets[0].subject
        self.opened = rfc(world.now - timedelta(minutes=27))
        self.recorded = 12

    @property
    def has_bundle(self) -> bool:
        return self._world.has_bundle

    async def status(self) -> Status:
        self._world.check("status")
        await self._world.answers.wait()
        until = rfc(self._world.now + timedelta(minutes=27))
        grants = tuple(
            Grant(id=f"g{n}", scope=scope, until=until, key="SHA256:x") for n, scope in enumerate(self._world.scopes)
        )
        return Status(
            session=self.id, ticket=self.ticket, grants=grants, ends=until,
            host_name=self._world.host_name, recorded=self.recorded, paused=self._world.paused,
            technicians=self._world.technicians or msgspec.UNSET,
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

    async def get_folder(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> FetchedFolder:
        self._world.check("get -r", remote.decode("utf-8", "backslashreplace"), *(["force"] if force else []))
        self._need("files:read")
        assert on_progress is not None
        on_progress(Progress(item="1 files", status="receiving", done=1024, total=4096))
        await self._world.hold.wait()
        left_out = [] if force else [LeftOut(*one) for one in self._world.left_out]
        return FetchedFolder(folder, files=2, size=4096, here_already=1, left_out=left_out)

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

    async def end(self, note: str, reason: str, minutes: int | None) -> "WorldEnd":
        self._world.check("end", note, reason, *([] if minutes is None else [str(minutes)]))
        return WorldEnd(self._world.undelivered)

    async def say(self, text: str) -> Done:
        line = checked_line(text)
        self._world.check("say", line)
        await self._world.takes_lines.wait()
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

    def __init__(self, world: CustomerWorld) -> None:
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


def default_entries(now: datetime) -> list[Entry]:
    modified = now.timestamp()
    return [
        Entry(name=b"dpkg.log", kind="file", size=4096, mode=0o644, modified=modified),
        Entry(name=b"nginx", kind="folder", size=4096, mode=0o755, modified=modified),
        Entry(name=b"caf\xe9.log", kind="file", size=12, mode=0o600, modified=modified),
        Entry(name=b"lastlog", kind="link", size=7, mode=0o777, modified=modified),
    ]


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

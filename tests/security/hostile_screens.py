"""A child for a pty: the real screens over a world whose every string is hostile, or, to compare, harmless.

    python -m tests.security.hostile_screens hostile|harmless CALLS-FILE

When it ends it writes what the screens asked the façade for, one call a line, and beside it (.screens) which screens
were seen.
"""

import inspect
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from textual.events import Event, Key

from remote_assist.core.api import Delivery, TicketNote
from remote_assist.core.log.asciicast import MARKER, OUTPUT
from remote_assist.core.log.asciicast import Event as CastEvent
from remote_assist.core.requests import KIND_DATA, KIND_ERROR, Done, Entry, Participant, PlanStep, Progress
from remote_assist.errors import RefusedError
from remote_assist.technician.disclosing import Disclosure
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.technician.knowledge import Article
from remote_assist.tui.app import AssistApp
from remote_assist.tui.job import Job
from remote_assist.tui.pace import Pace
from remote_assist.tui.ports import AskPassphrase, OnProgress
from remote_assist.tui.work import PASSPHRASE_WANTED
from tests.tui.customer_world import PLAN, WorldEvidence, WorldFinding, WorldSession
from tests.tui.reading_world import WorldChange, machine
from tests.tui.world import World, WorldDesk, WorldInvitation, WorldPreview, WorldRecordings

TELL = "HOSTILE_SCREENS_TELL"
"""Names the file descriptor that is told when the screens are at rest."""

LOOK_SECONDS, CALM_LOOKS = 0.02, 4
LASTING = {Job.CHAT.value, Job.TERMINAL.value}

PAYLOADS = (
    "\x1b]52;c;cHduZWQ=\x07",  # clipboard
    "\x1b[2J\x1b[3;3HGOTCHA",  # clear and move
    "\x9b31mC1\x9d0;title\x9c",  # 8-bit CSI and OSC
    "\u202egnp.exe\u2066\u200b\ufeff",  # direction and nothing-to-see
    "[@click=app.quit]quit[/] [bold red on blue]loud[/] [link=http://example.com]l[/link]",  # markup
    "\x1bP+q544e\x1b\\\x1b[6n\x1b[c\x05",  # questions a terminal answers
    "\x1b[?1049l\x1b[?1000l\x1bc",  # leave the alternate screen, reset
    "\x1b]8;;http://example.com\x07link\x1b]8;;\x07",  # hyperlink
    "one\r\ntwo\ty\ny\nq\n",  # lines and keys
    "\x00\x08\x08\x7f\udc9b\u2028\ue000\U000e0041",  # the rest
    "a" + "\u0301" * 60,  # a pile of marks
)


def hostile(number: int) -> str:
    """All payloads, each time beginning with another one, so that narrow columns show them all."""
    turn = number % len(PAYLOADS)
    return "".join(PAYLOADS[turn:] + PAYLOADS[:turn])


def harmless(number: int) -> str:
    """Text of about the same length."""
    return f"harmless {number} " * 30


class Words:
    """A new string for every field."""

    def __init__(self, make: Callable[[int], str]) -> None:
        self._make = make
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return self._make(self._count)


class HostileSession(WorldSession):
    words: Words

    async def collect(self, bundle: str, out: Path, on_progress: OnProgress) -> object:
        self._world.check("collect", bundle)
        for number in range(30):
            on_progress(Progress(item=self.words(), status=self.words(), done=number, total=30, seconds=0.1))
        return None

    async def peek(self, remote: bytes, max_bytes: int) -> tuple[bytes, bool]:
        self._world.check("peek")
        return "".join(self.words() for _ in range(5)).encode("utf-8", "surrogateescape"), False


class HostileDesk(WorldDesk):
    words: Words

    async def connect(self, session: str) -> HostileSession:
        self._world.check("connect")
        connected = HostileSession(self._world, session)
        connected.words, connected.subject, connected.ticket = self.words, self.words(), self.words()
        return connected

    async def preview_disclosure(self, session: str, choice: Choice) -> WorldPreview:
        self._world.check("preview")
        return WorldPreview(
            self._world, Disclosure(self.words(), self.words(), self.words(), self.words()), self.words()
        )

    async def invite(self, ticket: object, scopes: object, seconds: object) -> WorldInvitation:
        first = not self._world.asked_for("invite")
        self._world.check("invite")
        reason = PASSPHRASE_WANTED if first else self.words()
        raise RefusedError(self.words(), reason=reason, advice=self.words())


def fill(world: World, words: Words) -> None:
    """Every string a peer can send becomes `words`."""
    world.name = words()
    world.host_name = words()
    world.technicians = tuple(Participant(name=words(), part=part, until=words()) for part in ("active", "observer"))
    world.tickets = [
        msgspec.structs.replace(
            ticket,
            id=ticket.id if number == 0 else words(),
            subject=words(), description=words(), opened_by=words(),
            opened=ticket.opened if number == 0 else words(),
            state=ticket.state if number == 0 else words(),
            notes=tuple(
                TicketNote(id=n, time=words(), author=words(), text=words(), visibility=words()) for n in range(20)
            ),
        )
        for number, ticket in enumerate(world.tickets)
    ]  # fmt: skip
    first = world.summaries[0]
    ended = msgspec.structs.replace(first, id=words(), state=words(), opened=words(), technician=words())
    world.summaries = [ended, msgspec.structs.replace(first, technician=words(), subject=words())]
    world.scopes = ("diagnose", "files:read", "fix", "terminal", words())
    world.machines = [machine(words(), words(), by=words(), seen=words(), here=True) for _ in range(3)]
    world.findings = [
        WorldFinding(
            words(), words(), "high", words(), words(), explanation=words(), fix=words(), fix_title=words(),
            evidence=(WorldEvidence(words(), words()), WorldEvidence("facts", "/0")), parameters={words(): words()},
        ),
        WorldFinding(words(), words(), words(), words(), words(), outcome="unknown"),
    ]  # fmt: skip
    world.facts = {"facts": [{words(): words(), "name": words()}, words()], words(): {words(): [words(), words()]}}
    names = [words().translate({0: None, ord("/"): None}).encode("utf-8", "surrogateescape") for _ in range(12)]
    world.entries = [
        Entry(name=name, kind="file", size=n, mode=0o644, modified=1e300 if n == 2 else 0.0)
        for n, name in enumerate(names)
    ]
    world.entries = [*world.entries, Entry(name=b"\xff\xff", kind=words(), size=-1, mode=-1, modified=float("-inf"))]
    raw = "".join(words() for _ in range(20)).encode("utf-8", "surrogateescape")
    world.output = [
        (KIND_DATA, raw),
        (KIND_ERROR, raw[::-1]),
        (KIND_DATA, bytes(range(256)) if "\x1b" in words() else b"x"),
    ]
    world.run_done = Done(action="a", status="done", exit=1, sentence=words())
    world.plan = msgspec.structs.replace(
        PLAN, fix=words(), title=words(), risk=words(), consent=words(), digest=words(), runnable=False,
        why_not=words(), prechecks=(words(),), verify=(words(),),
        steps=tuple(PlanStep(name=words(), before=words(), after=words(), undo=words(), blocked=words()) for _ in "12"),
    )  # fmt: skip
    world.deliveries = [
        Delivery(
            id=n, ticket=words(), kind=words(), state=state, attempts=n, fault=words(), queued=words(), due=words(),
            result=words(),
        )
        for n, state in enumerate(("dead", "waiting", words()))
    ]  # fmt: skip
    world.resting = {words(): words()}
    world.lines = [words() for _ in range(40)]
    world.texts = {words(): "".join(words() for _ in range(5)), "last": words()}
    world.articles = [
        Article(words(), kind, words(), words(), words(), (words(), words())) for kind in ("issue", "fix")
    ]
    world.changes = [WorldChange(words(), words(), change, words(), words()) for change in ("changed", words())]
    world.recorded = [CastEvent(0.0, kind, words()) for kind in (OUTPUT, MARKER, OUTPUT)]
    world.customer_says(words(), words())
    world.greeting = "".join(words() for _ in range(5)).encode("utf-8", "surrogateescape") + bytes(
        range(256) if "\x1b" in words() else b"x"
    )


class TellingApp(AssistApp):
    """Writes a byte to `tell` when it is at rest after keys: nobody has to guess how long a busy machine takes."""

    CSS_PATH = str(Path(inspect.getfile(AssistApp)).with_name("assist.tcss"))
    tell = -1
    keys = 1
    calm = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.seen: set[str] = set()

    async def on_event(self, event: Event) -> None:
        self.keys += isinstance(event, Key) and not event.is_forwarded
        await super().on_event(event)

    def on_mount(self) -> None:
        if self.tell >= 0:
            self.set_interval(LOOK_SECONDS, self.look)

    def look(self) -> None:
        self.seen.add(type(self.screen).__name__)
        busy = [one for one in self.workers if one.is_running and one.name not in LASTING]
        self.calm = 0 if busy or self._typed.busy or self.message_queue_size else self.calm + 1
        if self.calm >= CALM_LOOKS and self.keys:
            self.keys = 0
            os.write(self.tell, b".")


def lay_bundles(downloads: Path, words: Words) -> None:
    """Two bundles in folders whose names are as bad as a file system allows."""
    for number in range(2):
        name = words().translate({0: None, ord("/"): None})[:60].encode("utf-8", "surrogateescape")[:200]
        folder = Path(os.fsdecode(os.fsencode(downloads) + b"/" + name))
        folder.mkdir(exist_ok=True)
        (folder / f"bundle-{number}.tar.zst").write_bytes(b"")


def main(kind: str, calls_file: str) -> int:
    os.environ["TZ"] = "UTC"
    time.tzset()
    world = World(downloads=Path(calls_file).parent)
    words = Words(hostile if kind == "hostile" else harmless)
    fill(world, words)

    async def open_desk(ask: AskPassphrase) -> HostileDesk:
        desk = HostileDesk(world, ask)
        desk.words = words
        return desk

    pace = Pace(clock=world.clock, stopwatch=lambda: 0.0, poll_seconds=3600, tick_seconds=3600)
    lay_bundles(world.downloads, words)
    app = TellingApp(open_desk, downloads=world.downloads, pace=pace, open_recordings=lambda: WorldRecordings(world))
    app.tell = int(os.environ.get(TELL, "-1"))
    app.run()
    names = [call[0] for call in world.calls]
    Path(calls_file).write_text("\n".join(names))
    Path(calls_file).with_suffix(".screens").write_text("\n".join(sorted(app.seen)))
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

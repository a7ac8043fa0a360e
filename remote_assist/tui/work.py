"""The bridge: runs the façade's calls in workers and posts typed messages to the screen that asked.

Rule 1: nothing here draws, nothing in widgets or screens awaits the network. Rule 2: every job ends in exactly
one message: its answer, `JobFailed` or `JobCancelled`; one that needs the key's passphrase posts `PassphraseWanted`,
which the app answers, and begins anew. Rule 3: every job has a time limit.
"""

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump

from remote_assist.core.api import Ticket
from remote_assist.core.codes import SupportCode
from remote_assist.core.messages import AgentStatement
from remote_assist.core.resume import LinkNews
from remote_assist.errors import AssistError, ContentError, RefusedError
from remote_assist.tui.job import Job
from remote_assist.tui.messages import (
    BundleCollected,
    CodeMade,
    CodeReplaced,
    CodeTaken,
    CustomerAnswered,
    CustomerPaired,
    FactsRead,
    FindingsMade,
    FixApplied,
    FixPlanned,
    JobCancelled,
    JobFailed,
    LinkChanged,
    NoteWritten,
    OutputArrived,
    PassphraseWanted,
    ProgramEnded,
    ProgressMade,
    SessionConnected,
    SessionEnded,
    SessionsLoaded,
    StatusRead,
    TicketLoaded,
    TicketLookedAt,
    TicketOpened,
    TicketsLoaded,
)
from remote_assist.tui.pending import OutputBuffer, ProgressBoard
from remote_assist.tui.ports import (
    DeskPort,
    FindingPort,
    InvitationPort,
    OpenDesk,
    OpenRecordings,
    SessionPort,
    Translate,
)
from remote_assist.tui.problem import Problem

CLOSE_SECONDS = 5.0

PASSPHRASE_WANTED = "passphrase"  # noqa: S105  # a reason, not a secret
"""Reason of a refusal that a passphrase would lift."""

Call = Callable[[], Awaitable[Message | None]]


class Work:
    """Every call of the façade the screens know, as a job that answers by message."""

    def __init__(
        self,
        open_desk: OpenDesk,
        downloads: Path,
        stopwatch: Callable[[], float],
        translate: Translate | None = None,
        open_recordings: OpenRecordings | None = None,
    ) -> None:
        self.downloads = downloads
        self.open_recordings = open_recordings
        self.translate = translate
        self._open_desk = open_desk
        self._stopwatch = stopwatch
        self._desk: DeskPort | None = None
        self._passphrase: bytes | None = None
        self._opening = asyncio.Lock()
        self._screens: dict[str, DOMNode] = {}

    @property
    def technician(self) -> str:
        """Who is logged in; empty until the desk is open."""
        return self._desk.name if self._desk is not None else ""

    def remember_passphrase(self, passphrase: bytes) -> None:
        """Keep the key's passphrase in memory for as long as it opens the key."""
        self._passphrase = passphrase

    async def close(self) -> None:
        """Let go of the relay. Called once, when the program ends."""
        if self._desk is not None:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._desk.close()

    def cancel(self, screen: DOMNode, job: Job) -> None:
        """Stop a job of this screen; it answers `JobCancelled`."""
        screen.workers.cancel_group(screen, job.name)

    # --- tickets ------------------------------------------------------------------------------------

    def load_tickets(self, screen: DOMNode) -> None:
        async def call() -> Message:
            desk = await self.desk()
            tickets, sessions, dead = await asyncio.gather(desk.tickets(), desk.sessions(), _undelivered(desk))
            return TicketsLoaded(tickets, sessions, desk.name, dead)

        self.start(screen, Job.TICKETS, call)

    def load_sessions(self, screen: DOMNode) -> None:
        async def call() -> Message:
            return SessionsLoaded(await (await self.desk()).sessions())

        self.start(screen, Job.SESSIONS, call, exclusive=True)

    def write_note(self, screen: DOMNode, ticket: str, text: str, session: str = "") -> None:
        key = f"note:{session or ticket}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"

        async def call() -> Message:
            await (await self.desk()).add_note(ticket, text, key=key, session=session)
            return NoteWritten(ticket)

        self.start(screen, Job.NOTE, call)

    def note_time(self, screen: DOMNode, ticket: str, minutes: int, text: str) -> None:
        async def call() -> Message:
            await (await self.desk()).add_time(ticket, minutes, text)
            return NoteWritten(ticket)

        self.start(screen, Job.NOTE, call)

    def load_ticket(self, screen: DOMNode, ticket: str) -> None:
        async def call() -> Message:
            desk = await self.desk()
            found, sessions = await asyncio.gather(desk.ticket(ticket), desk.sessions())
            return TicketLoaded(found, [session for session in sessions if session.ticket == ticket])

        self.start(screen, Job.TICKET, call)

    def look_at_ticket(self, screen: DOMNode, ticket: str) -> None:
        async def call() -> Message:
            return TicketLookedAt(await (await self.desk()).ticket(ticket))

        self.start(screen, Job.TICKET, call)

    def open_ticket(self, screen: DOMNode, subject: str, description: str) -> None:
        async def call() -> Message:
            return TicketOpened(await (await self.desk()).new_ticket(subject, description))

        self.start(screen, Job.NEW_TICKET, call)

    # --- invitation ---------------------------------------------------------------------------------

    def invite(self, screen: DOMNode, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> None:
        async def call() -> Message:
            return CodeMade(await (await self.desk()).invite(ticket, scopes, seconds))

        self.start(screen, Job.INVITE, call)

    def await_customer(self, screen: DOMNode, invitation: InvitationPort) -> None:
        async def call() -> Message:
            return CustomerPaired(await invitation.paired(lambda _: post(screen, CodeReplaced())))

        self.start(screen, Job.PAIRING, call)

    def accept(self, screen: DOMNode, code: SupportCode, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> None:
        def paired(agent: AgentStatement) -> None:
            post(screen, CodeTaken(agent.host_name))

        async def call() -> Message:
            return CustomerPaired(await (await self.desk()).accept(code, ticket, scopes, seconds, paired))

        self.start(screen, Job.ACCEPT, call)

    def burn(self, app: DOMNode, invitation: InvitationPort) -> None:
        """Burn a code nobody waits for any more. Runs on the app: the screen that asked is going."""

        async def call() -> None:
            await invitation.cancel()

        self.start(app, Job.INVITE, call)

    # --- session ------------------------------------------------------------------------------------

    def connect(self, screen: DOMNode, session: str) -> None:
        async def call() -> Message:
            self._screens[session] = screen
            return SessionConnected(await (await self.desk()).connect(session))

        self.start(screen, Job.CONNECT, call)

    def leave(self, app: DOMNode, session: SessionPort) -> None:
        """Close our connection; the session goes on. Runs on the app: the screen is going."""

        async def call() -> None:
            await session.close()

        self.start(app, Job.CONNECT, call)

    def ask_status(self, screen: DOMNode, session: SessionPort) -> None:
        async def call() -> Message:
            started = self._stopwatch()
            return StatusRead(await session.status(), self._stopwatch() - started)

        self.start(screen, Job.STATUS, call)

    def collect(self, screen: DOMNode, session: SessionPort, bundle: str, now: datetime) -> None:
        """Run a bundle; its copy here is named by the time, so that the one before can be compared with it."""

        async def call() -> Message:
            folder = self.downloads / session.id
            await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
            file = await asyncio.to_thread(_unused, folder, bundle, now)
            await session.collect(bundle, file, self._board(screen, Job.COLLECT).report)
            return BundleCollected(bundle)

        self.start(screen, Job.COLLECT, call)

    def evaluate(self, screen: DOMNode, session: SessionPort) -> None:
        async def call() -> Message:
            return FindingsMade(await session.findings())

        self.start(screen, Job.FINDINGS, call)

    def read_facts(self, screen: DOMNode, session: SessionPort) -> None:
        async def call() -> Message:
            return FactsRead(await session.facts(), await session.texts())

        self.start(screen, Job.FACTS, call)

    def run_program(self, screen: DOMNode, session: SessionPort, argv: tuple[str, ...]) -> None:
        async def call() -> Message:
            output = OutputBuffer(lambda buffer: post(screen, OutputArrived(buffer)))
            return ProgramEnded(await session.run(argv, stdin=None, on_output=output.write))

        self.start(screen, Job.RUN, call)

    def plan_fix(self, screen: DOMNode, session: SessionPort, finding: FindingPort) -> None:
        async def call() -> Message:
            return FixPlanned(
                finding, await session.plan(finding.fix, finding.fix_version, finding.fix_digest, finding.parameters)
            )

        self.start(screen, Job.PLAN, call)

    def apply_fix(self, screen: DOMNode, session: SessionPort, planned: FixPlanned) -> None:
        async def call() -> Message:
            board = self._board(screen, Job.APPLY)
            return FixApplied(planned.plan, await session.apply(planned.plan.digest, board.report))

        self.start(screen, Job.APPLY, call)

    def ask_scopes(
        self, screen: DOMNode, session: SessionPort, scopes: tuple[str, ...], seconds: int, reason: str
    ) -> None:
        async def call() -> Message:
            started = self._stopwatch()
            status = await session.request_scopes(scopes, seconds, reason)
            return CustomerAnswered(status, self._stopwatch() - started)

        self.start(screen, Job.SCOPES, call)

    def end(self, screen: DOMNode, session: SessionPort, note: str, reason: str, minutes: int | None) -> None:
        async def call() -> Message:
            return SessionEnded(await session.end(note, reason, minutes))

        self.start(screen, Job.END, call)

    # --- how a job runs -----------------------------------------------------------------------------

    def _give_passphrase(self, question: str) -> bytes:
        if self._passphrase is None:
            raise RefusedError(question, reason=PASSPHRASE_WANTED)
        return self._passphrase

    async def _try(self, call: Call) -> Message | None:
        """Run a call. A passphrase that does not open the key is forgotten: the next call asks anew."""
        try:
            return await call()
        except ContentError:
            self._passphrase = None
            raise

    async def desk(self) -> DeskPort:
        """The one desk, opened at first use. Raises AssistError."""
        async with self._opening:
            if self._desk is None:
                self._desk = await self._open_desk(self._give_passphrase)
                self._desk.on_link = self._tell_link
            return self._desk

    def _tell_link(self, session: str, news: LinkNews, since: datetime) -> None:
        if (screen := self._screens.get(session)) is not None:
            post(screen, LinkChanged(news, since))

    def _board(self, screen: DOMNode, job: Job) -> ProgressBoard:
        return ProgressBoard(lambda board: post(screen, ProgressMade(job, board)))

    def start(self, asker: DOMNode, job: Job, call: Call, *, exclusive: bool = False) -> None:
        """Run `call` as a job of `asker` (a screen or a pane), which gets its one answer.

        `exclusive`: a job of the same kind that still runs is stopped first.
        """
        again = functools.partial(self.start, asker, job, call, exclusive=exclusive)
        asker.run_worker(
            _finish(asker, job, functools.partial(self._try, call), again),
            name=job.value, group=job.name, exclusive=exclusive, exit_on_error=False,
        )  # fmt: skip


async def _undelivered(desk: DeskPort) -> int:
    """How many dead letters there are, where it can be asked: the queue is shown without it too."""
    with contextlib.suppress(AssistError):
        return len((await desk.outbox(dead=True)).deliveries)
    return 0


async def _finish(screen: MessagePump, job: Job, call: Call, again: Callable[[], None]) -> None:
    answer: Message | None
    try:
        async with asyncio.timeout(job.seconds):
            answer = await call()
    except asyncio.CancelledError:
        post(screen, JobCancelled(job))
        raise
    except AssistError as error:
        problem = Problem.of(error)
        wanted = problem.reason == PASSPHRASE_WANTED
        answer = PassphraseWanted(screen, job, problem.sentence, again) if wanted else JobFailed(job, problem)
    except TimeoutError:
        sentence = f"no answer within {job.seconds:.0f} s: {job.value}"
        answer = JobFailed(job, Problem(sentence, "Check the link and try again."))
    except Exception as error:  # a bug of ours must reach the reader as a sentence, not take the screen down
        sentence = f"could not {job.value}: {type(error).__name__}: {error}"
        answer = JobFailed(job, Problem(sentence, "This is a fault of this program; please report it."))
    if answer is not None:
        post(screen, answer)


def post(screen: MessagePump, message: Message) -> None:
    """Tell a screen or pane, unless it is gone."""
    if screen.is_running:
        screen.post_message(message)


def _unused(folder: Path, bundle: str, now: datetime) -> Path:
    """A name for a bundle of this second; the next one's when another look ended in the same."""
    while (file := folder / f"{bundle}-{now:%Y%m%dT%H%M%SZ}.tar.zst").exists():
        now += timedelta(seconds=1)
    return file

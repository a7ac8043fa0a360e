"""A connected session: everything a technician does on the customer's machine, one request each.

A façade for the TUI and the verbs. What comes back from the agent is hostile until `safe_text`.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from remote_assist.audit.log_memory import LogMemory
from remote_assist.core.chat import checked_line
from remote_assist.core.codec import encode
from remote_assist.core.consent import wishes_of
from remote_assist.core.file_batch import FolderLimits
from remote_assist.core.identity.approval import Approval
from remote_assist.core.requests import (
    ApplyFix,
    AskStatus,
    ChatLine,
    Disclose,
    Disclosed,
    Done,
    EndSession,
    Entry,
    EstimateLook,
    FollowChat,
    InputEnd,
    Plan,
    PlanFix,
    Progress,
    RequestScopes,
    Run,
    SayChat,
    Share,
    Status,
    UseMachine,
)
from remote_assist.core.wishes import Endpoint
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError, VerificationError
from remote_assist.technician import files
from remote_assist.technician.agent_link import AgentLink
from remote_assist.technician.conversation import Conversation, check_done
from remote_assist.technician.ending import Ending, EndResult
from remote_assist.technician.evidence import (
    DEFAULT_BUNDLE,
    collect_request,
    copy_bundle,
    evaluate_bundle,
    expected_bundle,
    facts_of,
    texts_of,
)
from remote_assist.technician.files import FetchedFile, FolderListing
from remote_assist.technician.folder_fetch import FetchedFolder, FolderFetch, OnFile, Wish
from remote_assist.technician.log_watch import EVERY_SECONDS, compare
from remote_assist.technician.part_file import PartFile
from remote_assist.technician.screen import Shot, take_picture
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.technician.terminal import Terminal, open_terminal

if TYPE_CHECKING:  # only a name for types: the rule engine is loaded when findings are wanted
    from remote_assist.core.catalog.estimates import Estimate
    from remote_assist.core.findings import Finding

CONSENT_SECONDS = 180.0
"""How long an answer may take that a person at the other end must give."""

MAX_ARGUMENTS = 1024
"""Longest argv the protocol carries."""

OnProgress = Callable[[Progress], None]
OnOutput = Callable[[int, bytes], Awaitable[None] | None]
"""Given KIND_DATA (standard output) or KIND_ERROR (standard error) and the bytes. What it answers is awaited."""


@dataclass(frozen=True, slots=True)
class BundleSummary:
    """A bundle that arrived whole. `collectors`: name → how it ended."""

    path: Path
    size: int
    sha256: str
    seconds: float
    collectors: Mapping[str, str]


class Session:
    """One connected session. `async with`; leaving it disconnects, the session goes on."""

    def __init__(
        self,
        link: AgentLink,
        folder: SessionFolder,
        ending: Ending,
        clock: Callable[[], datetime],
        memory: LogMemory,
        successions: Callable[[], Awaitable[tuple[str, ...]]],
    ) -> None:
        self._link = link
        self._memory = memory
        self._successions = successions
        self._watching: asyncio.Task[None] | None = None
        self._folder = folder
        self._ending = ending
        self._clock = clock
        self._machine: UseMachine | None = None
        facts = folder.facts()
        self.id = facts.session
        self.ticket = facts.ticket
        self.subject = facts.subject
        self.opened = facts.opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect; the session goes on until it is ended."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._link.close()

    async def compare_logs(self) -> None:
        """Agree with the agent on the relay's log, now and each minute. Raises VerificationError; see log_watch.py."""
        await compare(self._link, self._memory, self._successions)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch_log())

    async def _watch_log(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await compare(self._link, self._memory, self._successions)
            except VerificationError as error:
                self._link.distrust = error
                return
            except AssistError:
                continue  # the link is cut or the session over: whoever acts is told

    def on(self, machine: UseMachine) -> "Session":
        """The same session as it acts on a machine behind the customer's (scope hop). Shares this one's connection."""
        there = copy.copy(self)
        there._machine = machine
        there._watching = None
        return there

    async def status(self) -> Status:
        """What is granted now, and until when."""
        async with self._link.conversation(self._machine) as conversation:
            status = (await conversation.ask(AskStatus())).status
        assert status is not None
        if status.session != self.id:
            raise RemoteProtocolError("the agent answered for another session")
        if status.grants:
            self._folder.grant(wishes_of(status.grants), status.ends)
        return status

    async def collect(
        self,
        bundle: str = DEFAULT_BUNDLE,
        out: Path | None = None,
        on_progress: OnProgress | None = None,
        *,
        since_seconds: int = 0,
        seal_to: bytes = b"",
    ) -> BundleSummary:
        """Run a bundle; it is kept as the session's last one and copied to `out`.

        `since_seconds`: of logs, only what is so new; `seal_to`: the agent seals it to these 32 bytes of X25519.
        """
        request = collect_request(bundle, since_seconds=since_seconds, seal_to=seal_to)
        began = asyncio.get_running_loop().time()
        collectors: dict[str, str] = {}

        def note(progress: Progress) -> None:
            collectors[progress.item] = progress.status
            if on_progress is not None:
                on_progress(progress)

        part = PartFile(self._bundle, force=True)
        try:
            await part.open()
            async with self._link.conversation(self._machine) as conversation:
                await conversation.begin(request)
                await part.start_at(0)
                done = await _receive_bundle(conversation, part, note)
            path = await part.finish(sha256=done.sha256, size=done.size)
        finally:
            await part.close()
        if out is not None:
            await asyncio.to_thread(copy_bundle, path, out)
        seconds = asyncio.get_running_loop().time() - began
        return BundleSummary(out or path, done.size, done.sha256, seconds, collectors)

    async def expected(self, bundle: str) -> "Estimate":
        """Size and time of a bundle: on the customer's machine by its agent's reckoning, on another one behind it by
        the last bundle of that machine.
        """
        from remote_assist.core.catalog.estimates import Estimate

        if self._machine is not None:
            return await asyncio.to_thread(expected_bundle, bundle, self._bundle)
        item = collect_request(bundle)
        async with self._link.conversation(None) as conversation:
            told = await conversation.estimate(EstimateLook(bundle=bundle, version=item.version, digest=item.digest))
        return Estimate(**msgspec.structs.asdict(told))

    async def findings(self, bundle_file: Path | None = None) -> "list[Finding]":
        """What known issues say about a bundle: the one named, else the session's last, else a fresh first-look."""
        if bundle_file is None and not self._bundle.is_file():
            await self.collect(DEFAULT_BUNDLE)
        return await asyncio.to_thread(evaluate_bundle, bundle_file or self._bundle)

    async def facts(self, bundle_file: Path | None = None) -> Mapping[str, object]:
        """The facts of a bundle: the one named, else the session's last. Raises UsageError when there is none."""
        return await asyncio.to_thread(facts_of, bundle_file or self._bundle)

    @property
    def _bundle(self) -> Path:
        return self._folder.bundle_of("" if self._machine is None else self._machine.place)

    async def texts(self, bundle_file: Path | None = None) -> Mapping[str, str]:
        """The texts of a bundle (logs, reports) by name, as `facts`."""
        return await asyncio.to_thread(texts_of, bundle_file or self._folder.bundle)

    @property
    def has_bundle(self) -> bool:
        """Whether a bundle of this session lies on this machine."""
        return self._bundle.is_file()

    async def plan(self, fix: str, version: int, digest: str, parameters: Mapping[str, str]) -> Plan:
        """Prechecks and dry run of a fix; nothing is changed."""
        request = PlanFix(fix=fix, version=version, digest=digest, parameters=dict(parameters))
        async with self._link.conversation(self._machine) as conversation:
            result = await conversation.ask(request)
        assert result.done is not None
        if result.plan is None:
            check_done(result.done)
            raise RemoteProtocolError("the agent sent no plan")
        return result.plan

    async def apply(
        self, plan_digest: str, on_progress: OnProgress | None = None, *, approval: Approval | None = None
    ) -> Done:
        """Run a plan; the customer may be asked. `status`: resolved, rolled-back, failed or restarting.

        `approval` is a second technician's, for a plan of high risk.
        """
        request = ApplyFix(plan=plan_digest, approval=approval)
        async with self._link.conversation(self._machine) as conversation:
            await conversation.begin(request, deadline_seconds=CONSENT_SECONDS)
            result = await conversation.finish(on_progress=on_progress)
        assert result.done is not None
        return result.done

    async def run(
        self, argv: Sequence[str], *, stdin: AsyncIterable[bytes] | None = None, on_output: OnOutput, folder: str = ""
    ) -> Done:
        """Run a program; `exit` of the answer is its status, or -N for signal N."""
        _check_argv(argv)

        async def hand_on(kind: int, data: bytes) -> None:
            waiting = on_output(kind, data)
            if waiting is not None:
                await waiting

        async with self._link.conversation(self._machine) as conversation:
            await conversation.begin(Run(argv=tuple(argv), stdin=stdin is not None, folder=folder))
            async with _feeding(conversation, stdin):
                result = await conversation.finish(on_data=hand_on)
        assert result.done is not None
        return result.done

    async def screenshot(self, out: Path | None = None) -> Shot:
        """Ask the customer for one picture, which is kept. Raises ConsentDenied."""
        async with self._link.conversation(self._machine) as conversation:
            return await take_picture(conversation, self._folder, out, CONSENT_SECONDS)

    def shell(self, *, term: str, columns: int, rows: int) -> contextlib.AbstractAsyncContextManager[Terminal]:
        """The customer's shell at a terminal, open as long as the `async with` lasts; see technician/terminal.py."""
        return open_terminal(self._link, self._machine, term=term, columns=columns, rows=rows)

    async def ls(self, path: bytes) -> list[Entry]:
        """Entries of a folder, or the one file named."""
        return list((await self.listing(path)).entries)

    async def listing(self, path: bytes) -> FolderListing:
        """Entries of a folder, and whether there were more."""
        async with self._link.conversation(self._machine) as conversation:
            return await files.list_folder(conversation, path)

    async def get(
        self,
        remote: bytes,
        folder: Path,
        on_progress: OnProgress | None = None,
        *,
        force: bool = False,
        keep: bool = False,
    ) -> FetchedFile:
        """Fetch one file into a local folder; with `keep` a sealed copy stays for the reviewers."""
        async with self._link.conversation(self._machine) as conversation:
            return await files.fetch(conversation, remote, folder, force=force, keep=keep, on_progress=on_progress)

    async def get_folder(
        self,
        remote: bytes,
        folder: Path,
        on_progress: OnProgress | None = None,
        on_file: OnFile | None = None,
        *,
        force: bool = False,
        keep: bool = False,
        limits: FolderLimits | None = None,
    ) -> FetchedFolder:
        """Fetch a folder with all below it into a local folder; see technician/folder_fetch.py."""
        if self._machine is not None:
            raise UsageError(
                "a whole folder is fetched from the customer's own machine only", advice="Name the files one by one."
            )
        wish = Wish(remote, folder, force=force, keep=keep, limits=limits or FolderLimits())
        return await FolderFetch(self._link.conversation, wish, on_progress, on_file).run()

    async def peek(self, remote: bytes, max_bytes: int) -> tuple[bytes, bool]:
        """The first bytes of a file, and whether that is all of it; the rest is not sent."""
        async with self._link.conversation() as conversation:
            content = await files.begin(conversation, remote, max_bytes)
            if not conversation.is_quiet:
                await conversation.close()  # which cancels the rest
            return content, conversation.is_quiet

    async def put(
        self, local: Path, folder: bytes, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Done:
        """Bring one local file into a remote folder."""
        async with self._link.conversation(self._machine) as conversation:
            return await files.bring(conversation, local, folder, force=force, on_progress=on_progress)

    @contextlib.asynccontextmanager
    async def forward(self, endpoint: Endpoint, port: int = 0) -> AsyncIterator[int]:
        """A port of this machine's loopback that leads to `endpoint` while this lasts; each connection is an action.

        Raises RefusedError when the customer has not granted exactly this endpoint, UsageError for a taken port.
        """
        grants = (await self.status()).grants
        if not any(grant.scope == "forward" and str(endpoint) in (grant.places or ()) for grant in grants):
            raise RefusedError(
                f"the customer has not allowed forward={endpoint}",
                reason="out-of-scope",
                advice=f"Ask for it: `remote-assist request {self.id} forward={endpoint}`.",
            )
        async with self._link.forward(endpoint, port) as listening_port:
            yield listening_port

    async def request_scopes(self, scopes: Sequence[str], seconds: int, reason: str = "") -> Status:
        """Ask the customer for more. Raises ConsentDenied."""
        request = RequestScopes(scopes=tuple(scopes), seconds=seconds, reason=reason)
        async with self._link.conversation(self._machine) as conversation:
            result = await conversation.ask(request, deadline_seconds=CONSENT_SECONDS)
        assert result.done is not None
        check_done(result.done)
        return await self.status()

    async def say(self, text: str) -> Done:
        """Say a line to the customer. Raises UsageError, RefusedError for one that shows a support code."""
        async with self._link.conversation(self._machine) as conversation:
            result = await conversation.ask(SayChat(text=checked_line(text)))
        assert result.done is not None
        return check_done(result.done)

    async def chat_lines(self, after: int = 0) -> list[ChatLine]:
        """What was said so far, after line `after`."""
        lines: list[ChatLine] = []
        async with self._link.conversation(self._machine) as conversation:
            await conversation.follow(FollowChat(after=after, wait=False), lines.append)
        return lines

    async def follow_chat(self, on_line: Callable[[ChatLine], None], after: int = 0) -> None:
        """Hand on what is said after line `after`, as it comes, until cancelled or the session is over."""
        async with self._link.conversation(self._machine) as conversation:
            await conversation.follow(FollowChat(after=after), on_line)

    @contextlib.asynccontextmanager
    async def disclosing(self, request: Disclose) -> AsyncIterator[Callable[[Disclosed], Awaitable[None]]]:
        """Have a disclosure recorded and shown to the customer; entered once it may go (technician/disclosing.py).

        What it gives takes what came of it; left without that word, the record says that nobody knows.
        """
        async with self._link.conversation() as conversation:
            await conversation.begin(request)

            async def tell(said: Disclosed) -> None:
                await conversation.send_data(encode(said))
                await conversation.send(InputEnd())
                await conversation.finish()

            yield tell

    async def share(self, request: Share) -> Done:
        """Ask the customer to let a second technician in. Raises ConsentDenied."""
        async with self._link.conversation() as conversation:
            result = await conversation.ask(request, deadline_seconds=CONSENT_SECONDS)
        assert result.done is not None
        return check_done(result.done)

    async def end(self, note: str, reason: str = "", minutes: int | None = None) -> EndResult:
        """End for everybody, with a closing note on the ticket and the time spent, if it is said.

        Raises UnreachableError saying what is undelivered.
        """
        self._ending.check_note(note)
        return await self._ending.finish(self._folder, note, await self.say_end(reason), minutes=minutes)

    async def say_end(self, reason: str) -> Done:
        """Tell the agent; answered once its end record is acknowledged."""
        if len(reason) > 200:
            raise UsageError("a reason has at most 200 characters")
        await self.compare_logs()
        async with self._link.conversation(self._machine) as conversation:
            result = await conversation.ask(EndSession(reason=reason))
        assert result.done is not None
        return result.done


async def _receive_bundle(conversation: Conversation, part: PartFile, on_progress: OnProgress) -> Done:
    async def take(_: int, data: bytes) -> None:
        await part.write(data)

    result = await conversation.finish(on_progress=on_progress, on_data=take)
    assert result.done is not None
    return check_done(result.done)


@contextlib.asynccontextmanager
async def _feeding(conversation: Conversation, stdin: AsyncIterable[bytes] | None) -> AsyncIterator[None]:
    """Send standard input while the program runs; what it does not read is dropped with it."""
    if stdin is None:
        yield
        return
    feeder = asyncio.create_task(_feed(conversation, stdin))
    try:
        yield
    finally:
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)


async def _feed(conversation: Conversation, stdin: AsyncIterable[bytes]) -> None:
    async for data in stdin:
        await conversation.send_data(data)
    await conversation.send(InputEnd())


def _check_argv(argv: Sequence[str]) -> None:
    if not argv or not argv[0]:
        raise UsageError("no program was named", advice="Write it after --: remote-assist run SESSION -- uname -a")
    if len(argv) > MAX_ARGUMENTS:
        raise UsageError(f"a command has at most {MAX_ARGUMENTS} words")
    for word in argv:
        if "\0" in word or any(0xD800 <= ord(sign) <= 0xDFFF for sign in word):
            raise UsageError("a word of the command is not text", advice="Arguments are UTF-8 without NUL.")

"""The technician's desk: everything a logged-in technician can do, for the TUI and the verbs alike.

Opened from the stored login; nothing here prints, asks or knows a screen.
"""

import asyncio
import contextlib
import importlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from remote_assist.audit.log_memory import LogMemory
from remote_assist.core.api import Deliveries, LoggedRecord, NewNote, SessionSummary, Ticket
from remote_assist.core.identity.certificates import ca_of
from remote_assist.core.identity.lists import TrustedLists, open_lists
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import RecordDraft, decode_record
from remote_assist.core.requests import Done
from remote_assist.core.resume import LinkNews
from remote_assist.core.signing.keys import fingerprint
from remote_assist.core.ticket_ids import read_ticket_id
from remote_assist.core.time_spent import MAX_MINUTES
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.api import RelayApi, open_api
from remote_assist.technician.ending import Ending, EndResult
from remote_assist.technician.home import LOG_IN_AGAIN, Home, Identity, addresses_of
from remote_assist.technician.login import (
    AskPassphrase,
    Credential,
    open_credential,
    read_certificate_line,
    verify_lists,
)
from remote_assist.technician.session_folder import SessionFacts, SessionFolder

if TYPE_CHECKING:  # only names for types: SSH and pairing take a while to load, and who lists tickets needs neither
    from remote_assist.core.agreements.sharing import Part
    from remote_assist.core.codes import SupportCode
    from remote_assist.technician.accept import OnPaired
    from remote_assist.technician.disclosing import Place
    from remote_assist.technician.disclosure_choice import Choice
    from remote_assist.technician.disclosure_preview import Preview
    from remote_assist.technician.enrolled_machines import EnrolledMachine
    from remote_assist.technician.evidence import BundlesCompared
    from remote_assist.technician.invite import Invitation
    from remote_assist.technician.knowledge import Article
    from remote_assist.technician.pairing_attempt import Inviter
    from remote_assist.technician.session import Session

ANSWER_SECONDS = 60.0
"""How long an enrolled machine may take to answer a call."""

__all__ = ["Desk", "EndResult"]


def _no_passphrase(question: str) -> bytes:
    raise RefusedError("the key needs its passphrase, and nobody can be asked", reason="passphrase")


def _tell_nobody(_session: str, _news: LinkNews, _since: datetime) -> None:
    return


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Desk:
    """One login at one relay. `async with`."""

    def __init__(
        self,
        settings: TechnicianSettings,
        home: Home,
        api: RelayApi,
        identity: Identity,
        token: str,
        lists: TrustedLists,
        ca_line: str,
        ask_passphrase: AskPassphrase,
        clock: Callable[[], datetime],
    ) -> None:
        self.settings = settings
        self.home = home
        self.api = api
        self.identity = identity
        self.lists = lists
        self.ca_line = ca_line
        self._token = token
        self._ask_passphrase = ask_passphrase
        self._clock = clock
        self.on_link: Callable[[str, LinkNews, datetime], None] = _tell_nobody
        """Told, with the session's id and the time of the cut, when a way to an agent is cut, back, or given up."""
        self._invitations: list[Invitation] = []
        self._ending = Ending(api, self._live_words)

    @classmethod
    async def open(
        cls,
        settings: TechnicianSettings,
        *,
        ask_passphrase: AskPassphrase = _no_passphrase,
        clock: Callable[[], datetime] = _utc_now,
    ) -> "Desk":
        """Use the stored login. `settings.relay_url` may be empty: then the login's relay is taken.

        Raises RefusedError when nobody is logged in (there), VerificationError when the stored lists do not hold.
        """
        home = Home(settings.home)
        identity, token = home.identity(), home.token()
        addresses = addresses_of(settings, identity)
        ca_line = ca_of(read_certificate_line(Path(identity.certificate_file)))
        api = open_api(settings, addresses, token.token)
        try:
            lists = await _trusted_lists(home, api, ca_line, clock())
        except BaseException:
            await api.close()
            raise
        home.forget_expired_keys(clock())
        return cls(settings, home, api, identity, token.token, lists, ca_line, ask_passphrase, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the relay; codes that still wait are burned."""
        for invitation in self._invitations:
            await invitation.cancel()
        await self.api.close()

    @property
    def name(self) -> str:
        """The technician's name, as the certificate says it."""
        return self.identity.name

    @property
    def organisation(self) -> str:
        """The organisation's name, from the CA-signed list only."""
        return self.lists.organisation.name

    @property
    def log_keys(self) -> tuple[str, ...]:
        """The relay's log keys the CA vouches for."""
        return self.lists.organisation.signing_keys

    # --- tickets ----------------------------------------------------------------------------------

    async def tickets(self) -> tuple[Ticket, ...]:
        """All tickets."""
        return await self.api.tickets()

    async def ticket(self, ticket: str) -> Ticket:
        """One ticket with its notes."""
        return await self.api.ticket(ticket)

    async def new_ticket(self, subject: str, description: str = "") -> Ticket:
        """Open a ticket."""
        return await self.api.new_ticket(subject, description)

    async def add_note(self, ticket: str, text: str, *, key: str, session: str = "") -> None:
        """Disclose words on a ticket; refused when they contain a support code. `key` makes a repeat harmless."""
        self._ending.check_note(text)
        await self.api.add_note(ticket, NewNote(text=text, key=key, session=session))

    async def add_time(self, ticket: str, minutes: int, text: str) -> bool:
        """Note time spent on a ticket; whether its own system books it, else it stands in the note alone.

        Each call is time of its own. Raises UsageError for no minutes, RefusedError for a text with a support code,
        UnreachableError, after which the ticket says whether it was noted.
        """
        if not 0 < minutes <= MAX_MINUTES:
            raise UsageError("time spent is 1 minute to 24 hours", advice="Write 15m or 2h.")
        self._ending.check_note(text)
        try:
            await self.api.add_note(ticket, NewNote(text=text, key=f"time:{secrets.token_hex(12)}", minutes=minutes))
        except UnreachableError as error:
            raise UnreachableError(error.message, advice="Look at the ticket before noting it again.") from error
        return (await self.api.ticket(ticket)).keeps_time

    async def outbox(self, *, dead: bool = False) -> Deliveries:
        """What is on its way to other ticket systems; with `dead` only what nobody tries any more."""
        return await self.api.outbox(dead=dead)

    async def retry_delivery(self, which: int = 0) -> int:
        """Let one dead delivery, or all (0), be tried again. Returns how many."""
        return await self.api.retry_delivery(which)

    @contextlib.asynccontextmanager
    async def disclosure_place(self, ticket: str) -> "AsyncIterator[Place]":
        """Where disclosures on a ticket go: its own system with the technician's login, else words by the relay."""
        from remote_assist.technician.disclosing import Book, OwnSystem
        from remote_assist.technician.own_tickets import open_own, own_systems

        named = read_ticket_id(ticket)
        own = own_systems(self.home.path).get(named.system) if named is not None else None
        if named is None or own is None:
            yield Book(self.api, ticket)
            return
        system = open_own(named.system, own)
        try:
            yield OwnSystem(system, named.ticket)
        finally:
            await system.close()

    async def preview_disclosure(self, session: str, choice: "Choice") -> "Preview":
        """What would go onto a session's ticket. Raises as `disclosure_preview.preview`."""
        from remote_assist.technician import disclosure_preview

        return await disclosure_preview.preview(self, session, choice)

    # --- sessions ---------------------------------------------------------------------------------

    async def invite(
        self, ticket: Ticket, scopes: tuple[str, ...], seconds: int, *, machine: str = "", enrolling: bool = False
    ) -> "Invitation":
        """A support code for this ticket's customer. May ask for the key's passphrase.

        With `machine` that enrolled machine is called instead; `enrolling`: the customer's machine is enrolled by it.
        """
        from remote_assist.technician.invite import Invitation, Wanted

        wanted = Wanted(ticket, scopes, seconds, machine, enrolling)
        wanted.check()
        invitation = await Invitation.open(await self._inviter(), wanted)
        self._invitations.append(invitation)
        return invitation

    async def accept(
        self,
        code: "SupportCode",
        ticket: Ticket,
        scopes: tuple[str, ...],
        seconds: int,
        on_paired: "OnPaired" = lambda agent: None,
    ) -> str:
        """Take a code that the customer made (`ask`); answers the session's id. May ask for the key's passphrase.

        `on_paired` is told once the code was right and the customer is asked. Raises CodeBurned, ConsentDenied.
        """
        from remote_assist.technician.accept import accept
        from remote_assist.technician.pairing_attempt import Wanted

        wanted = Wanted(ticket, scopes, seconds)
        wanted.check()
        return await accept(await self._inviter(), wanted, code, on_paired)

    async def _inviter(self) -> "Inviter":
        """Who pairs: the login, with the newest lists, at a log that still holds."""
        from remote_assist.technician.log_watch import look
        from remote_assist.technician.pairing_attempt import Inviter

        now, credential = self._clock(), self._credential()
        raw = await self.api.lists()
        self.lists = verify_lists(self.home, raw, credential.certificate, now=now)
        self.home.remember_lists(raw)
        await look(self.api, self._log_memory())
        return Inviter(
            self.settings,
            self.home,
            self.identity.relay,
            self._token,
            credential,
            raw,
            self._clock,
            self.api.addresses,
            revoked=frozenset(self.lists.revocations.serials),
            record=self._own_record,
        )

    async def call(self, machine: str, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> str:
        """A session with an enrolled machine, as far as its standing consent allows; answers its id.

        Raises VerificationError when another machine answers, ConsentDenied, RefusedError when it is not connected.
        """
        async with await self.invite(ticket, scopes, seconds, machine=machine) as called:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await called.paired()
            except TimeoutError as error:
                raise UnreachableError("the machine did not answer in time", advice="Try again.") from error

    async def machines(self) -> "tuple[EnrolledMachine, ...]":
        """The enrolled machines this relay knows, each with a signature of the organisation that holds."""
        from remote_assist.technician.enrolled_machines import vouched_for

        return vouched_for(await self.api.machines(), ca_line=self.ca_line, revoked=self.lists.revocations.serials)

    async def machine(self, name: str) -> "EnrolledMachine":
        """One of them, by name or id. Raises UsageError for none, or several of that name."""
        from remote_assist.technician.enrolled_machines import the_one

        return the_one(await self.machines(), name)

    async def _own_record(self, draft: RecordDraft) -> None:
        from remote_assist.technician.own_records import OwnRecords

        own = OwnRecords(self.api, self._credential(), self.identity.role, self.log_keys, clock=self._clock)
        await own.write(draft)

    async def sessions(self) -> tuple[SessionSummary, ...]:
        """The technician's sessions (a reviewer: all), as the relay tells them."""
        return await self.api.sessions()

    async def session_summary(self, session: str) -> SessionSummary:
        """One session, as the relay tells it."""
        return await self.api.session(session)

    def session_facts(self, session: str) -> SessionFacts:
        """What this machine knows of a session. Raises UsageError when it was not opened from here."""
        return self.home.session(session).facts()

    def session_folder(self, session: str) -> SessionFolder:
        """The files of a session opened from here."""
        return self.home.session(session)

    async def connect(self, session: str) -> "Session":
        """SSH to the session's agent, both keys pinned. Raises UsageError, RefusedError, UnreachableError."""
        ssh = await asyncio.to_thread(importlib.import_module, "remote_assist.technician.session")
        from remote_assist.technician.agent_link import AgentLink, Route
        from remote_assist.technician.conversation import Ledger

        folder = self.home.session(session)
        facts = folder.facts()
        if facts.relay != self.identity.relay:
            raise UsageError(
                f"session {session} runs through {facts.relay}", advice=f"Log in there: {LOG_IN_AGAIN} --relay URL"
            )
        ledger = Ledger(session, folder, self.log_keys)

        def tell(news: LinkNews, since: datetime) -> None:
            self.on_link(session, news, since)

        link = await AgentLink.open(Route(self.settings, self.api.addresses, self._token, ledger, self._clock, tell))
        memory = self._log_memory()
        connected: Session = ssh.Session(link, folder, self._ending, self._clock, memory, self.api.successions)
        try:
            await connected.compare_logs()
        except BaseException:
            await connected.close()
            raise
        return connected

    async def share(self, session: str, certificate_file: Path, part: "Part", seconds: int) -> Done:
        """Ask the customer to let the holder of a certificate into a session. May ask for the key's passphrase.

        Raises VerificationError for a certificate no agent would take, ConsentDenied for a no.
        """
        from remote_assist.technician.sharing import invitation_for

        facts = self.home.session(session).facts()
        request = invitation_for(
            facts,
            read_certificate_line(certificate_file, advice="Name the file of theirs: NAME-cert.pub."),
            part,
            seconds,
            credential=self._credential(),
            lists=self.lists,
            now=self._clock(),
        )
        async with await self.connect(session) as connected:
            return await connected.share(request)

    async def attach(self, session: str) -> SessionFacts:
        """Enter a session that another technician shared or handed over. May ask for the key's passphrase."""
        from remote_assist.technician.sharing import Newcomer

        if self.home.has_session(session):
            facts = self.home.session(session).facts()
            if facts.part != "observer" and not facts.is_over(self._clock()):
                raise UsageError(f"session {session} is usable from here already")
        newcomer = Newcomer(self.settings, self.home, self.api, self._token, self._credential(), self._clock)
        return await newcomer.attach(session)

    def _credential(self) -> Credential:
        return open_credential(
            Path(self.identity.key_file),
            read_certificate_line(Path(self.identity.certificate_file)),
            role="technician",
            ask_passphrase=self._ask_passphrase,
            now=self._clock(),
        )

    async def end(
        self, session: str, note: str, reason: str = "", *, closing: bool = True, minutes: int | None = None
    ) -> EndResult:
        """End a session for everybody, with a closing note; one that ended already only gets the note.

        `minutes`: the time spent, where the technician says it; None leaves it to the relay's settings.
        With `closing=False` the ticket stays open: a worker looked, people go on.

        Raises UnreachableError that says what is undelivered.
        """
        from remote_assist.technician.log_watch import look

        self._ending.check_note(note)
        folder = self.home.session(session)
        try:
            await look(self.api, self._log_memory())
            if (await self.api.session(session)).state == "ended":
                return await self._ending.finish(folder, note, None, closing=closing, minutes=minutes)
            async with await self.connect(session) as connected:
                done = await connected.say_end(reason)
        except UnreachableError as error:
            raise UnreachableError(
                f"{error.message}; undelivered: the end of session {session} and the closing note",
                advice="Repeat the same `end` later; the customer can end the session at any time.",
            ) from error
        return await self._ending.finish(folder, note, done, closing=closing, minutes=minutes)

    async def records(self, session: str) -> list[LoggedRecord]:
        """A session's records as the relay stores them; verify them before believing."""
        return await self.api.records(session)

    async def timeline(self, session: str) -> tuple[str, ...]:
        """A session's records as lines for people, oldest first; unverified, and hostile until `safe_text`."""
        from remote_assist.audit.timeline import timeline
        from remote_assist.core.agreements.sharing import technicians_in

        records = [decode_record(one.record) for one in await self.api.records(session)]
        return tuple(line.text() for line in timeline(records, names=technicians_in(records)))

    async def articles(self) -> "tuple[Article, ...]":
        """What this machine's catalog knows: issues and fixes, to be read."""
        knowledge = await asyncio.to_thread(importlib.import_module, "remote_assist.technician.knowledge")
        read: tuple[Article, ...] = await asyncio.to_thread(knowledge.articles)
        return read

    async def compare(self, older: Path, newer: Path) -> "BundlesCompared":
        """What changed on a machine between two bundles. Raises ContentError, UsageError."""
        evidence = await asyncio.to_thread(importlib.import_module, "remote_assist.technician.evidence")
        compared: BundlesCompared = await asyncio.to_thread(evidence.compare_bundles, older, newer)
        return compared

    def shown_acknowledgements(self, session: str) -> Sequence[Acknowledgement]:
        """The acknowledgements this technician was shown: a copy the relay's operator cannot change."""
        return self.home.session(session).acknowledgements() if self.home.has_session(session) else []

    def _log_memory(self) -> LogMemory:
        return LogMemory(self.home.path, self.identity.relay, self.log_keys, clock=self._clock)

    def _live_words(self) -> tuple[str, ...]:
        return tuple(one.code.words for one in self._invitations)


async def _trusted_lists(home: Home, api: RelayApi, ca_line: str, now: datetime) -> TrustedLists:
    """The stored lists; when they do not hold any more (expired), newer ones from the relay, verified alike."""
    floors = home.floors(fingerprint(ca_line))
    try:
        return open_lists(home.lists(), ca_line=ca_line, now=now, floors=floors)
    except VerificationError as stale:
        try:
            raw = await api.lists()
        except AssistError:
            raise stale from None
    lists = open_lists(raw, ca_line=ca_line, now=now, floors=floors)
    home.raise_floors(fingerprint(ca_line), lists.numbers)
    home.remember_lists(raw)
    return lists

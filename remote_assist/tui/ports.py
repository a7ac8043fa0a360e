"""What the screens need of the technician's side, and nothing more: the façade's own names and signatures.

The real ones are `technician.desk.Desk`, `Session` and `Invitation`; tests hand in a small world of their own.
Rule: every string that comes back is a peer's (`HostileStr` in all but type) until a widget showed it by `shown`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from remote_assist.core.agreements.sharing import Part
from remote_assist.core.api import Deliveries, SessionSummary, Ticket
from remote_assist.core.codes import SupportCode
from remote_assist.core.log.asciicast import Event, Header
from remote_assist.core.log.kept import Kept
from remote_assist.core.messages import AgentStatement
from remote_assist.core.requests import ChatLine, Done, Entry, Plan, Progress, Status
from remote_assist.core.resume import LinkNews
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.technician.knowledge import Article
from remote_assist.technician.transfers import FileMover

if TYPE_CHECKING:  # only a name for a type: pairing takes a while to load
    from remote_assist.core.agreements.enrolment import Machine

OnProgress = Callable[[Progress], None]
OnOutput = Callable[[int, bytes], None]
"""Told the kind of frame (standard output or error) and its bytes."""

AskPassphrase = Callable[[str], bytes]


class EvidencePort(Protocol):
    """Where in the bundle a finding can be checked: a collector's facts and a JSON pointer into them."""

    @property
    def collector(self) -> str: ...
    @property
    def pointer(self) -> str: ...


class FindingPort(Protocol):
    """What a known issue says about a bundle. `outcome`: fail, warn, unknown, pass or skipped."""

    @property
    def issue(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def title(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def explanation(self) -> str: ...
    @property
    def evidence(self) -> "Sequence[EvidencePort]": ...
    @property
    def fix(self) -> str: ...
    @property
    def fix_version(self) -> int: ...
    @property
    def fix_digest(self) -> str: ...
    @property
    def fix_title(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, str]: ...


class EndPort(Protocol):
    """How ending went; `undelivered` says what still waits for the relay, or is empty."""

    @property
    def undelivered(self) -> str: ...


class InvitationPort(Protocol):
    """A support code that waits for its customer."""

    @property
    def code(self) -> SupportCode: ...
    @property
    def expires(self) -> datetime: ...
    @property
    def spoken(self) -> str: ...

    async def paired(self, on_new_code: Callable[[SupportCode], None] | None = None) -> str:
        """The session's id; `on_new_code`: the relay replaced the nameplate.

        Raises CodeBurned, ConsentDenied, UnreachableError.
        """

    async def cancel(self) -> None:
        """Burn the code."""


class LookingPort(Protocol):
    """Seeing a machine."""

    async def status(self) -> Status: ...
    async def collect(self, bundle: str, out: Path, on_progress: OnProgress) -> object: ...
    async def findings(self, bundle_file: Path | None = None) -> Sequence[FindingPort]: ...
    async def facts(self, bundle_file: Path | None = None) -> Mapping[str, object]: ...
    async def texts(self, bundle_file: Path | None = None) -> Mapping[str, str]: ...


class FilesPort(Protocol):
    """Looking at files; moving them is `FileMover`."""

    async def ls(self, path: bytes) -> Sequence[Entry]: ...
    async def peek(self, remote: bytes, max_bytes: int) -> tuple[bytes, bool]:
        """The beginning of a file, and whether that is all of it."""


class ActingPort(Protocol):
    """Changing a machine, and ending."""

    async def plan(self, fix: str, version: int, digest: str, parameters: Mapping[str, str]) -> Plan: ...
    async def apply(self, plan_digest: str, on_progress: OnProgress) -> Done: ...
    async def run(self, argv: Sequence[str], *, stdin: AsyncIterable[bytes] | None, on_output: OnOutput) -> Done: ...
    async def request_scopes(self, scopes: tuple[str, ...], seconds: int, reason: str) -> Status: ...
    async def end(self, note: str, reason: str, minutes: int | None) -> EndPort:
        """`minutes`: time spent for the ticket; None: as the relay's settings say."""


class ChatPort(Protocol):
    """Writing to the customer."""

    async def say(self, text: str) -> Done: ...
    async def follow_chat(self, on_line: Callable[[ChatLine], None], after: int) -> None: ...


class TerminalPort(Protocol):
    """One open terminal at the customer's."""

    @property
    def done(self) -> Done | None: ...
    async def write(self, raw: bytes) -> None: ...
    async def resize(self, columns: int, rows: int) -> None: ...
    def output(self) -> AsyncIterator[bytes]: ...


class ShellPort(Protocol):
    """Terminals."""

    def shell(self, *, term: str, columns: int, rows: int) -> AbstractAsyncContextManager[TerminalPort]: ...


Translate = Callable[[str], Awaitable[str]]
"""What the technician's own command makes of a line. Raises AssistError."""


class SessionPort(LookingPort, FilesPort, FileMover, ActingPort, ChatPort, ShellPort, Protocol):
    """One session, its link up."""

    @property
    def id(self) -> str: ...
    @property
    def ticket(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def opened(self) -> str:
        """RFC 3339."""

    @property
    def has_bundle(self) -> bool:
        """Whether a bundle of this session lies on this machine."""

    async def close(self) -> None:
        """Leave; the session itself goes on."""


OnLink = Callable[[str, LinkNews, datetime], None]
"""Told of a session that the way to its agent was cut, is back, or was given up; with the time of the cut."""


class TicketBookPort(Protocol):
    """The relay's tickets."""

    async def tickets(self) -> Sequence[Ticket]: ...
    async def ticket(self, ticket: str) -> Ticket: ...
    async def new_ticket(self, subject: str, description: str = "") -> Ticket: ...
    async def add_note(self, ticket: str, text: str, *, key: str, session: str = "") -> None: ...
    async def add_time(self, ticket: str, minutes: int, text: str) -> bool: ...


class OutboxPort(Protocol):
    """Notes on their way to other ticket systems."""

    async def outbox(self, *, dead: bool = False) -> Deliveries: ...
    async def retry_delivery(self, which: int = 0) -> int: ...


class ChangePort(Protocol):
    """One difference between two bundles. `change`: added, removed, changed or unknown."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


class ComparedPort(Protocol):
    """What changed, and what to know about the comparison."""

    @property
    def changes(self) -> Sequence[ChangePort]: ...
    @property
    def notes(self) -> Sequence[str]: ...


class ReadingPort(Protocol):
    """What is read on this machine."""

    async def articles(self) -> Sequence[Article]: ...
    async def compare(self, older: Path, newer: Path) -> ComparedPort: ...


class EnrolledPort(Protocol):
    """A machine whose enrolment was checked. `here`: it can be called now, says the relay; `seen`: RFC 3339."""

    @property
    def machine(self) -> "Machine": ...
    @property
    def here(self) -> bool: ...
    @property
    def seen(self) -> str: ...


class MachinesPort(Protocol):
    """Machines nobody sits at."""

    async def machines(self) -> Sequence[EnrolledPort]: ...
    async def call(self, machine: str, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> str: ...


class DisclosurePort(Protocol):
    """What is put on a ticket."""

    @property
    def kind(self) -> str: ...
    @property
    def readers(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def raw(self) -> bytes: ...
    @property
    def sha256(self) -> str: ...


class PreviewPort(Protocol):
    """A disclosure before it is sent. `private`: what in it looks like a secret, or empty. `sealed_to`: a key."""

    @property
    def ticket(self) -> str: ...
    @property
    def what(self) -> DisclosurePort: ...
    @property
    def text(self) -> str: ...
    @property
    def private(self) -> str: ...
    @property
    def sealed_to(self) -> Path | None: ...
    async def send(self) -> str:
        """Record it, show it to the customer, put it on the ticket."""


class DisclosingPort(Protocol):
    """Putting what of a session on its ticket: shown first, sent then."""

    async def preview_disclosure(self, session: str, choice: Choice) -> PreviewPort: ...


class SharingPort(Protocol):
    """Letting a colleague in: as observer, beside oneself, or in one's place."""

    async def share(self, session: str, certificate_file: Path, part: Part, seconds: int) -> Done: ...


class RecordingPort(Protocol):
    """A recording that was checked against the log. `faults`: what did not hold."""

    @property
    def title(self) -> str: ...
    @property
    def faults(self) -> Sequence[str]: ...
    def open(self) -> tuple[Header, Iterator[Event]]:
        """Read it from its beginning. Raises ContentError, also from the iterator."""

    def close(self) -> None: ...


class RecordingsPort(Protocol):
    """What is recorded of a session, for whoever holds a reviewers' key."""

    async def listed(self, session: str) -> Sequence[Kept]: ...
    async def fetched(self, session: str, name: str, key: Path) -> RecordingPort: ...


OpenRecordings = Callable[[], RecordingsPort]
"""Loads what reading recordings takes; may block, and is asked once somebody wants one."""


class DeskPort(TicketBookPort, OutboxPort, ReadingPort, SharingPort, MachinesPort, DisclosingPort, Protocol):
    """A technician, logged in."""

    on_link: OnLink

    @property
    def name(self) -> str:
        """Who the technician is, by their certificate."""

    async def invite(self, ticket: Ticket, scopes: tuple[str, ...], seconds: int) -> InvitationPort: ...
    async def accept(
        self,
        code: SupportCode,
        ticket: Ticket,
        scopes: tuple[str, ...],
        seconds: int,
        on_paired: Callable[[AgentStatement], None],
    ) -> str:
        """The id of the session that a customer's own code gives; told of the agent once the code was right."""

    async def sessions(self) -> Sequence[SessionSummary]: ...
    async def connect(self, session: str) -> SessionPort: ...
    async def timeline(self, session: str) -> Sequence[str]: ...

    async def close(self) -> None:
        """Let go of the relay; codes that still wait are burned."""


OpenDesk = Callable[[AskPassphrase], Awaitable[DeskPort]]
"""Opens the desk inside the program's own event loop; may be called again after it failed."""

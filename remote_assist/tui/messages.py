"""What widgets ask for and what the bridge answers. Requests are imperative, answers past tense.

Rule: an answer goes to the screen that asked; a screen that is gone hears nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.message import Message
from textual.message_pump import MessagePump

from remote_assist.core.api import Deliveries, SessionSummary, Ticket
from remote_assist.core.log.kept import Kept
from remote_assist.core.requests import Done, Entry, Plan, Status
from remote_assist.core.resume import LinkNews
from remote_assist.technician.bundle_shelf import ShelvedBundle
from remote_assist.technician.fact_search import FactHit
from remote_assist.technician.knowledge import Article
from remote_assist.technician.log_file import LogFile
from remote_assist.tui.job import Job
from remote_assist.tui.pending import ChatBuffer, HitBoard, OutputBuffer, ProgressBoard
from remote_assist.tui.ports import (
    ChangePort,
    EndPort,
    EnrolledPort,
    FindingPort,
    InvitationPort,
    PreviewPort,
    RecordingPort,
    SessionPort,
)
from remote_assist.tui.problem import Problem


@dataclass
class LinkChanged(Message):
    """The way to the agent was cut, is back, or was given up; it was cut at `since`."""

    news: LinkNews
    since: datetime


# --- going from screen to screen -------------------------------------------------------------------


@dataclass
class OpenSession(Message):
    """Go to this session; it stays open when another screen is shown."""

    session: str


@dataclass
class Attention(Message):
    """Something wants to be looked at; `words` are ours, never a peer's."""

    words: str


@dataclass
class LiveSessionsSeen(Message):
    """The relay told which sessions are live; posted with each look at the tickets."""

    sessions: Sequence[str]


@dataclass
class ViewChosen(Message):
    """The queue shows another view."""

    view: str


@dataclass
class LeaveSession(Message):
    """This session is over or given up: let go of its screen."""

    session: str


@dataclass
class SwitchSession(Message):
    """Go to the open session `step` places from this one."""

    session: str
    step: int


# --- requests of widgets ---------------------------------------------------------------------------


@dataclass
class PlanFix(Message):
    """Plan the fix of this finding; nothing is changed."""

    finding: FindingPort


@dataclass
class ShowFact(Message):
    """Go to the fact a finding rests on."""

    collector: str
    pointer: str


@dataclass
class RunProgram(Message):
    argv: tuple[str, ...]


# --- answers of the bridge -------------------------------------------------------------------------


@dataclass
class JobFailed(Message):
    job: Job
    problem: Problem


@dataclass
class PassphraseWanted(Message):
    """A job needs the key's passphrase; with it, `again` runs the job anew for whoever asked, `asker`."""

    asker: MessagePump
    job: Job
    question: str
    again: Callable[[], None]


@dataclass
class JobCancelled(Message):
    job: Job


@dataclass
class TicketsLoaded(Message):
    tickets: Sequence[Ticket]
    sessions: Sequence[SessionSummary]
    name: str
    undelivered: int = 0
    """Notes nobody tries to deliver any more."""


@dataclass
class OutboxLoaded(Message):
    outbox: Deliveries


@dataclass
class DeliveriesFreed(Message):
    """So many dead letters will be tried again."""

    count: int


@dataclass
class SessionsLoaded(Message):
    sessions: Sequence[SessionSummary]


@dataclass
class NoteWritten(Message):
    ticket: str


@dataclass
class TicketLoaded(Message):
    ticket: Ticket
    sessions: Sequence[SessionSummary]


@dataclass
class TicketLookedAt(Message):
    """The ticket alone, for what others wrote on it meanwhile."""

    ticket: Ticket


@dataclass
class TicketOpened(Message):
    ticket: Ticket


@dataclass
class CodeMade(Message):
    invitation: InvitationPort


@dataclass
class CodeReplaced(Message):
    """Strangers used the nameplate up; the invitation holds another code now."""


@dataclass
class CodeTaken(Message):
    """The customer's code was right: their computer, of this name, asks them now."""

    host_name: str


@dataclass
class CustomerPaired(Message):
    session: str


@dataclass
class SessionConnected(Message):
    session: SessionPort


@dataclass
class StatusRead(Message):
    status: Status
    seconds: float


@dataclass
class CustomerAnswered(Message):
    """The customer decided about a further consent; `status` is how it stands now."""

    status: Status
    seconds: float


@dataclass
class ProgressMade(Message):
    """Something moved on `board`; posted at most once until the screen looked."""

    job: Job
    board: ProgressBoard


@dataclass
class OutputArrived(Message):
    """Something lies in `buffer`; posted at most once until the screen looked."""

    buffer: OutputBuffer


@dataclass
class ChatHeard(Message):
    """Lines wait in `buffer`; posted at most once until the screen looked."""

    buffer: ChatBuffer


@dataclass
class LineSaid(Message):
    text: str


@dataclass
class LineTranslated(Message):
    number: int
    text: str


@dataclass
class TerminalNews(Message):
    """Output of a terminal waits for its view."""


@dataclass
class TerminalEnded(Message):
    done: Done | None


@dataclass
class SearchMoved(Message):
    """Hits of `word` wait on `board`; posted at most once until the screen looked."""

    word: str
    board: HitBoard


@dataclass
class SearchEnded(Message):
    word: str


@dataclass
class BundleCollected(Message):
    bundle: str


@dataclass
class FindingsMade(Message):
    findings: Sequence[FindingPort]


@dataclass
class FactsRead(Message):
    facts: Mapping[str, object]
    texts: Mapping[str, str]


@dataclass
class FactsFound(Message):
    word: str
    hits: Sequence[FactHit]


@dataclass
class FolderListed(Message):
    path: bytes
    entries: Sequence[Entry]
    remote: bool


@dataclass
class FilesMoved(Message):
    """Nothing waits in the queue any more."""


@dataclass
class LogOpened(Message):
    """A text to show; whoever shows it closes it."""

    log: LogFile


@dataclass
class ArticlesRead(Message):
    articles: Sequence[Article]


@dataclass
class BundlesListed(Message):
    """Newest first."""

    bundles: Sequence[ShelvedBundle]


@dataclass
class BundlesCompared(Message):
    changes: Sequence[ChangePort]
    notes: Sequence[str]


@dataclass
class RecordingsListed(Message):
    session: str
    recordings: Sequence[Kept]


@dataclass
class RecordingFetched(Message):
    """A recording to play; whoever plays it closes it."""

    recording: RecordingPort


@dataclass
class DisclosureMade(Message):
    """Nothing of it was recorded or sent yet."""

    preview: PreviewPort


@dataclass
class DisclosureSent(Message):
    ticket: str


@dataclass
class MachinesListed(Message):
    machines: Sequence[EnrolledPort]


@dataclass
class MachineAnswered(Message):
    session: str


@dataclass
class ColleagueLetIn(Message):
    """What the customer's agent said of it; `leaves`: the session goes over to the colleague."""

    done: Done
    leaves: bool


@dataclass
class ActionNoted(Message):
    """A tab did something by itself: for the list of actions."""

    what: str
    status: str
    detail: str = ""


@dataclass
class ProgramEnded(Message):
    done: Done


@dataclass
class FixPlanned(Message):
    finding: FindingPort
    plan: Plan


@dataclass
class FixApplied(Message):
    plan: Plan
    done: Done


@dataclass
class TimelineRead(Message):
    session: str
    lines: Sequence[str]


@dataclass
class SessionEnded(Message):
    result: EndPort

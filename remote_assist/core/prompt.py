"""Asking the customer: the one interface between the agent and whatever screen it has.

Rule: a grant exists only because a `Prompt` answered; no message of any peer creates one.
Strings here that came from a peer are `HostileStr`; the screen passes them through `safe_text`.
"""

from dataclasses import dataclass
from typing import Protocol

from remote_assist.core.catalog.preview import Preview
from remote_assist.core.hostile import HostileStr

_NOTHING = HostileStr("")


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """Everything the consent screen shows. `verified`: the CA is configured here, so the name is proven."""

    organisation: HostileStr
    name: HostileStr
    ticket: HostileStr
    subject: HostileStr
    scopes: tuple[str, ...]
    seconds: int
    verified: bool
    ca_fingerprint: str
    relay_host: str
    wait_seconds: float
    deadline_seconds: float
    further: bool = False
    reason: HostileStr = _NOTHING
    newcomer: HostileStr = _NOTHING
    """Whom `name` asks to let in; empty when `name` asks for themselves."""
    part: str = ""
    """The newcomer's part (core/agreements/sharing.py)."""
    preview: Preview | None = None
    """What a look at this machine would read, where one is asked for."""
    reading_seconds: float = 0.0
    """How much longer than `deadline_seconds` somebody may take who reads the preview."""
    asked: bool = False
    """The customer made the code and told it, instead of being given one."""


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """`scopes` the customer ticked (empty: no). `timed_out`: silence, which is a no. `seconds`: as shortened here."""

    scopes: tuple[str, ...]
    seconds: int
    timed_out: bool = False
    folders: tuple[str, ...] = ()
    struck: frozenset[str] = frozenset()
    """Collectors that are never to run in this session."""
    welcome: bool = False
    """The newcomer may come in; without it they may not, whatever is ticked."""


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """A fix plan that needs this customer's yes (`--ask-each` or high risk).

    `undo`: the question is whether to undo a fix that was stopped in the middle; a no leaves it as it is.
    `screen`: the question is whether `title` (a technician) gets one picture of the screen.
    `ask`: the question is `consent` itself, put by a step of a running fix; a no stops the fix, which is undone.
    """

    title: HostileStr
    consent: HostileStr
    steps: tuple[HostileStr, ...]
    digest: str
    risk: str
    deadline_seconds: float
    undo: bool = False
    ask: bool = False
    screen: bool = False


@dataclass(frozen=True, slots=True)
class LineTyped:
    """The customer wrote this to the technician."""

    text: str


@dataclass(frozen=True, slots=True)
class PausePressed:
    """The customer holds everything up (`hold`), or lets it go on."""

    hold: bool


CustomerAct = LineTyped | PausePressed


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    """Something only the customer can type: a password (`secret`: never shown), or `yes` to a host key."""

    lines: tuple[HostileStr, ...]
    label: HostileStr
    deadline_seconds: float
    secret: bool = False


class Prompt(Protocol):
    """The customer's screen. Every method may be called while an action runs."""

    @property
    def can_ask(self) -> bool:
        """Whether somebody can be asked in the middle of a fix."""

    async def consent(self, question: ConsentQuestion) -> ConsentAnswer:
        """Show who asks for what and wait for an act at this machine."""

    async def allow_plan(self, question: PlanQuestion) -> bool:
        """Show one plan; silence is a no."""

    async def typed(self, question: TypedQuestion) -> str | None:
        """A line typed at this machine; None when nobody can or wants to."""

    def show(self, line: str) -> None:
        """A live line: an action began, ended, was refused; the link went or came. Already safe text."""

    async def act(self) -> CustomerAct:
        """Return what the customer wants next of their own accord, other than the end."""

    async def end_requested(self) -> str:
        """Return (the reason) when the customer presses the key that ends the session."""

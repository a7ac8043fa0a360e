"""What this product needs of a ticket system: one interface, the relay's built-in book and one file per other system.

Rule 1: visibility is said on every write; what a system cannot keep from the customer is refused (`Fault.UNABLE`).
Rule 2: a write carries an event key and leaves its mark on the ticket, so that `find` can tell whether it got there.
Rule 3: what a ticket system says is hostile text: it goes through `safe_text` before a person sees it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from remote_assist.errors import Fault, TicketSystemError

CUSTOMER = "customer"
INTERNAL = "internal"
VISIBILITIES = (CUSTOMER, INTERNAL)
"""Who may read a note: the customer too, or the organisation alone."""


class Retry(StrEnum):
    """How a system keeps a repeated write from counting twice."""

    NATIVE = "native"
    MARK = "mark"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Note:
    """A note for the built-in book. `events`: the record ids it tells of; `closing` also closes the ticket; `minutes`:
    time spent, said in the text."""

    key: str
    author: str
    text: str
    visibility: str = CUSTOMER
    session: str = ""
    events: tuple[str, ...] = ()
    closing: bool = False
    reopening: bool = False
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a ticket system can do. Everything else obeys this."""

    internal_note: bool = True
    customer_note: bool = True
    attach_internal: bool = False
    attach_customer: bool = False
    max_attachment_bytes: int = 0
    max_note_chars: int = 60_000
    search: bool = True
    state: bool = True
    time: bool = False
    fields: bool = False
    link: bool = False
    retry: Retry = Retry.MARK


@dataclass(frozen=True, slots=True)
class RemoteTicket:
    """A ticket as its system shows it. `status` is the system's own word, `closed` what it means to us."""

    id: str
    subject: str
    status: str
    closed: bool
    url: str = ""
    requester: str = ""
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class RemoteNote:
    """A note as its system shows it. `mark`: the key of a note of ours, else empty."""

    id: str
    time: str
    author: str
    text: str
    visibility: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A ticket to open. `key` finds it again: the same key never opens two."""

    subject: str
    text: str
    key: str
    requester: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to attach. `key` is its event key."""

    name: str
    content: bytes
    visibility: str
    key: str
    text: str = ""
    media_type: str = "application/octet-stream"


class TicketSystem(Protocol):
    """Tickets somewhere. Every method raises TicketSystemError; its `fault` says what a retry may do.

    More methods than an interface should have: it is exactly what ticket systems have in common, and a connector
    that cannot do one of them says so in `capabilities` and refuses it.
    """

    @property
    def name(self) -> str:
        """The name in the settings; the prefix of its tickets."""

    def capabilities(self) -> Capabilities:
        """What may be asked of it."""

    async def verify(self) -> str:
        """Prove that the system knows us; returns the name it knows us by."""

    async def get(self, ticket: str) -> RemoteTicket:
        """One ticket."""

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        """Tickets whose subject holds the text, newest first, at most 50; an empty text finds the open ones."""

    async def create(self, draft: Draft) -> RemoteTicket:
        """The ticket with the draft's key: found, or opened."""

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        """The notes on a ticket, oldest first."""

    async def find(self, ticket: str, key: str) -> str | None:
        """The id of what a write with this event key left on the ticket; None when it is not there."""

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        """Add a note; returns its id where the system tells one."""

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        """Attach a file; returns its id where the system tells one."""

    async def transition(self, ticket: str, *, closed: bool) -> None:
        """Close the ticket, or open it again; nothing happens when it is so already."""

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        """Book time spent."""

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        """Write values into the system's own fields, named as the settings name them."""

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        """Have the ticket point to a page; the same page twice is one link."""

    async def close(self) -> None:
        """Let go of connections."""


def check_visible(able: Capabilities, visibility: str, what: str) -> None:
    """Raise TicketSystemError `unable` for a note that the system cannot show to exactly these readers."""
    if not (able.internal_note if visibility == INTERNAL else able.customer_note):
        raise unable(f"{what} has no notes for {_readers(visibility)}")


def check_attachment(able: Capabilities, attachment: Attachment, what: str) -> None:
    """Raise TicketSystemError `unable` for a file that is too large or would be seen by others than was said."""
    if not (able.attach_internal if attachment.visibility == INTERNAL else able.attach_customer):
        raise unable(
            f"{what} cannot keep a file for {_readers(attachment.visibility)}",
            advice="Attach it sealed, or say that the customer may see it (--visible).",
        )
    if len(attachment.content) > able.max_attachment_bytes:
        raise unable(
            f"the file has {len(attachment.content)} bytes, {what} takes {able.max_attachment_bytes}",
            advice="Disclose less of it, or name it in a note.",
        )


def unable(sentence: str, *, advice: str = "") -> TicketSystemError:
    """The error for what a system cannot do; nothing was sent."""
    return TicketSystemError(sentence, fault=Fault.UNABLE, advice=advice)


def _readers(visibility: str) -> str:
    return "the organisation alone" if visibility == INTERNAL else "the customer"

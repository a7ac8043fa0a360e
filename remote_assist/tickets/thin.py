"""What the thin connectors share: what they cannot do is refused, and a note is found by reading the ticket.

The systems behind them were not available to us: their shapes come from their published API descriptions and are held
by contract tests against a local peer. None of them was run against the live service (docs/tickets.md).
"""

import html
import re

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.tickets.http import Http
from remote_assist.tickets.system import Attachment, Capabilities, RemoteNote, check_attachment, unable

MAX_PAGES = 50
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"<br\s*/?>|</p>|</div>", re.I)


class Thin:
    """The common half of a connector. A subclass says what it is able to do and speaks its system's words."""

    able: Capabilities

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http

    def capabilities(self) -> Capabilities:
        return self.able

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        raise NotImplementedError

    async def find(self, ticket: str, key: str) -> str | None:
        return next((note.id for note in await self.notes(ticket) if note.mark == key), None)

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(self.able, attachment, self.name)
        raise unable(f"{self.name} takes no files")

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        raise unable(f"{self.name} books no time")

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        raise unable(f"{self.name} has no fields we can write")

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        raise unable(f"{self.name} has no links we can write")

    async def close(self) -> None:
        await self._http.close()


def number(ticket: str) -> str:
    """A ticket's number, as it goes into a path. TicketSystemError `absent` for what is none."""
    if not _NUMBER.fullmatch(ticket):
        raise TicketSystemError("this system's tickets are numbers", fault=Fault.ABSENT)
    return ticket


def as_html(text: str) -> str:
    """Plain text for a system that wants HTML: nothing of it is markup."""
    return html.escape(text).replace("\n", "<br>\n")


def from_html(text: str) -> str:
    """The words of an HTML note, for reading marks and showing replies."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text.replace("\n", "")))).strip()

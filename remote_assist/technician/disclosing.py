"""Disclosure: exactly the text or file chosen goes from the session onto its ticket, after it is on record.

    chosen → previewed → the place says whether it can keep it to these readers → recorded at the agent, shown to the
    customer → sent with the technician's own credential → what came of it is recorded

Rule 1: nothing is sent before the agent's `Accepted`. Rule 2: what the place cannot keep from the customer is refused
before anything is recorded or sent. Rule 3: the event key is made of session and content: a repeat is sent once.
"""

import hashlib
import mimetypes
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from remote_assist.core.api import NewNote
from remote_assist.core.disclosure import FILE, FINDINGS, MAX_ISSUES, MAX_NAME_CHARS, TEXT
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.requests import Disclose, Disclosed
from remote_assist.core.sealed_stream import Sealer
from remote_assist.errors import AssistError, Fault, TicketSystemError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.ending import refuse_codes
from remote_assist.tickets.marks import marked, note_key
from remote_assist.tickets.system import (
    Attachment,
    Capabilities,
    Retry,
    TicketSystem,
    check_attachment,
    check_visible,
    unable,
)

if TYPE_CHECKING:  # only a name for types: it loads the catalog's values
    from remote_assist.core.findings import Finding

Tell = Callable[[Disclosed], Awaitable[None]]

MAX_TEXT_CHARS = 16_000
MAX_FILE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What is disclosed. `text` is a note; with `content` it is a file, and `text` what is said beside it."""

    kind: str
    readers: str
    name: str
    text: str = ""
    content: bytes | None = None
    issues: tuple[str, ...] = ()

    @property
    def raw(self) -> bytes:
        """The bytes that go to the ticket."""
        return self.text.encode("utf-8", "backslashreplace") if self.content is None else self.content

    @property
    def sha256(self) -> str:
        """Their digest."""
        return hashlib.sha256(self.raw).hexdigest()

    def request(self, where: str) -> Disclose:
        """What the agent is told of it."""
        return Disclose(
            kind=self.kind,
            readers=self.readers,
            name=self.name[:MAX_NAME_CHARS],
            size=len(self.raw),
            sha256=self.sha256,
            where=where,
            issues=self.issues,
        )

    def key(self, session: str) -> str:
        """The event key: the same content of the same session is the same write."""
        return note_key("disclosure", session, self.kind, self.readers, self.name, self.sha256)


class Place(Protocol):
    """Where a disclosure goes."""

    async def check(self, what: Disclosure) -> None:
        """Raise TicketSystemError `unable` for what it cannot take, or cannot keep to these readers."""

    async def send(self, what: Disclosure, session: str) -> str:
        """Put it there; answers its id where there is one. Repeating is harmless."""


class Book:
    """The relay's built-in book, or another system's ticket through the relay: words only, as the technician's."""

    def __init__(self, api: RelayApi, ticket: str) -> None:
        self._api = api
        self._ticket = ticket

    async def check(self, what: Disclosure) -> None:
        """Files are not given to the relay."""
        if what.content is not None:
            raise unable(
                f"ticket {self._ticket} takes words only from here: the relay is given no files",
                advice="Disclose findings or text; for files of another system name your own login in tickets.toml.",
            )

    async def send(self, what: Disclosure, session: str) -> str:
        """A note of the technician's."""
        note = NewNote(text=what.text, key=f"disclose:{what.key(session)}", session=session, visibility=what.readers)
        return str((await self._api.add_note(self._ticket, note)).id)


class OwnSystem:
    """A ticket of another system, reached with the technician's own credential."""

    def __init__(self, system: TicketSystem, ticket: str) -> None:
        self._system = system
        self._ticket = ticket

    async def check(self, what: Disclosure) -> None:
        """Visibility and size, by what the system can; and that it knows us."""
        self._check_able(what, self._system.capabilities())
        await self._system.verify()

    def _check_able(self, what: Disclosure, able: Capabilities) -> None:
        if what.content is not None:
            check_attachment(able, self._attachment(what, ""), self._system.name)
            return
        check_visible(able, what.readers, self._system.name)
        if len(what.text) > able.max_note_chars - 200:
            raise unable(f"the text is longer than {self._system.name} takes", advice="Disclose it as a file.")

    async def send(self, what: Disclosure, session: str) -> str:
        """Send it; a try that failed unclearly before is looked for first."""
        key = what.key(session)
        found = await self._system.find(self._ticket, key) if self._can_look() else None
        if found is not None:
            return found
        if what.content is not None:
            return await self._system.attach(self._ticket, self._attachment(what, key))
        text = marked(what.text, key)
        return await self._system.add_note(self._ticket, text, visibility=what.readers, key=key)

    def _can_look(self) -> bool:
        return self._system.capabilities().retry != Retry.NONE

    def _attachment(self, what: Disclosure, key: str) -> Attachment:
        media_type = mimetypes.guess_type(what.name)[0] or "application/octet-stream"
        return Attachment(what.name, what.content or b"", what.readers, key, what.text, media_type)


class Carrier(Protocol):
    """The connected session, as far as a disclosure needs it."""

    def disclosing(self, request: Disclose) -> AbstractAsyncContextManager[Tell]:
        """Have it recorded and shown; entered once it may go. What it gives is told what came of it."""


async def disclose(what: Disclosure, place: Place, carrier: Carrier, *, session: str, where: str) -> str:
    """Record, send, record. Answers the id on the ticket. Raises RefusedError, TicketSystemError, UnreachableError."""
    check_words(what)
    await place.check(what)
    async with carrier.disclosing(what.request(where)) as tell:
        try:
            remote = await place.send(what, session)
        except AssistError as error:
            await tell(Disclosed(status="failed", sentence=_failure(error)))
            raise
        await tell(Disclosed(status="done", remote=remote[:MAX_NAME_CHARS]))
    return remote


def of_text(text: str, readers: str) -> Disclosure:
    """Words the technician wrote."""
    return Disclosure(TEXT, readers, "a text", text.strip())


def of_file(path: Path, readers: str, kind: str = FILE) -> Disclosure:
    """A file of this machine: one that was fetched, a bundle, a screenshot. Raises UsageError."""
    try:
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} is longer than {MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if not content:
        raise UsageError(f"{path} is empty")
    return Disclosure(kind, readers, str(safe_text(HostileStr(path.name), max_chars=MAX_NAME_CHARS)), "", content)


def of_digest(path: Path, readers: str) -> Disclosure:
    """That a file exists, with size and digest, where the file itself is too large or stays here."""
    file = of_file(path, readers)
    return Disclosure(TEXT, readers, file.name, f"{file.name}: {len(file.raw)} bytes, SHA-256 {file.sha256}")


def sealed(file: Disclosure, public: bytes, stream_id: bytes) -> Disclosure:
    """The same file so that only the holder of a key can read it. Raises RefusedError for a key that is none."""
    sealer = Sealer(public, stream_id)
    content = sealer.add(file.raw) + sealer.finish()
    return replace(file, name=f"{file.name}.sealed"[:MAX_NAME_CHARS], content=content)


def of_findings(found: "Sequence[Finding]", wanted: Sequence[str], readers: str) -> Disclosure:
    """Findings by the ids of their known issues (all that failed or warn, when none is named). Raises UsageError."""
    known = {one.issue for one in found}
    if missing := [one for one in wanted if one not in known]:
        raise UsageError(f"the last bundle says nothing about {missing[0]}", advice="`findings SESSION` lists them.")
    chosen = [one for one in found if (one.issue in wanted if wanted else one.outcome in {"fail", "warn"})]
    if not chosen:
        return Disclosure(FINDINGS, readers, "no findings", "Nothing was found by the known issues.")
    issues = tuple(dict.fromkeys(one.issue for one in chosen))[:MAX_ISSUES]
    text = "\n".join(line for one in chosen for line in _finding_lines(one))
    return Disclosure(FINDINGS, readers, f"{len(chosen)} findings", text[:MAX_TEXT_CHARS], None, issues)


def check_words(what: Disclosure) -> None:
    """Raise UsageError for nothing, RefusedError for a text that holds a support code."""
    if what.content is None and not what.text:
        raise UsageError("there is nothing to disclose", advice="Say --text, --finding, --file or --bundle.")
    if len(what.text) > MAX_TEXT_CHARS:
        raise UsageError(f"a text has at most {MAX_TEXT_CHARS} characters", advice="Disclose it as a file.")
    refuse_codes(what.text)


def _finding_lines(finding: "Finding") -> list[str]:
    head = f"{finding.outcome.upper()} {finding.issue}: {finding.title}"
    lines = [head, f"  {finding.message}"]
    if finding.fix:
        lines.append(f"  known fix: {finding.fix}")
    return [str(safe_text(HostileStr(line), max_chars=1000)) for line in lines]


def _failure(error: AssistError) -> str:
    unclear = isinstance(error, TicketSystemError) and error.fault is Fault.UNCLEAR
    return "it may be on the ticket: the ticket system did not answer clearly" if unclear else "it was not taken"

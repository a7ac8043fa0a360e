"""What a disclosure would put where, for whom: looked at before anything is recorded or sent, by verb and screen alike.

Rule: a preview holds the disclosure itself; what is sent is what was shown.
"""

import asyncio
import secrets
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from remote_assist.core.disclosure import BUNDLE, FINDINGS, TEXT
from remote_assist.core.redaction import Redactor
from remote_assist.errors import UsageError
from remote_assist.technician.disclosing import (
    Disclosure,
    Place,
    check_words,
    disclose,
    of_digest,
    of_file,
    of_findings,
    of_text,
    sealed,
)
from remote_assist.technician.disclosure_choice import Choice
from remote_assist.technician.session_folder import SessionFacts, SessionFolder
from remote_assist.transport.bundle_keys import public_key

if TYPE_CHECKING:  # only a name for a type
    from remote_assist.technician.session import Session

MAX_TEXT_BYTES = 1 << 20
"""Of what is disclosed, so much is looked at as text."""


class Disclosing(Protocol):
    """What a disclosure needs of the technician's desk."""

    def session_facts(self, session: str) -> SessionFacts:
        """What this machine knows of the session."""

    def session_folder(self, session: str) -> SessionFolder:
        """Its files."""

    def disclosure_place(self, ticket: str) -> AbstractAsyncContextManager[Place]:
        """Where disclosures on the ticket go."""

    async def connect(self, session: str) -> "Session":
        """The session itself."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A disclosure before it is sent. `private`: what in it looks like a secret or personal, or empty.

    `sealed_to`: the file of the key whose holder alone can read it, or None.
    """

    desk: Disclosing
    session: str
    ticket: str
    what: Disclosure
    text: str
    private: str
    sealed_to: Path | None = None

    async def send(self) -> str:
        """Record and send exactly this; answers its id on the ticket. Raises as `disclose`."""
        async with self.desk.disclosure_place(self.ticket) as place, await self.desk.connect(self.session) as connected:
            return await disclose(self.what, place, connected, session=self.session, where=self.ticket)


async def preview(desk: Disclosing, session: str, choice: Choice) -> Preview:
    """Make it and ask the place whether it can keep it to these readers.

    Raises UsageError, RefusedError for a support code in it, ContentError for a key that is none, TicketSystemError.
    """
    choice.check()
    ticket = desk.session_facts(session).ticket
    what = await asyncio.to_thread(_made, choice, desk.session_folder(session).bundle)
    check_words(what)
    async with desk.disclosure_place(ticket) as place:
        await place.check(what)
    text = "" if choice.seal_to else text_of(what)
    return Preview(desk, session, ticket, what, text, await asyncio.to_thread(private_in, text), choice.seal_to)


def text_of(what: Disclosure) -> str:
    """What is disclosed as text; empty where it is none."""
    try:
        return what.raw[:MAX_TEXT_BYTES].decode()
    except UnicodeDecodeError:
        return ""


def private_in(text: str) -> str:
    """What redaction would take out, counted by kind: `2 × email, 1 × token`."""
    counts: Counter[str] = Counter()
    Redactor(secrets.token_bytes(32), profile="strict").text(text, counts)
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))


def _made(choice: Choice, bundle: Path) -> Disclosure:
    if choice.kind == TEXT:
        return of_text(choice.words, choice.readers)
    path = bundle if choice.kind in {BUNDLE, FINDINGS} else Path(choice.words).expanduser()
    if path is bundle and not bundle.is_file():
        raise UsageError("no bundle was collected yet", advice="Take a look first: `remote-assist diagnose`.")
    if choice.kind == FINDINGS:
        from remote_assist.technician.evidence import evaluate_bundle  # the rule engine takes a while to load

        return of_findings(evaluate_bundle(bundle), choice.issues, choice.readers)
    if choice.digest_only:
        return of_digest(path, choice.readers)
    file = of_file(path, choice.readers, choice.kind)
    if choice.seal_to is None:
        return file
    return sealed(file, public_key(choice.seal_to.expanduser()), secrets.token_bytes(16))

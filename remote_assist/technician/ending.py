"""Ending a session: the agent's end record acknowledged, the closing note in the built-in book, the keys deleted.

Rule: what could not be delivered is said, never assumed. The note's key is made of session and text, so that a
repeat is harmless.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remote_assist.core.api import NewNote, Ticket
from remote_assist.core.codes import contains_live_code, looks_like_code
from remote_assist.core.requests import Done
from remote_assist.errors import AssistError, RefusedError, UnreachableError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.session_folder import SessionFolder

if TYPE_CHECKING:  # only a name for types: it loads the catalog's values, and `run` must start fast
    from remote_assist.core.findings import Finding

MAX_NOTE_CHARS = 16_000
"""Longest note on a ticket."""

HELD_SECONDS = 10.0
"""How long the book may take to show the note."""

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class EndResult:
    """`acknowledged`: the end record is durable at the relay. `note_held`: the ticket shows the closing note.

    `undelivered` says in words what still waits, or is empty.
    """

    session: str
    acknowledged: bool
    note_held: bool
    undelivered: str = ""


MAX_ISSUES = 50
"""Known issues a closing note names."""


class Ending:
    """How sessions of one login end."""

    def __init__(self, api: RelayApi, live_words: Callable[[], tuple[str, ...]] = tuple) -> None:
        self._api = api
        self._live_words = live_words

    def check_note(self, text: str) -> None:
        """Raise UsageError for an empty or overlong note, RefusedError for one that contains a support code."""
        if not text.strip():
            raise UsageError("a closing note is needed", advice="Say what was found and done: --note TEXT.")
        if len(text) > MAX_NOTE_CHARS:
            raise UsageError(f"a note has at most {MAX_NOTE_CHARS} characters")
        refuse_codes(text, self._live_words())

    async def finish(
        self, folder: SessionFolder, note: str, done: Done | None, *, closing: bool = True, minutes: int | None = None
    ) -> EndResult:
        """After the agent was told (`done`), or was found ended already: the note, then the keys go.

        `minutes`: time spent, as the technician says it; None leaves it to the relay's settings.

        Raises UnreachableError when the note could not be delivered.
        """
        facts = folder.facts()
        acknowledged = done is None or done.acknowledgement is not None
        if not acknowledged:
            acknowledged = await self._is_ended(facts.session)
        note_of = self._note(facts.session, note, await _issues_found(folder), closing=closing, minutes=minutes)
        held = await self._close_ticket(facts.ticket, note_of)
        missing = _missing(acknowledged=acknowledged, held=held)
        if not missing:
            folder.end()
        return EndResult(facts.session, acknowledged, held, missing)

    async def _is_ended(self, session: str) -> bool:
        return await self._wait_until(lambda: self._state_is_ended(session))

    async def _state_is_ended(self, session: str) -> bool:
        return (await self._api.session(session)).state == "ended"

    def _note(self, session: str, text: str, issues: tuple[str, ...], *, closing: bool, minutes: int | None) -> NewNote:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return NewNote(
            text=text,
            key=f"end:{session}:{digest}",
            session=session,
            closing=closing,
            issues=issues,
            minutes=minutes,
        )

    async def _close_ticket(self, ticket: str, note: NewNote) -> bool:
        try:
            await self._api.add_note(ticket, note)
        except UnreachableError as error:
            raise UnreachableError(
                f"{error.message}; undelivered: the closing note on ticket {ticket}",
                advice="Repeat the same `end` when the relay is back; nothing is said twice.",
            ) from error

        async def shown() -> bool:
            return holds_note(await self._api.ticket(ticket), note.session, note.text)

        return await self._wait_until(shown)

    async def _wait_until(self, look: Callable[[], Awaitable[bool]]) -> bool:
        try:
            async with asyncio.timeout(HELD_SECONDS):
                while not await look():  # noqa: ASYNC110  # the relay is asked; it has nothing to wait on
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            return False
        return True


async def _issues_found(folder: SessionFolder) -> tuple[str, ...]:
    """Ids of the known issues in the session's last bundle, for the ticket's fields; none without a bundle or rules."""
    if not folder.bundle.is_file():
        return ()
    try:
        found = await asyncio.to_thread(_evaluate, folder)
    except AssistError:
        return ()
    return tuple(sorted({one.issue for one in found if one.outcome in {"fail", "warn"}}))[:MAX_ISSUES]


def _evaluate(folder: SessionFolder) -> "list[Finding]":
    from remote_assist.technician.evidence import evaluate_bundle  # loads the rule engine

    return evaluate_bundle(folder.bundle)


def holds_note(ticket: Ticket, session: str, text: str) -> bool:
    """Whether a ticket shows these words for this session."""
    return any(note.text.startswith(text) and note.session in {session, ""} for note in ticket.notes)


def _missing(*, acknowledged: bool, held: bool) -> str:
    missing = []
    if not acknowledged:
        missing.append("the acknowledgement of the agent's end record")
    if not held:
        missing.append("the closing note in the ticket book")
    return " and ".join(missing)


def refuse_codes(text: str, live_words: Sequence[str] = ()) -> None:
    """Raise RefusedError for a text that is to be kept somewhere and holds a support code, or words that count now."""
    if looks_like_code(text) or any(contains_live_code(text, words) for words in live_words):
        raise RefusedError(
            "this text contains a support code", reason="live-code", advice="Codes are spoken, never written down."
        )

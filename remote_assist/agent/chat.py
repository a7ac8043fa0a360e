"""The session's chat at the customer: what the technician says is shown here, what is typed here waits for them.

Rule 1: a line the customer types is in the journal before the technician can read it.
Rule 2: a follower that went away loses nothing: it asks again for what came after the last line it saw.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from remote_assist.agent.texts import say
from remote_assist.core.chat import CUSTOMER, TECHNICIAN, ChatBook, checked_line
from remote_assist.core.prompt import Prompt
from remote_assist.core.records import Actor, RecordDraft
from remote_assist.core.requests import ChatLine
from remote_assist.errors import AssistError

SAID_HERE = "RA1601E"

Log = Callable[[RecordDraft, Mapping[str, bytes] | None], Awaitable[int]]
"""Writes a record with its sealed fields down, durably."""


class Chat:
    """One session's lines. `name` is the technician's, `log` writes a record down."""

    def __init__(self, prompt: Prompt, name: str, log: Log, clock: Callable[[], datetime]) -> None:
        self._prompt = prompt
        self._name = name
        self._log = log
        self._clock = clock
        self._book = ChatBook()
        self._news = asyncio.Event()

    def hear(self, text: str, name: str = "") -> None:
        """The technician (of this name, else the first) said this: show it."""
        self._keep(TECHNICIAN, text)
        self._prompt.show(say("chat.theirs", name=name or self._name, text=text))

    def kept(self, number: int) -> tuple[ChatLine, ...]:
        """The lines after `number` that are here now."""
        return self._book.after(number)

    async def after(self, number: int) -> tuple[ChatLine, ...]:
        """The lines after `number`; waits until there is one."""
        while self._book.last <= number:
            await self._news.wait()
        return self._book.after(number)

    async def said_here(self, raw: str) -> None:
        """The customer typed this: write it down, then let the technician read it; say why not otherwise."""
        try:
            text = checked_line(raw)
            draft = RecordDraft(code=SAID_HERE, actor=Actor(kind="customer"), sizes={"characters": len(text)})
            await self._log(draft, {"text": text.encode("utf-8", "backslashreplace")})
        except AssistError as error:
            self._prompt.show(say("chat.unsent", why=error.message))
            return
        self._keep(CUSTOMER, text)
        self._prompt.show(say("chat.yours", text=text))

    def _keep(self, author: str, text: str) -> None:
        self._book.add(author, text, self._clock())
        self._news.set()
        self._news = asyncio.Event()

"""A terminal at the customer's: opened, typed into, resized, read, closed. The TUI's tab and `shell` both use it.

    async with await session.shell(term="xterm-256color", columns=80, rows=24) as terminal:
        await terminal.write(b"uptime\\r")
        async for raw in terminal.output():       ends with the terminal; terminal.done says how
            …

Rule: what comes out is hostile bytes: emulate it, or pass it through core/picture/terminal_filter.py.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from remote_assist.core.requests import Cancel, Done, InputEnd, OpenShell, Resize, UseMachine
from remote_assist.errors import AssistError
from remote_assist.technician.agent_link import AgentLink
from remote_assist.technician.conversation import Conversation

CANCEL_SECONDS = 3.0
"""How long a terminal that is being closed may take to say how it ended."""


class Terminal:
    """One open terminal. `action` is its number in the records; `done` how it ended, once it has."""

    def __init__(self, conversation: Conversation, action: str) -> None:
        self.action = action
        self.done: Done | None = None
        self._conversation = conversation
        self._input_open = True
        self._is_read = False
        self._left = asyncio.Event()

    async def write(self, raw: bytes) -> None:
        """Type. Waits while the customer's side is behind. Raises UnreachableError when the link is over."""
        if self.done is None and self._input_open:
            await self._conversation.send_data(raw)

    async def end_input(self) -> None:
        """Nothing more will be typed: the terminal gets its end-of-file character."""
        if self.done is None and self._input_open:
            self._input_open = False
            await self._conversation.send(InputEnd())

    async def resize(self, columns: int, rows: int) -> None:
        """The window has another size."""
        if self.done is None:
            await self._conversation.send(Resize(columns=columns, rows=rows))

    async def output(self) -> AsyncIterator[bytes]:
        """What it shows, as it comes; ends when the terminal does. Raises what went wrong with the link.

        For one reader, in whose own task it is read: a key's echo changes no task on its way.
        """
        self._is_read = True
        try:
            while self.done is None:
                piece = await self._conversation.next_piece()
                if isinstance(piece, Done):
                    self.done = piece
                else:
                    yield piece
        finally:
            self._is_read = False
            self._left.set()

    async def close(self) -> Done | None:
        """Close it now if it is still open; answer how it ended, None when nobody said so in time."""
        if self.done is None:
            with contextlib.suppress(AssistError, TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await self._conversation.send(Cancel())
                    await self._until_done()
        return self.done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _until_done(self) -> None:
        """Whoever reads the output takes it to its end; what nobody reads is dropped."""
        if self._is_read:
            await self._left.wait()
        async for _ in self.output():
            pass


@contextlib.asynccontextmanager
async def open_terminal(
    link: AgentLink, machine: UseMachine | None = None, *, term: str, columns: int, rows: int
) -> AsyncIterator[Terminal]:
    """A terminal on a channel of its own, on a machine behind the customer's where one is named. Raises
    RefusedError and its kinds, UnreachableError.
    """
    async with link.conversation(machine) as conversation:
        accepted = await conversation.begin(OpenShell(term=term, columns=columns, rows=rows))
        async with Terminal(conversation, accepted.action) as terminal:
            yield terminal

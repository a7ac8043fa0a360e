"""A terminal at the customer's: opened, typed into, resized, read, closed. The TUI's tab and `shell` both use it.

    async with await session.shell(term="xterm-256color", columns=80, rows=24) as terminal:
        await terminal.write(b"uptime\\r")
        async for raw in terminal.output():       ends with the terminal; terminal.done says how
            …

Rule: what comes out is hostile bytes: emulate it, or pass it through core/terminal_filter.py.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from remote_assist.core.requests import Cancel, Done, InputEnd, OpenShell, Resize, UseMachine
from remote_assist.errors import UnreachableError
from remote_assist.technician.agent_link import AgentLink
from remote_assist.technician.conversation import Conversation

CANCEL_SECONDS = 3.0
"""How long a terminal that is being closed may take to say how it ended."""

QUEUED_PIECES = 16
"""Output nobody has taken yet; beyond, the customer's terminal waits."""


class Terminal:
    """One open terminal. `action` is its number in the records; `done` how it ended, once it has."""

    def __init__(self, conversation: Conversation, action: str) -> None:
        self.action = action
        self.done: Done | None = None
        self._conversation = conversation
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED_PIECES)
        self._fault: BaseException | None = None
        self._reading = asyncio.create_task(self._read())
        self._input_open = True

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
        """What it shows, as it comes; ends when the terminal does. Raises what went wrong with the link."""
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if self._fault is not None:
            raise self._fault

    async def close(self) -> Done | None:
        """Close it now if it is still open; answer how it ended, None when nobody said so in time."""
        if not self._reading.done():
            with contextlib.suppress(UnreachableError, TimeoutError):
                async with asyncio.timeout(CANCEL_SECONDS):
                    await self._conversation.send(Cancel())
                    await self._drained()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        return self.done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _drained(self) -> None:
        while await self._pieces.get() is not None:
            pass

    async def _read(self) -> None:
        async def take(_: int, raw: bytes) -> None:
            await self._pieces.put(raw)

        try:
            self.done = (await self._conversation.finish(on_data=take)).done
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fault = error
        await self._pieces.put(None)


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

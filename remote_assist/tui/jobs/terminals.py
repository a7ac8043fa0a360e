"""A terminal at the customer's as one job: open, carry keys out and output in, say how it ended."""

import asyncio
import contextlib

from textual.message import Message
from textual.widget import Widget

from remote_assist.tui.job import Job
from remote_assist.tui.messages import TerminalEnded, TerminalNews
from remote_assist.tui.pending import TerminalLine
from remote_assist.tui.ports import SessionPort, TerminalPort
from remote_assist.tui.work import Work, post

TERM = "xterm-256color"


def open_terminal(work: Work, view: Widget, session: SessionPort, line: TerminalLine) -> None:
    """Open one and serve `line` until it ends; cancelled, the terminal is closed at the customer's too."""

    async def call() -> Message:
        line.on_news(lambda: post(view, TerminalNews()))
        columns, rows = line.size
        async with session.shell(term=TERM, columns=columns, rows=rows) as terminal:
            typing = asyncio.create_task(_type(terminal, line))
            try:
                async for raw in terminal.output():
                    await line.take_output(raw)
            finally:
                typing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await typing
            return TerminalEnded(terminal.done)

    work.start(view, Job.TERMINAL, call)


async def _type(terminal: TerminalPort, line: TerminalLine) -> None:
    while True:
        typed = await line.typed()
        if isinstance(typed, bytes):
            await terminal.write(typed)
        else:
            await terminal.resize(*typed)

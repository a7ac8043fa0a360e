"""The chat as jobs: say a line, follow what is said, have it translated."""

from textual.message import Message
from textual.widget import Widget

from remote_assist.tui.job import Job
from remote_assist.tui.messages import ChatHeard, LineSaid, LineTranslated
from remote_assist.tui.pending import ChatBuffer
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.work import Work, post


def follow(work: Work, pane: Widget, session: SessionPort, after: int) -> None:
    """Hear what is said after line `after` for as long as the connection lasts."""

    async def call() -> None:
        buffer = ChatBuffer(lambda waiting: post(pane, ChatHeard(waiting)))
        await session.follow_chat(buffer.put, after)

    work.start(pane, Job.CHAT, call, exclusive=True)


def say(work: Work, pane: Widget, session: SessionPort, text: str) -> None:
    """Say one line; it comes back by `follow` when it is on the customer's screen."""

    async def call() -> Message:
        await session.say(text)
        return LineSaid(text)

    work.start(pane, Job.SAY, call)


def translate(work: Work, pane: Widget, number: int, text: str) -> None:
    """Have a line translated by the technician's own command."""

    async def call() -> Message | None:
        if work.translate is None:
            return None
        return LineTranslated(number, await work.translate(text))

    work.start(pane, Job.TRANSLATE, call)

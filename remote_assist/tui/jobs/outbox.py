"""The outbox: what waits for other ticket systems, and letting dead letters be tried again."""

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.tui.job import Job
from remote_assist.tui.messages import DeliveriesFreed, OutboxLoaded
from remote_assist.tui.work import Work


def load(work: Work, screen: DOMNode) -> None:
    """Ask what was not delivered yet, and what will not be."""

    async def call() -> Message:
        return OutboxLoaded(await (await work.desk()).outbox())

    work.start(screen, Job.OUTBOX, call, exclusive=True)


def retry(work: Work, screen: DOMNode, which: int) -> None:
    """Let one dead delivery, or all (0), be tried again."""

    async def call() -> Message:
        return DeliveriesFreed(await (await work.desk()).retry_delivery(which))

    work.start(screen, Job.RETRY, call)

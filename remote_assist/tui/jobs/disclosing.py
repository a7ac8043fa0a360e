"""Disclosures as jobs: make one and show it first, then send exactly that."""

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.technician.disclosure_choice import Choice
from remote_assist.tui.job import Job
from remote_assist.tui.messages import DisclosureMade, DisclosureSent
from remote_assist.tui.ports import PreviewPort
from remote_assist.tui.work import Work


def prepare(work: Work, screen: DOMNode, session: str, choice: Choice) -> None:
    """Make it; nothing is recorded or sent."""

    async def call() -> Message:
        desk = await work.desk()
        return DisclosureMade(await desk.preview_disclosure(session, choice))

    work.start(screen, Job.PREVIEW, call)


def send(work: Work, screen: DOMNode, preview: PreviewPort) -> None:
    """Record it at the agent, show it to the customer, put it on the ticket."""

    async def call() -> Message:
        await preview.send()
        return DisclosureSent(preview.ticket)

    work.start(screen, Job.DISCLOSE, call)

"""Letting a colleague into a session: the customer is asked and sees both names."""

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.core.agreements.sharing import Part
from remote_assist.tui.choices import Colleague
from remote_assist.tui.job import Job
from remote_assist.tui.messages import ColleagueLetIn
from remote_assist.tui.work import Work


def let_in(work: Work, screen: DOMNode, session: str, colleague: Colleague) -> None:
    """Sign an invitation for the holder of a certificate and ask the customer."""

    async def call() -> Message:
        desk = await work.desk()
        done = await desk.share(session, colleague.certificate, colleague.part, colleague.seconds)
        return ColleagueLetIn(done, leaves=colleague.part is Part.SUCCESSOR)

    work.start(screen, Job.SHARE, call)

"""Enrolled machines: list them, call one. What it may be asked stands signed on the machine itself."""

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.core.api import Ticket
from remote_assist.tui.job import Job
from remote_assist.tui.messages import MachineAnswered, MachinesListed
from remote_assist.tui.work import Work


def list_machines(work: Work, screen: DOMNode) -> None:
    """Ask which machines are enrolled, and which of them wait."""

    async def call() -> Message:
        return MachinesListed(await (await work.desk()).machines())

    work.start(screen, Job.MACHINES, call, exclusive=True)


def call_machine(
    work: Work, screen: DOMNode, machine: str, ticket: Ticket, scopes: tuple[str, ...], seconds: int
) -> None:
    """Open a session with one; cancelled, the call is burned."""

    async def call() -> Message:
        return MachineAnswered(await (await work.desk()).call(machine, ticket, scopes, seconds))

    work.start(screen, Job.CALL, call, exclusive=True)

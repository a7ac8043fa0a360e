"""After a restart that a fix ended with: whether it helped is looked at now, and written down.

Rule: the verify is the one of the acknowledged plan, named by the fix's own digest. What did not help is the
customer's to decide, like any half-applied fix: undo, or leave.
"""

from remote_assist.agent.actions import Ending
from remote_assist.agent.fixes.undo_journal import UndoFile
from remote_assist.agent.gate import VERIFIED_LATER, Gate
from remote_assist.agent.machine import Machine
from remote_assist.agent.shelf import Shelf
from remote_assist.agent.texts import say
from remote_assist.core.prompt import Prompt
from remote_assist.diagnostics.verifying import Restarted
from remote_assist.errors import AssistError


async def helped_after_restart(
    gate: Gate, prompt: Prompt, undo: UndoFile, restarted: Restarted, shelf: Shelf, title: str
) -> bool:
    """Whether the fix is verified now, and then over. False: it is still to be settled."""

    async def work(machine: Machine) -> Ending:
        reason = await _why_not(machine, restarted, shelf)
        if reason:
            return Ending(status="failed", reason="not-verified", sentence=reason)
        await undo.close("resolved")
        return Ending(status="resolved")

    ending = await gate.restore(undo.action, "", work, code=VERIFIED_LATER)
    if ending.status == "resolved":
        prompt.show(say("restart.helped", title=title))
        return True
    prompt.show(say("restart.did-not-help", title=title, why=ending.sentence))
    return False


async def _why_not(machine: Machine, restarted: Restarted, shelf: Shelf) -> str:
    if not await restarted.is_over(machine.target):
        return "this computer has not restarted since"
    try:
        return await restarted.why_not(await shelf.catalog(), machine.target, shelf.clock, shelf.services)
    except AssistError as error:
        return error.message

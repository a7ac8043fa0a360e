"""A fix that was stopped in the middle: the customer says whether to undo it or to leave it.

Rule: undoing is the rollback that the acknowledged plan named, so it happens first and is written down after.
Nobody to ask (`--accept`) means undo; silence at a screen means leave: nothing happens here without an act.
"""

from collections.abc import Awaitable, Callable

from remote_assist.agent.actions import Ending
from remote_assist.agent.fixes.undo_journal import UndoFile
from remote_assist.agent.gate import LEFT_AS_IS, Gate
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import PlanQuestion, Prompt
from remote_assist.core.target import MutableTarget
from remote_assist.diagnostics.fixes import undo_fix
from remote_assist.settings import PairingSettings


async def settle(
    gate: Gate,
    prompt: Prompt,
    undo: UndoFile,
    title: str,
    services_folder: str,
    limits: PairingSettings,
    reach: Callable[[], Awaitable[MutableTarget]] | None = None,
) -> None:
    """Ask, then undo or leave; either is written down. `reach`: the way to what was changed, where that is not this
    machine as the agent's own user.

    Raises AssistError when it cannot be written down.
    """
    named = say("what.there", what=title, place=undo.place) if undo.place else title
    question = PlanQuestion(
        title=HostileStr(say("undo.title", title=named)),
        consent=HostileStr(""),
        steps=tuple(HostileStr(say("undo.step", step=step)) for step, _ in reversed(undo.records)),
        digest="",
        risk="",
        deadline_seconds=limits.consent_deadline_seconds,
        undo=True,
    )
    if not await prompt.allow_plan(question):
        await undo.close("left")
        await gate.note(LEFT_AS_IS, undo.action, "", Ending(status="done", reason="left"))
        prompt.show(say("undo.left"))
        return

    async def work(machine: Machine) -> Ending:
        target = machine.target if reach is None else await reach()
        result = await undo_fix(undo.records, target, progress=lambda progress: None, services_folder=services_folder)
        await undo.close(result.status)
        steps = "\n".join(result.steps).encode("utf-8", "backslashreplace")
        return Ending(status=result.status, sentence=result.sentence, sealed={"steps": steps})

    ending = await gate.restore(undo.action, "", work)
    undone = ending.status == "rolled-back"
    prompt.show(say("undo.done") if undone else say("undo.failed", sentence=ending.sentence))

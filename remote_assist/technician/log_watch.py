"""The technician's eye on the relay's log: it must only grow, and be the one the agent sees.

    HTTP: invite, end           the relay's checkpoint continues the last one seen here
    SSH: connect, each minute,  the agent's checkpoint, with a proof from the one seen here (split view, F9)
         before the end

Rule: what contradicts is refused with an evidence file (audit/log_memory.py) and nothing more goes through that link.
"""

import contextlib
from collections.abc import Awaitable, Callable

from remote_assist.audit.log_memory import LogMemory
from remote_assist.core.checkpoint import Checkpoint, open_checkpoint
from remote_assist.errors import UsageError
from remote_assist.technician.agent_link import AgentLink
from remote_assist.technician.api import RelayApi

EVERY_SECONDS = 60.0


async def look(api: RelayApi, memory: LogMemory) -> None:
    """Ask the relay itself. Raises VerificationError (evidence saved), UnreachableError."""
    await _know(memory, memory.remembered(), api.successions)
    seen = memory.last()
    note = await _newest(api, seen)
    await _know(memory, note, api.successions)
    shown = open_checkpoint(note, memory.log_keys)
    proof: tuple[bytes, ...] = ()
    if seen is not None and seen.size < shown.size:
        proof = await api.consistency(seen.size, shown.size)
    memory.take_since(seen, note, proof)


async def compare(link: AgentLink, memory: LogMemory, successions: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
    """Show the agent what was seen here, and take what it sees. Raises VerificationError (evidence saved).

    `successions` asks the relay how the log's keys followed each other.
    """
    await _know(memory, memory.remembered(), successions)
    seen = memory.last()
    async with link.conversation() as conversation:
        answer = await conversation.show_checkpoint("" if seen is None else seen.note)
    if not answer.agrees:
        raise memory.contradiction(
            "the agent's program does not find what was seen here in the log it is shown",
            "" if seen is None else seen.note,
            answer.checkpoint,
            answer.consistency,
        )
    if answer.checkpoint:  # else the agent could not ask the relay now
        await _know(memory, answer.checkpoint, successions)
        memory.take_since(seen, answer.checkpoint, answer.consistency)


async def _newest(api: RelayApi, seen: Checkpoint | None) -> str:
    """The relay's checkpoint. A node of several is asked to come up to what another one showed.

    Where it never does, what it has is taken: that convicts a log that was rolled back.
    """
    if seen is not None and seen.size:
        with contextlib.suppress(UsageError):
            return await api.checkpoint(fresh=False, covers=seen.size - 1)
    return await api.checkpoint(fresh=False)


async def _know(memory: LogMemory, note: str, successions: Callable[[], Awaitable[tuple[str, ...]]]) -> None:
    """Learn of keys that follow those known here, if a note needs one."""
    if note and memory.lacks(note):
        memory.learn(await successions())

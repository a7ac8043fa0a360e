"""The technician shows which checkpoint of the relay's log they saw; the agent answers with its own, or ends.

Not an action: nothing is read from the machine, nothing is recorded. A relay that cannot be asked now is no fault.
"""

from remote_assist.agent.conversation import Caller
from remote_assist.agent.record.log_watch import Asks, LogWatch
from remote_assist.agent.session import Session
from remote_assist.agent.session_facts import ENDED_BY_DISTRUST
from remote_assist.core.requests import CheckpointSeen, ShowCheckpoint
from remote_assist.errors import UnreachableError, VerificationError


class LogRequests:
    """Executor of ShowCheckpoint."""

    def __init__(self, session: Session, relay: Asks, log: LogWatch) -> None:
        self._session = session
        self._relay = relay
        self._log = log

    async def compare(self, caller: Caller, request: ShowCheckpoint) -> None:
        """Answer the checkpoint both can believe. When there is none: say so, then end for everybody."""
        try:
            note, proof = await self._log.agree(self._relay, request.checkpoint)
        except VerificationError:
            seen = self._log.memory.last()
            try:
                await caller.answer(CheckpointSeen(checkpoint="" if seen is None else seen.note, agrees=False))
            finally:
                self._session.end.now(ENDED_BY_DISTRUST)
        except UnreachableError:
            await caller.answer(CheckpointSeen(checkpoint=""))
        else:
            await caller.answer(CheckpointSeen(checkpoint=note, consistency=proof))

"""The request `disclose`: written down and shown to the customer, then the technician's program sends it.

Rule: the intent is acknowledged before anything goes; what came of it is the technician's word, and a channel that
goes away before that word leaves the outcome `cancelled`: it may be on the ticket.
"""

from remote_assist.agent.actions import Ending, disclose_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.core.codec import decode
from remote_assist.core.disclosure import check_disclosure, check_outcome
from remote_assist.core.requests import Disclose, Disclosed
from remote_assist.errors import RemoteProtocolError

MAX_OUTCOME_BYTES = 4 << 10


async def disclose(caller: Caller, request: Disclose) -> None:
    """Let the disclosure happen; Done repeats what the technician's program said of it."""
    check_disclosure(request)

    async def wait_for_word(_machine: Machine, running: Running) -> Ending:
        running.partial = Ending(size=request.size, sha256=request.sha256)
        await caller.accept(running)
        said = check_outcome(await _word(caller))
        sealed = {"remote": said.remote.encode("utf-8", "backslashreplace")} if said.remote else {}
        reason = "" if said.status == "done" else "not-taken"
        return Ending(status=said.status, reason=reason, sentence=said.sentence, size=request.size, sealed=sealed)

    await caller.finish(await caller.perform(disclose_action(request), wait_for_word))


async def _word(caller: Caller) -> Disclosed:
    raw = b""
    while piece := await caller.input.read():
        raw += piece
        if len(raw) > MAX_OUTCOME_BYTES:
            raise RemoteProtocolError("the outcome of a disclosure is too long")
    return decode(raw, Disclosed, max_bytes=MAX_OUTCOME_BYTES)

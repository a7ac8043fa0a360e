"""What the agent lets in through SSH: the typed conversation, and stock clients' commands under `terminal`.

Rule: everything else is refused and leaves a record (RA1900R).
"""

from collections.abc import Mapping

from remote_assist.agent.actions import door_action
from remote_assist.agent.conversation import Conversation, Executor
from remote_assist.agent.gate import Gate
from remote_assist.agent.requests_run import run_string
from remote_assist.core.keys import fingerprint
from remote_assist.core.messages import Message
from remote_assist.core.records import Actor
from remote_assist.errors import AssistError, RefusedError
from remote_assist.transport.channel import MessageChannel
from remote_assist.transport.doors import ClosedDoors, RemoteProgram

MAX_DETAIL_CHARS = 1024
"""Longest detail of a refused door kept (sealed) in the record."""


class AgentDoors(ClosedDoors):
    """The doors of one session. Implements transport.doors.Doors."""

    def __init__(self, gate: Gate, actor: Actor, executors: Mapping[type[Message], Executor], shell: str) -> None:
        self._gate = gate
        self._actor = actor
        self._executors = executors
        self._shell = shell

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        """Hold one typed conversation."""
        await Conversation(self._gate, channel, self._actor, fingerprint(peer_key), self._executors).hold()

    async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
        """Run a stock client's command string under `terminal`."""
        return await run_string(self._gate, self._actor, fingerprint(peer_key), self._shell, command, program)

    async def refused(self, door: str, detail: str, peer_key: str) -> None:
        """Write down that a shut door was tried."""
        detail = detail[:MAX_DETAIL_CHARS]
        error = RefusedError("this door is shut in every session", reason="no-such-door")
        try:
            await self._gate.refuse(self._actor, door_action(door, detail), error)
        except AssistError:
            return  # the session has ended or the disk is full; the door stays shut all the same

"""What the agent lets in through SSH: the typed conversation, stock clients' commands under `terminal`, their files.

Rule: everything else is refused and leaves a record (RA1900R).
"""

import os
import shlex
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from remote_assist.agent.actions import door_action
from remote_assist.agent.conversation import Conversation, Executor
from remote_assist.agent.forward_door import ForwardDoor
from remote_assist.agent.gate import Gate
from remote_assist.agent.people import People
from remote_assist.agent.requests.run import run_string
from remote_assist.agent.requests.shell import ShellRequests
from remote_assist.agent.sftp_door import SftpDoor
from remote_assist.core.messages import Message
from remote_assist.core.records import Actor, RecordDraft
from remote_assist.core.wishes import parse_endpoint
from remote_assist.errors import AssistError, ContentError, RefusedError
from remote_assist.transport.channel import MessageChannel
from remote_assist.transport.doors import ClosedDoors, Opening, RemoteProgram
from remote_assist.transport.sftp import serve_sftp

MAX_DETAIL_CHARS = 1024
"""Longest detail of a refused door kept (sealed) in the record."""


FILE_SCOPES = ("files:read", "files:write")

OWN_KEY_EXCHANGE, OWN_CLIENT = "mlkem768x25519-sha256", "remote-assist_"
"""What connections of our own programs have; any other leaves a record that says what it had."""

NO_LEGACY_SCP = RefusedError(
    "the legacy protocol of scp is not served: it would run a program that no record could tell apart",
    reason="no-such-door",
    advice="Use scp without -O (OpenSSH 9 and newer), scp -s (OpenSSH 8.7), or sftp.",
)

NO_TERMINAL = RefusedError(
    "a shell opens at a terminal only, so that it is recorded",
    reason="no-such-door",
    advice="Use ssh -t, or name a command.",
)

MAX_CLIENT_CHARS = 64
"""Longest name and version of a client kept in a record."""


class AgentDoors(ClosedDoors):
    """The doors of one session. Implements transport.doors.Doors."""

    def __init__(
        self,
        gate: Gate,
        people: People,
        executors: Mapping[type[Message], Executor],
        shell: str,
        shells: ShellRequests,
        *,
        receive: Callable[[MessageChannel, str], Awaitable[None]],
    ) -> None:
        self._shells = shells
        self._gate = gate
        self._people = people
        self._receive = receive
        self._executors = executors
        self._shell = shell
        self._forwards = ForwardDoor(gate)

    async def subsystem(self, name: str, channel: MessageChannel, peer_key: str) -> None:
        """Hold one typed conversation."""
        person = self._people.find(peer_key)
        if person is None:
            await self._receive(channel, peer_key)
        else:
            await Conversation(self._gate, channel, person.actor, person.key, self._executors).hold()

    async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
        """Run a stock client's command string under `terminal`."""
        if is_legacy_scp(command):
            await self._refuse("scp", command, NO_LEGACY_SCP, peer_key)
            raise NO_LEGACY_SCP
        person = self._people.technician(peer_key)
        if program.has_terminal:
            return await self._shells.serve(self._gate, person.actor, person.key, command, program)
        return await run_string(self._gate, person.actor, person.key, self._shell, command, program)

    async def shell(self, program: RemoteProgram, peer_key: str) -> int:
        """Serve a stock client's terminal under `terminal`, recorded."""
        if not program.has_terminal:
            await self._refuse("shell", "", NO_TERMINAL, peer_key)
            raise NO_TERMINAL
        person = self._people.technician(peer_key)
        return await self._shells.serve(self._gate, person.actor, person.key, "", program)

    async def sftp(self, program: RemoteProgram, peer_key: str) -> int:
        """Serve files, each request an action; refused whole when the customer allowed no files at all."""
        person = self._people.technician(peer_key)
        try:
            self._gate.require_any(FILE_SCOPES, person.key)
        except RefusedError as error:
            await self._refuse("sftp", "", error, peer_key)
            raise
        return await serve_sftp(program, SftpDoor(self._gate, person.actor, person.key, program, home_folder()))

    async def forward(self, host: str, port: int, opening: Opening, peer_key: str) -> None:
        """Connect to what the customer granted, and to nothing else."""
        try:
            endpoint = parse_endpoint(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except ContentError as fault:
            error = RefusedError(fault.message, reason="other-place")
            await self._refuse("forward", f"{host}:{port}", error, peer_key)
            raise error from fault
        person = self._people.technician(peer_key)
        await self._forwards.carry(endpoint, opening, person.actor, person.key)

    async def connected(self, key_exchange: str, client: str, peer_key: str) -> None:
        """Write down that somebody else's program connected, and by which key exchange."""
        if key_exchange == OWN_KEY_EXCHANGE and client.startswith(OWN_CLIENT):
            return
        program = client.encode("ascii", "replace").decode()[:MAX_CLIENT_CHARS]
        await self._gate.write(
            RecordDraft(code="RA1008E", actor=self._actor(peer_key), program=program, catalog=key_exchange)
        )

    async def refused(self, door: str, detail: str, peer_key: str) -> None:
        """Write down that a shut door was tried."""
        await self._refuse(
            door, detail, RefusedError("this door is shut in every session", reason="no-such-door"), peer_key
        )

    def _actor(self, peer_key: str) -> Actor:
        """Whose connection it is; of a key that proved nothing yet only the agent can tell."""
        person = self._people.find(peer_key)
        return Actor(kind="agent") if person is None else person.actor

    async def _refuse(self, door: str, detail: str, error: RefusedError, peer_key: str) -> None:
        try:
            await self._gate.refuse(self._actor(peer_key), door_action(door, detail[:MAX_DETAIL_CHARS]), error)
        except AssistError:
            return  # the session has ended or the disk is full; the door stays shut all the same


def is_legacy_scp(command: str) -> bool:
    """Whether this is how scp starts its other half: `scp [options] -t` (to) or `-f` (from)."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if not words or words[0].rpartition("/")[2] != "scp":
        return False
    options = [word for word in words[1:] if word.startswith("-") and not word.startswith("--")]
    return any(letter in option for option in options for letter in "tf")


def home_folder() -> bytes:
    """Where relative paths of sftp begin: the home of the user who runs the agent, links resolved once."""
    try:
        return os.fsencode(Path.home().resolve())
    except (RuntimeError, OSError):
        return b"/"

"""Becoming root for one action: the customer types their own password at this computer, and nobody else sees it.

Rule 1: each elevation is an action of its own (RA1800), acknowledged before anybody is asked. Rule 2: the password is
used once and kept nowhere; neither sudo nor polkit is left with anything of it. Rule 3: while a technician's program
runs here nobody is asked: it could look over the customer's shoulder.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from remote_assist.agent.actions import Action, Ending
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.texts import say
from remote_assist.core.consent import ANY_SCOPE
from remote_assist.core.hostile import HostileStr, SafeStr
from remote_assist.core.prompt import Prompt, TypedQuestion
from remote_assist.errors import ConsentDenied, RefusedError
from remote_assist.transport.elevated_target import ElevatedTarget, way_to_root

MAX_WRONG = 2
"""Passwords that may be wrong in one session, so that no account is locked."""

Reach = Callable[[], Awaitable[ElevatedTarget]]

TYPING_SECONDS = 60.0
PROGRAMS = frozenset({"RA1400", "RA1401"})
"""Actions that run a program of the technician's choice."""


class Elevation:
    """The one way to root of a session whose agent is not root itself."""

    def __init__(self, gate: Gate, prompt: Prompt, technician: HostileStr, off_limits: Sequence[bytes]) -> None:
        self._gate = gate
        self._prompt = prompt
        self._technician = technician
        self._off_limits = off_limits
        self._wrong = 0

    @property
    def possible(self) -> bool:
        """Whether somebody at this computer could be asked to become root."""
        return not is_root() and self._prompt.can_ask and bool(way_to_root())

    @contextlib.asynccontextmanager
    async def for_action(self, caller: Caller, what: SafeStr) -> AsyncIterator[ElevatedTarget]:
        """This machine as root while the block lasts; `what` is the action it is for, in the customer's words.

        Raises ConsentDenied when the customer does not, RefusedError for wrong passwords or an open terminal.
        """
        started: list[ElevatedTarget] = []

        async def work(_machine: Machine, _running: Running) -> Ending:
            started.append(await self._start(what))
            return Ending()

        try:
            performed = await caller.perform(elevate_action(what), work)
            if performed.error is not None:
                raise performed.error
            yield started[0]
        finally:
            for target in started:
                await target.close()

    async def _start(self, what: SafeStr) -> ElevatedTarget:
        if self._wrong >= MAX_WRONG:
            raise RefusedError(
                f"the password was wrong {MAX_WRONG} times; nobody is asked again in this session", reason="credentials"
            )
        if self._gate.runs(PROGRAMS):
            raise RefusedError(
                "a program of the technician runs on this computer and could see what the customer types",
                reason="terminal-open",
                advice="Close the shell or end the program, then try again.",
            )
        password = await self._prompt.typed(_question(self._technician, what))
        if not password:
            raise ConsentDenied("the customer did not type their password", reason="denied")
        try:
            return await ElevatedTarget.start(password, self._off_limits)
        except RefusedError:
            self._wrong += 1
            raise


@contextlib.asynccontextmanager
async def root_again(prompt: Prompt, what: SafeStr, off_limits: Sequence[bytes]) -> AsyncIterator[Reach]:
    """The way to root for undoing, at a next start, what an earlier run did as root. Asks when it is first used.

    No technician is there and no relay is asked: the customer alone undoes, and that is written down.
    """
    started: list[ElevatedTarget] = []

    async def reach() -> ElevatedTarget:
        password = await prompt.typed(_question(HostileStr("remote-assist"), what))
        if not password:
            raise ConsentDenied("the customer did not type their password", reason="denied")
        started.append(await ElevatedTarget.start(password, off_limits))
        return started[-1]

    try:
        yield reach
    finally:
        for target in started:
            await target.close()


def elevate_action(what: SafeStr) -> Action:
    """Asking the customer for root, for one thing."""
    return Action(code="RA1800", scope=ANY_SCOPE, what=say("what.elevate", what=what))


def is_root() -> bool:
    """Whether the agent itself is root, so that nobody need be asked."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _question(technician: HostileStr, what: SafeStr) -> TypedQuestion:
    return TypedQuestion(
        lines=(HostileStr(say("root.why", name=technician, what=what)), HostileStr(say("hop.password-whose"))),
        label=HostileStr(say("root.label")),
        deadline_seconds=TYPING_SECONDS,
        secret=True,
    )

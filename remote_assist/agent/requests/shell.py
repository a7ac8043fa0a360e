"""Terminals: a shell of ours, a stock client's shell, a stock client's command at a terminal. All recorded.

    read ─▶ tape (in the log) ─▶ technician, and the customer's screen       typed ─▶ tape's room ─▶ terminal

Rule 1: nothing is shown that is not on the tape, so a recording that cannot go on stops the terminal.
Rule 2: whoever goes away takes the terminal along; whoever ends the session kills it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from remote_assist.agent.actions import Action, Ending, shell_action, shell_string_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.agent.prompt.mirror import Mirror
from remote_assist.agent.record.recordings import Recordings
from remote_assist.agent.record.tape import Tape
from remote_assist.agent.requests.run import check_string, remote_status, stop_when_gone, stoppable
from remote_assist.agent.texts import say
from remote_assist.core.log.asciicast import Header
from remote_assist.core.records import Actor
from remote_assist.core.requests import OpenShell
from remote_assist.errors import AuditUnavailable
from remote_assist.transport.doors import RemoteProgram, allowed_environment

if TYPE_CHECKING:
    from remote_assist.agent.machine import AnyTerminal

Send = Callable[[bytes], Awaitable[None]]
Read = Callable[[], Awaitable[bytes]]

LOGIN_SHELL = "login-shell"
"""How records call the shell of a machine behind this one: which it is, only that machine knows."""

RECORDING = "recording"
"""Why a terminal was stopped whose recording could not go on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a technician wants at a terminal. `argv0`: a login shell is told so by a dash before its name."""

    argv: tuple[str, ...]
    argv0: str
    environment: Mapping[str, str]
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Ends:
    """The technician's end of a terminal. `on_terminal` hands over what resizes and signals; None at the end."""

    send: Send
    read: Read
    on_terminal: "Callable[[AnyTerminal | None, Tape | None], None]"


class ShellRequests:
    """Opens terminals of one session."""

    def __init__(self, recordings: Recordings, shell: str, clock: Callable[[], datetime]) -> None:
        self._recordings = recordings
        self._shell = shell
        self._clock = clock

    async def open(self, caller: Caller, request: OpenShell) -> None:
        """Serve one of our own programs' shells."""
        shell = self._shell if caller.ground.machine is None else LOGIN_SHELL
        asked = _asked(shell, "", {"TERM": request.term or "dumb"}, request.columns, request.rows)

        def hand_over(terminal: "AnyTerminal | None", tape: Tape | None) -> None:
            caller.on_resize = None if terminal is None or tape is None else _resizer(terminal, tape)

        ends = Ends(caller.channel.send_data, caller.input.read, hand_over)

        async def work(machine: Machine, running: Running) -> Ending:
            return await self._serve(machine, running, asked, ends, lambda: caller.accept(running), caller.gate)

        await caller.finish(await caller.perform(shell_action(shell), work))

    async def serve(self, gate: Gate, actor: Actor, key: str, command: str, remote: RemoteProgram) -> int:
        """Serve a stock client's terminal: its shell, or a command string; answer the exit status."""
        if command:
            check_string(command)
        action: Action = shell_string_action(self._shell, command) if command else shell_action(self._shell)
        asked = _asked(self._shell, command, remote.environment, remote.columns, remote.rows)

        def hand_over(terminal: "AnyTerminal | None", tape: Tape | None) -> None:
            remote.on_signal = None if terminal is None else terminal.pass_signal
            remote.on_resize = None if terminal is None or tape is None else _resizer(terminal, tape)

        ends = Ends(remote.write, remote.read, hand_over)

        async def work(machine: Machine, running: Running) -> Ending:
            async with stop_when_gone(remote, running):
                return await self._serve(machine, running, asked, ends, _nothing, gate)

        performed = await gate.perform(actor, key, action, work, wanted=lambda: not remote.gone.is_set())
        if performed.error is not None:
            raise performed.error
        if performed.ending.reason == RECORDING:
            raise AuditUnavailable(performed.ending.sentence, reason=RECORDING)
        return remote_status(performed.ending)

    async def _serve(
        self,
        machine: Machine,
        running: Running,
        asked: Asked,
        ends: Ends,
        accept: Callable[[], Awaitable[None]],
        gate: Gate,
    ) -> Ending:
        terminal = await machine.start_terminal(
            asked.argv, asked.argv0, environment=asked.environment, columns=asked.columns, rows=asked.rows
        )
        async with stoppable(terminal, running):
            async with self._recorded(asked, running, gate) as tape:
                await accept()
                ends.on_terminal(terminal, tape)
                try:
                    ending = await _relay(terminal, running, tape, ends, Mirror(gate.show, _seconds))
                finally:
                    ends.on_terminal(None, None)
            return replace(ending, recording=tape.name, sizes={**ending.sizes, "chunks": tape.chunks})

    @contextlib.asynccontextmanager
    async def _recorded(self, asked: Asked, running: Running, gate: Gate) -> AsyncIterator[Tape]:
        """A tape for as long as the terminal runs; the gate marks other actions on it."""

        def broken(fault: AuditUnavailable) -> None:
            running.partial = replace(running.partial, sentence=say("live.no-recording", why=fault.message))
            running.stop(RECORDING)

        header = Header(
            version=2,
            width=max(1, asked.columns),
            height=max(1, asked.rows),
            timestamp=int(self._clock().timestamp()),
            title=f"{self._recordings.session} {running.number}",
            env={"SHELL": asked.environment["SHELL"], "TERM": asked.environment.get("TERM", "dumb")},
        )
        tape = Tape(self._recordings, running.number, header, broken)
        try:
            with gate.marked_on(tape.mark):
                yield tape
        except BaseException:
            with contextlib.suppress(AuditUnavailable):  # what ended the terminal is what is told
                await tape.close()
            raise
        else:
            await tape.close()
        finally:
            running.partial = replace(
                running.partial, recording=tape.name, sizes={**running.partial.sizes, "chunks": tape.chunks}
            )


def _asked(shell: str, command: str, environment: Mapping[str, str], columns: int, rows: int) -> Asked:
    argv = (shell, "-c", command) if command else (shell,)
    name = shell.rpartition("/")[2]
    allowed = {**allowed_environment(environment), "SHELL": shell}
    return Asked(argv, "" if command else f"-{name}", allowed, columns, rows)


async def _relay(terminal: "AnyTerminal", running: Running, tape: Tape, ends: Ends, mirror: Mirror) -> Ending:
    """Carry bytes both ways until the program ends, each of them past the tape."""
    size = 0
    feeder = asyncio.create_task(_feed(terminal, tape, ends.read))
    try:
        async for _, raw in terminal.output():
            await tape.take(raw)
            mirror.take(raw)
            await ends.send(raw)
            size += len(raw)
            running.partial = replace(running.partial, sizes={"stdout": size}, size=size)
        status = await terminal.wait()
    finally:
        mirror.close()
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
    return Ending(exit=status, size=size, sizes={"stdout": size})


async def _feed(terminal: "AnyTerminal", tape: Tape, read: Read) -> None:
    with contextlib.suppress(AuditUnavailable):  # a broken tape stops the action by itself
        while raw := await read():
            await tape.typed(raw)
            await terminal.feed(raw)
        terminal.close_stdin()


def _resizer(terminal: "AnyTerminal", tape: Tape) -> Callable[[int, int], None]:
    def resize(columns: int, rows: int) -> None:
        window = terminal.resize(columns, rows)
        tape.resized(window.columns, window.rows)

    return resize


async def _nothing() -> None:
    """A stock client is told nothing when its terminal opens."""


def _seconds() -> float:
    return asyncio.get_running_loop().time()

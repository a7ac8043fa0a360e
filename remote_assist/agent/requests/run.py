"""Requests to run a program: an argv list of ours, or the command string of a stock client.

Rule 1: output is sent as it comes, at the pace the other end takes it; the program waits meanwhile.
Rule 2: whoever stops the action kills the whole process group.
Rule 3: a string is only ever given to the customer's shell as one argument, under `terminal`, sealed whole.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from remote_assist.agent.actions import Action, Ending, run_action, shell_string_action
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import CANCELLED, DISCONNECTED, Gate, Running
from remote_assist.agent.machine import Machine
from remote_assist.core.records import Actor
from remote_assist.core.requests import KIND_DATA, KIND_ERROR, Run
from remote_assist.errors import UsageError
from remote_assist.transport.doors import RemoteProgram

if TYPE_CHECKING:
    from remote_assist.agent.machine import AnyProgram, AnyTerminal

MAX_WORDS = 1024
MAX_STRING_CHARS = 128 << 10
"""Longest command string taken from a stock client."""

Send = Callable[[int, bytes], Awaitable[None]]
Read = Callable[[], Awaitable[bytes]]


async def run_program(caller: Caller, request: Run) -> None:
    """Run an argv list."""
    if not 1 <= len(request.argv) <= MAX_WORDS or not request.argv[0]:
        raise UsageError(f"a command has 1 to {MAX_WORDS} words")

    async def work(machine: Machine, running: Running) -> Ending:
        program = await machine.start(request.argv, request.folder, stdin=request.stdin)
        async with stoppable(program, running):
            await caller.accept(running)
            read = caller.input.read if request.stdin else None
            return await _relay(program, running, _send_frames(caller), read)

    await caller.finish(await caller.perform(run_action(request.argv, request.folder), work))


async def run_string(gate: Gate, actor: Actor, key: str, shell: str, command: str, remote: RemoteProgram) -> int:
    """Run a stock client's command string as `[shell, "-c", string]`; answer its exit status."""
    check_string(command)
    action: Action = shell_string_action(shell, command)

    async def send(kind: int, raw: bytes) -> None:
        await remote.write(raw, error=kind == KIND_ERROR)

    async def work(machine: Machine, running: Running) -> Ending:
        argv = [shell, "-c", command]
        program = await machine.start(argv, "", environment=remote.environment, stdin=True)
        remote.on_signal = program.pass_signal
        try:
            async with stoppable(program, running), stop_when_gone(remote, running):
                return await _relay(program, running, send, remote.read)
        finally:
            remote.on_signal = None  # its process group is nobody's from here on

    performed = await gate.perform(actor, key, action, work, wanted=lambda: not remote.gone.is_set())
    if performed.error is not None:
        raise performed.error
    return remote_status(performed.ending)


def check_string(command: str) -> None:
    """Raise UsageError for a command string that is none."""
    if not command or "\0" in command or len(command) > MAX_STRING_CHARS:
        raise UsageError("a command is a text without a zero byte, at most 128 KiB long")


def remote_status(ending: Ending) -> int:
    """What ssh exits with: the program's status, or 128 + n after signal n."""
    return 128 - ending.exit if ending.exit < 0 else ending.exit


async def _relay(program: "AnyProgram", running: Running, send: Send, read: Read | None) -> Ending:
    """Carry bytes both ways until the program ends."""
    counts = {KIND_DATA: 0, KIND_ERROR: 0}
    feeder = asyncio.create_task(_feed(program, running, read)) if read is not None else None
    try:
        async for kind, raw in program.output():
            await running.pace()
            await send(kind, raw)
            counts[kind] += len(raw)
            running.partial = Ending(sizes=_sizes(counts), size=sum(counts.values()))
        status = await program.wait()
    finally:
        if feeder is not None:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
    return Ending(exit=status, size=sum(counts.values()), sizes=_sizes(counts))


async def _feed(program: "AnyProgram", running: Running, read: Read) -> None:
    while raw := await read():
        await running.pace()
        await program.feed(raw)
    program.close_stdin()


@contextlib.asynccontextmanager
async def stoppable(program: "AnyProgram | AnyTerminal", running: Running) -> AsyncIterator[None]:
    """The program ends with its action: asked first when the technician stops it, at once when consent ends."""

    def stop() -> None:
        if running.stopped in {CANCELLED, DISCONNECTED}:
            program.terminate()
        else:
            program.kill()

    running.on_stop(stop)
    try:
        yield
    finally:
        await program.finish()


@contextlib.asynccontextmanager
async def stop_when_gone(remote: RemoteProgram, running: Running) -> AsyncIterator[None]:
    """A stock client that goes away takes its program with it."""

    async def watch() -> None:
        await remote.gone.wait()
        running.stop(DISCONNECTED)

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()


def _send_frames(caller: Caller) -> Send:
    async def send(kind: int, raw: bytes) -> None:
        await caller.channel.send_data(raw, kind)

    return send


def _sizes(counts: dict[int, int]) -> dict[str, int]:
    return {"stdout": counts[KIND_DATA], "stderr": counts[KIND_ERROR]}

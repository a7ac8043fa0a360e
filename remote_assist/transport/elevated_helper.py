"""The helper that runs as root for one elevated action: takes calls on standard input, answers on standard output.

Started by the agent through sudo or by polkit, with the customer's own password. It ends with its input: when the
agent dies, what runs for it is stopped. Files are reached with the same care as everywhere (transport/posix/files.py):
no link is followed, what belongs to the agent is off limits.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import BinaryIO

from remote_assist.errors import AssistError, RemoteProtocolError
from remote_assist.transport.elevated_calls import (
    READY,
    Answer,
    Call,
    fault_of,
    length_of,
    pack,
    unpack_call,
)
from remote_assist.transport.local_target import LocalTarget

HEAD_BYTES = 4
MAX_PASSWORD_BYTES = 1024


def main(off_limits: Sequence[str]) -> int:
    """Serve until the agent closes the pipe."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return 1
    asyncio.run(serve(LocalTarget([os.fsencode(path) for path in off_limits])))
    return 0


async def serve(target: LocalTarget) -> None:
    """Answer call by call."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer

    def say(raw: bytes) -> None:
        sink.write(raw)
        sink.flush()

    def hear() -> bytes:
        head = source.read(HEAD_BYTES)
        return source.read(length_of(head)) if head else b""

    say(READY)
    await asyncio.to_thread(_skip_password, source)
    hearing = asyncio.ensure_future(asyncio.to_thread(hear))
    while raw := await hearing:
        hearing = asyncio.ensure_future(asyncio.to_thread(hear))  # nothing comes before the answer but the end
        answering = asyncio.ensure_future(answer(target, raw))
        await asyncio.wait({answering, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done() and not await hearing:
            answering.cancel()
            await asyncio.wait({answering})
            return
        say(pack(await answering))


def _skip_password(source: BinaryIO) -> None:
    """Where sudo asked for nothing (NOPASSWD) the password is still there; an empty line follows it."""
    while source.readline(MAX_PASSWORD_BYTES) not in {b"\n", b""}:
        pass


async def answer(target: LocalTarget, raw: bytes) -> Answer:
    """One call carried out; its errors are answers too."""
    try:
        call = unpack_call(raw)
        work = CALLS.get(call.name)
        if work is None:
            raise RemoteProtocolError(f"there is no call {call.name[:40]}")
        return await work(target, call)
    except AssistError as error:
        return fault_of(error)
    except OSError as error:
        return fault_of(AssistError(error.strerror or str(error)))


async def _run(target: LocalTarget, call: Call) -> Answer:
    assert call.command is not None
    return Answer(completed=await target.run(call.command))


async def _read(target: LocalTarget, call: Call) -> Answer:
    return Answer(raw=await target.read(_text(call.path), max_bytes=call.max_bytes, tail=call.tail))


async def _status(target: LocalTarget, call: Call) -> Answer:
    return Answer(status=await target.status(_text(call.path)))


async def _list(target: LocalTarget, call: Call) -> Answer:
    return Answer(entries=await target.list(_text(call.path), max_entries=call.max_bytes))


async def _read_link(target: LocalTarget, call: Call) -> Answer:
    return Answer(raw=os.fsencode(await target.read_link(_text(call.path))))


async def _replace(target: LocalTarget, call: Call) -> Answer:
    await target.replace_file(_text(call.path), call.content, mode=call.mode, owner=call.owner, seen=call.seen)
    return Answer()


async def _remove(target: LocalTarget, call: Call) -> Answer:
    await target.remove_file(_text(call.path), seen=call.seen)
    return Answer()


async def _move(target: LocalTarget, call: Call) -> Answer:
    await target.move(_text(call.path), _text(call.to))
    return Answer()


async def _make_folder(target: LocalTarget, call: Call) -> Answer:
    await target.make_folder(_text(call.path), mode=call.mode)
    return Answer()


async def _make_link(target: LocalTarget, call: Call) -> Answer:
    await target.make_link(_text(call.path), _text(call.to))
    return Answer()


async def _spawn(target: LocalTarget, call: Call) -> Answer:
    assert call.command is not None
    return Answer(number=await target.spawn(call.command))


async def _signal(target: LocalTarget, call: Call) -> Answer:
    await target.signal(call.process_id, call.signal)
    return Answer()


def _text(path: bytes) -> str:
    return os.fsdecode(path)


CALLS: Mapping[str, Callable[[LocalTarget, Call], Awaitable[Answer]]] = {
    "run": _run,
    "read": _read,
    "status": _status,
    "list": _list,
    "read_link": _read_link,
    "replace_file": _replace,
    "remove_file": _remove,
    "move": _move,
    "make_folder": _make_folder,
    "make_link": _make_link,
    "spawn": _spawn,
    "signal": _signal,
}

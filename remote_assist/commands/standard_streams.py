"""Standard input and output of verbs that pass bytes through: in pieces, in lines, whole."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

from remote_assist.errors import UsageError

MAX_LINE_BYTES = 1 << 20
"""Longest line that is taken."""

QUEUED_CHUNKS = 8
CHUNK_BYTES = 64 << 10


async def stdin_chunks() -> AsyncIterator[bytes]:
    """Standard input as it comes. Read in a thread that dies with the program: a terminal may never say more."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_CHUNKS)

    def hand_over(data: bytes) -> None:
        taken = threading.Event()

        def put() -> None:  # the coroutine is made in the loop: one made here would be left over when the loop has gone
            putting = loop.create_task(queue.put(data))
            putting.add_done_callback(lambda _task: taken.set())

        loop.call_soon_threadsafe(put)
        taken.wait()

    def read() -> None:
        try:
            while True:
                data = os.read(0, CHUNK_BYTES)
                hand_over(data)
                if not data:
                    return
        except (OSError, RuntimeError):
            return  # standard input or the loop is gone: nobody waits for more

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while data := await queue.get():
        yield data


async def text_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines of standard input. Raises UsageError for one that is too long or not UTF-8."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _text(line)
        if len(rest) > MAX_LINE_BYTES:
            raise UsageError(f"a line of commands is longer than {MAX_LINE_BYTES} bytes")
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UsageError("a line of commands is not UTF-8") from error


def write_all(file: int, raw: bytes) -> None:
    """Write all of it. Blocks: use a thread. Raises BrokenPipeError when nobody reads any more."""
    rest = memoryview(raw)
    while rest:
        rest = rest[os.write(file, rest) :]

"""An optional command of the technician's that translates chat lines: text on its input, the translation on its output.

Rule 1: argv as configured, never a shell; the text goes through standard input only, so it is no argument.
Rule 2: bounded: time, and bytes taken. What fails is said beside the line; the line itself is always shown.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from remote_assist.errors import AssistError

TRANSLATE_SECONDS = 15.0
MAX_BYTES = 16 << 10
"""Longest translation taken."""


async def translate(argv: Sequence[str], text: str) -> str:
    """What `argv` makes of `text`. Raises AssistError: not there, too slow, failed, nothing said."""
    try:
        program = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise AssistError(f"the translation command cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(TRANSLATE_SECONDS):
            said = await _answer_of(program, text.encode("utf-8", "replace"))
            status = await program.wait()
    except TimeoutError as error:
        raise AssistError(f"the translation command took more than {TRANSLATE_SECONDS:.0f} s") from error
    finally:
        if program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
    if status or not said:
        raise AssistError(f"the translation command failed with status {status}")
    return said


async def _answer_of(program: asyncio.subprocess.Process, raw: bytes) -> str:
    assert program.stdin is not None
    assert program.stdout is not None
    with contextlib.suppress(ConnectionError):
        program.stdin.write(raw)
        await program.stdin.drain()
    program.stdin.close()
    parts, size = [], 0
    while size < MAX_BYTES and (part := await program.stdout.read(MAX_BYTES - size)):
        parts.append(part)
        size += len(part)
    return b"".join(parts).decode("utf-8", "replace").strip()

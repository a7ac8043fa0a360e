"""The technician's own terminal: keys and output in the loop, whatever the far end of it does."""

import asyncio
import os
import sys
import tty
from collections.abc import Iterator

import pytest

from remote_assist.transport.own_terminal import WAITING_PIECES, keys, screen

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A person's end of a terminal, and the program's."""
    person, program = os.openpty()
    tty.setraw(program)
    yield person, program
    for descriptor in (person, program):
        try:
            os.close(descriptor)
        except OSError:
            continue


async def refuse(_raw: bytes) -> None:
    raise AssertionError("this is a terminal")


async def test_keys_come_as_they_are_typed_until_the_terminal_is_gone(terminal: tuple[int, int]) -> None:
    person, program = terminal
    typed = keys(program)
    for word in (b"a", b"\x03", b"more at once"):
        os.write(person, word)
        assert await asyncio.wait_for(anext(typed), 60) == word
    os.close(person)
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(typed), 60)


async def test_keys_nobody_takes_wait_in_the_terminal(terminal: tuple[int, int]) -> None:
    person, program = terminal
    typed = keys(program)
    os.write(person, b"0")
    assert await asyncio.wait_for(anext(typed), 60) == b"0"
    sent = b"0"
    for number in range(3 * WAITING_PIECES):
        os.write(person, b"%d" % (number % 10))
        sent += b"%d" % (number % 10)
        await asyncio.sleep(0)
    got = b"0"
    while len(got) < len(sent):
        got += await asyncio.wait_for(anext(typed), 60)
    assert got == sent


async def test_output_beyond_what_a_terminal_holds_waits_for_its_reader(terminal: tuple[int, int]) -> None:
    person, program = terminal
    sent = os.urandom(200_000)
    got = b""
    with screen(program, refuse) as show:
        showing = asyncio.ensure_future(show(sent))
        while len(got) < len(sent):
            await asyncio.sleep(0)
            got += await asyncio.to_thread(os.read, person, 65536)
        await showing
    assert got == sent
    assert os.get_blocking(program)


async def test_what_is_no_terminal_is_written_otherwise() -> None:
    reader, writer = os.pipe()
    shown: list[bytes] = []

    async def write(raw: bytes) -> None:
        shown.append(raw)

    with screen(writer, write) as show:
        await show(b"into a pipe")
    os.close(reader)
    os.close(writer)
    assert shown == [b"into a pipe"]

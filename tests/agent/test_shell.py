"""Terminals at the customer's: through the gate, recorded byte for byte, resizable, stoppable, held up when need be."""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, select

from relay.storage.schema import chunks, wraps
from relay.storage.store import Store
from remote_assist.core.log.asciicast import MARKER, OUTPUT, RESIZE, Event, output_bytes, read_cast
from remote_assist.core.log.chunk import open_chunk
from remote_assist.core.log.sealing import unwrap
from remote_assist.core.messages import Message, Wrap
from remote_assist.core.records import Record, decode_record
from remote_assist.core.requests import Accepted, Cancel, Done, InputEnd, OpenShell, Refused, Resize, Run
from remote_assist.transport.channel import MessageChannel
from tests.agent.world import REVIEWER_PRIVATE, AgentWorld, agent_world, ask

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 60

T = TypeVar("T")


class Screen:
    """The technician's end of one shell: what was shown so far, and waiting for more."""

    def __init__(self, channel: MessageChannel) -> None:
        self.channel = channel
        self.shown = b""
        self.last: Message | None = None

    async def open(self) -> None:
        await self.channel.send(OpenShell(term="xterm", columns=90, rows=30))
        self.last = await self._message()

    async def until(self, pattern: bytes) -> bytes:
        """Read on until `pattern` is shown."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := re.search(pattern, self.shown)) is None:
                answer = await self.channel.receive()
                assert isinstance(answer, bytes), answer
                self.shown += answer
        return found[0]

    async def type(self, text: str) -> None:
        await self.channel.send_data(text.encode())

    async def done(self) -> Done:
        """Read on to the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not isinstance(answer := await self.channel.receive(), Done):
                assert isinstance(answer, bytes), answer
                self.shown += answer
        return answer

    async def _message(self) -> Message:
        answer = await self.channel.receive()
        assert isinstance(answer, Message)
        return answer


@pytest.fixture
async def screen(world: AgentWorld) -> AsyncIterator[Screen]:
    async with world.session(), world.technician.channel() as channel:
        screen = Screen(channel)
        await screen.open()
        assert isinstance(screen.last, Accepted)
        await screen.type("PS1='ready> '; stty -echo\r")
        await screen.until(b"ready> ")
        yield screen


def store_of(world: AgentWorld) -> Store:
    assert world.relay.relay._store is not None
    return world.relay.relay._store


async def stored(world: AgentWorld, recording: str, code: str = "RA1410E") -> tuple[list[Record], list[bytes]]:
    """A recording as a reviewer reads it: the records of its chunks, and their opened contents."""
    session = world.technician.session
    records = [decode_record(one.record) for one in await world.logged()]
    cut = [record for record in records if record.recording == recording and record.code == code]
    keys = await store_of(world).read(lambda c: c.execute(select(wraps).where(wraps.c.session == session)).all())
    bodies = await store_of(world).read(lambda c: c.execute(select(chunks.c.seq, chunks.c.body)).all())
    key = unwrap(Wrap(key_id=keys[0].key_id, reviewer=keys[0].reviewer, sealed=keys[0].sealed), REVIEWER_PRIVATE)
    by_seq = {row.seq: row.body for row in bodies}
    return cut, [open_chunk(key, record, by_seq[record.seq]) for record in cut]


async def eventually(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not what():
            await asyncio.sleep(0.02)


def events_of(contents: list[bytes]) -> list[Event]:
    return list(read_cast(contents)[1])


async def test_a_shell_runs_at_a_terminal_and_everything_shown_is_on_the_stored_recording(
    world: AgentWorld, screen: Screen
) -> None:
    await screen.type("echo pid $$; tty; stty size; echo $TERM; printf '\\377\\000x'; exit 7\r")
    done = await screen.done()
    assert (done.status, done.exit) == ("done", 7)
    assert b"/dev/pts/" in screen.shown
    assert b"30 90\r\nxterm\r\n\xff\x00x" in screen.shown
    outcome = world.journal()[-1]
    assert (outcome.code, outcome.recording) == ("RA1401O", outcome.action)
    await eventually(lambda: not os.listdir(world.home.session_folder(world.technician.session) / "chunks"))
    records, contents = await stored(world, outcome.recording)
    assert [record.sizes["chunk"] for record in records] == list(range(outcome.sizes["chunks"]))
    header, events = read_cast(contents)
    assert (header.width, header.height, header.version) == (90, 30, 2)
    assert b"".join(output_bytes(events)) == screen.shown
    assert hashlib.sha256(contents[0]).hexdigest() not in json.dumps([repr(record) for record in records])


async def test_the_window_can_be_resized_and_both_the_program_and_the_recording_know(
    world: AgentWorld, screen: Screen
) -> None:
    await screen.channel.send(Resize(columns=120, rows=41))
    await screen.type("stty size\r")
    await screen.until(rb"41 120")
    await screen.type("exit\r")
    await screen.done()
    await eventually(lambda: not os.listdir(world.home.session_folder(world.technician.session) / "chunks"))
    _, contents = await stored(world, world.journal()[-1].recording)
    assert [event.text for event in events_of(contents) if event.kind == RESIZE] == ["120x41"]


async def test_other_actions_are_marked_on_the_recording_and_input_is_not_on_it(
    world: AgentWorld, screen: Screen
) -> None:
    async with world.technician.channel() as other:
        await ask(other, Run(argv=("true",)))
    await screen.type("read -r secret && echo got\r")
    await screen.type("hunter2\r")
    await screen.until(b"got")
    await screen.type("exit\r")
    await screen.done()
    await eventually(lambda: not os.listdir(world.home.session_folder(world.technician.session) / "chunks"))
    _, contents = await stored(world, world.journal()[-1].recording)
    marks = [event.text for event in events_of(contents) if event.kind == MARKER]
    assert "runs true" in " ".join(marks)
    assert "enter" in marks
    assert b"hunter2" not in b"".join(contents)


async def test_the_customer_sees_what_is_shown_line_by_line(world: AgentWorld, screen: Screen) -> None:
    await screen.type("printf 'to be seen \\033]0;title\\007\\033[31mred\\033[0m\\n'\r")
    await screen.until(b"red")
    await eventually(lambda: any("│ " in line and line.endswith("to be seen red") for line in world.customer.lines))
    assert any("opens a terminal" in line for line in world.customer.lines)


async def test_ctrl_c_and_a_hang_up_reach_what_runs_in_the_terminal(world: AgentWorld, screen: Screen) -> None:
    # Who says it has begun is in the foreground: a ^C that comes while the shell still forks is the shell's own.
    await screen.type("sh -c \"echo be''gun; exec sleep 600\"\r")
    await screen.until(b"begun")
    await screen.channel.send_data(b"\x03")
    await screen.until(rb"(?s)begun\r\n.*ready> ")
    await screen.type("echo status $?\r")
    await screen.until(rb"status 130")
    await screen.type("sleep 600\r")
    await screen.channel.send(Cancel())
    assert (await screen.done()).status == "cancelled"


async def test_the_end_of_input_is_the_end_of_file_character(screen: Screen) -> None:
    await screen.channel.send(InputEnd())
    assert (await screen.done()).status == "done"


async def test_the_customer_ends_it_at_once(world: AgentWorld, screen: Screen) -> None:
    world.customer.press_end()
    done = await screen.done()
    assert (done.status, done.exit) == ("aborted", 0)
    await eventually(lambda: world.codes()[-2:] == ["RA1401O", "RA1990E"])


async def test_without_the_scope_no_terminal_opens(world: AgentWorld) -> None:
    async with world.session(("diagnose",)), world.technician.channel() as channel:
        await channel.send(OpenShell(term="xterm"))
        assert isinstance(await channel.receive(), Refused)
    assert "RA1401I" not in world.codes()


@pytest.mark.parametrize("flood", ["yes", "cat /dev/zero", "cat /dev/urandom"])
async def test_f14_a_flood_is_recorded_whole_and_can_be_cancelled(
    world: AgentWorld, screen: Screen, flood: str
) -> None:
    begun = len(screen.shown)
    await screen.type(f"{flood}\r")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(screen.shown) < begun + 600_000:
            answer = await screen.channel.receive()
            assert isinstance(answer, bytes)
            screen.shown += answer
    await screen.channel.send(Cancel())
    done = await screen.done()
    assert done.status == "cancelled"
    await eventually(lambda: not os.listdir(world.home.session_folder(world.technician.session) / "chunks"))
    outcome = world.journal()[-1]
    assert outcome.outcome is not None
    assert outcome.outcome.status == "cancelled"
    _, contents = await stored(world, outcome.recording)
    assert len(contents) == outcome.sizes["chunks"] > 5
    events = [event for event in events_of(contents) if event.kind in {OUTPUT, "x"}]
    # What was taken from the terminal but not shown any more is on the recording too.
    assert b"".join(output_bytes(events)).startswith(screen.shown)


async def test_a_session_that_may_store_no_more_stops_its_terminal_and_says_why(tmp_path: Path) -> None:
    async with agent_world(tmp_path, chunk_bytes_per_session=70_000) as world:
        async with world.session(), world.technician.channel() as channel:
            screen = Screen(channel)
            await screen.open()
            await screen.type("cat /dev/urandom\r")
            done = await screen.done()
            assert (done.status, done.sentence) == (
                "aborted",
                "the recording cannot go on, so the terminal was closed: the relay does not take the recording: quota",
            )
            assert any("the recording cannot go on" in line for line in world.customer.lines)
        outcome = next(record for record in world.journal() if record.code == "RA1401O")
        assert outcome.outcome is not None
        assert outcome.outcome.reason == "recording"


async def test_a_disk_that_takes_no_more_stops_the_terminal_and_says_why(world: AgentWorld, screen: Screen) -> None:
    folder = world.home.session_folder(world.technician.session) / "chunks"
    await eventually(lambda: folder.exists() and not os.listdir(folder))
    folder.rmdir()
    folder.write_text("no folder")  # whoever runs this may be root, whom no mode stops
    await screen.type("cat /dev/urandom\r")
    done = await screen.done()
    assert done.status == "aborted"
    assert "the recording could not be written" in done.sentence


async def test_a_recording_that_is_not_stored_for_long_holds_the_terminal_up_and_goes_on_after(
    world: AgentWorld, screen: Screen
) -> None:
    store = store_of(world)
    gate = asyncio.Event()
    write = store.write

    async def held(work: Callable[[Connection], T]) -> T:
        await gate.wait()
        return await write(work)

    store.write = held  # type: ignore[method-assign]  # a relay that stores records, but no chunks for now
    await screen.type("yes\r")
    quiet = 0
    while quiet < 5:
        try:
            async with asyncio.timeout(1):
                answer = await screen.channel.receive()
                assert isinstance(answer, bytes)
                screen.shown += answer
                quiet = 0
        except TimeoutError:
            quiet += 5
    held_at = len(screen.shown)
    assert held_at < 1 << 20
    gate.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(screen.shown) < held_at + (1 << 20):
            answer = await screen.channel.receive()
            assert isinstance(answer, bytes)
            screen.shown += answer
    await screen.channel.send(Cancel())
    assert (await screen.done()).status == "cancelled"


async def test_a_stock_client_gets_the_same_recorded_terminal(world: AgentWorld) -> None:
    async with world.session(), world.technician.connection() as connection:
        done = await connection.run("tty; stty size; exit 5", term_type="vt100", term_size=(70, 20), encoding=None)
        assert done.exit_status == 5
        assert b"20 70" in (done.stdout or b"")
        shell = await connection.create_process(term_type="vt100", term_size=(70, 20))
        shell.stdin.write("stty size; exit 6\r")
        assert (await shell.wait()).exit_status == 6
    outcomes = [record for record in world.journal() if record.recording and record.outcome is not None]
    assert [record.code for record in outcomes] == ["RA1400O", "RA1401O"]
    assert all(record.sizes["chunks"] >= 1 for record in outcomes)

"""Programs and files of this machine as a Target."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from remote_assist.core.requests import KIND_DATA, KIND_ERROR
from remote_assist.core.target import Command, MutableTarget
from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.local_target import LocalTarget


def _target() -> MutableTarget:
    return LocalTarget()


def _alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _until_dead(process_id: int) -> None:
    """A signal is delivered, not yet acted upon, when the call returns."""
    async with asyncio.timeout(2):
        while _alive(process_id):
            await asyncio.sleep(0.005)


async def test_a_program_answers_status_output_and_errors() -> None:
    done = await _target().run(Command(("sh", "-c", "echo out; echo err >&2; exit 3")))
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert not done.truncated and not done.timed_out


async def test_a_program_gets_its_input_and_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_AGENT", "x")
    done = await _target().run(Command(("sh", "-c", "cat; env"), stdin=b"fed\n", environment={"EXTRA": "1"}))
    assert done.stdout.startswith(b"fed\n")
    assert b"SECRET" not in done.stdout
    assert b"EXTRA=1" in done.stdout
    assert b"LANG=C.UTF-8" in done.stdout


async def test_large_input_and_output_do_not_block_each_other() -> None:
    done = await _target().run(Command(("cat",), stdin=b"x" * (3 << 20), max_bytes=4 << 20))
    assert len(done.stdout) == 3 << 20


async def test_output_beyond_the_limit_is_cut_and_said_so() -> None:
    done = await _target().run(Command(("sh", "-c", "head -c 300000 /dev/zero"), max_bytes=1000))
    assert len(done.stdout) == 1000
    assert done.truncated
    assert done.status == 0


async def test_at_the_deadline_the_children_die_too() -> None:
    began = time.monotonic()
    done = await _target().run(Command(("sh", "-c", "trap '' TERM; sleep 77 & echo $!; sleep 77"), timeout_seconds=0.2))
    assert done.timed_out
    assert done.status == -signal.SIGKILL
    assert time.monotonic() - began < 2.5
    await _until_dead(int(done.stdout))


async def test_a_child_that_keeps_the_pipe_is_not_waited_for() -> None:
    began = time.monotonic()
    done = await _target().run(Command(("sh", "-c", "setsid sleep 3 & echo done"), timeout_seconds=10))
    assert done.stdout == b"done\n"
    assert not done.timed_out
    assert time.monotonic() - began < 2


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(AssistError, match="no program no-such-program"):
        await _target().run(Command(("no-such-program",)))
    with pytest.raises(AssistError, match="no folder /no/such"):
        await _target().run(Command(("true",), folder="/no/such"))
    with pytest.raises(UsageError):
        await _target().run(Command(("a\0b",)))
    with pytest.raises(UsageError):
        await _target().run(Command(()))


async def test_a_running_program_streams_both_ways() -> None:
    program = await LocalTarget().start(("sh", "-c", "while read line; do echo got $line; echo e >&2; done"), "/tmp")
    got: dict[int, bytes] = {KIND_DATA: b"", KIND_ERROR: b""}
    await program.feed(b"one\ntwo\n")
    program.close_stdin()
    async for kind, raw in program.output():
        got[kind] += raw
    assert await program.wait() == 0
    assert got == {KIND_DATA: b"got one\ngot two\n", KIND_ERROR: b"e\ne\n"}
    await program.finish()


async def test_a_reader_who_stops_stops_the_program() -> None:
    program = await LocalTarget().start(("sh", "-c", "head -c 8000000 /dev/zero; echo end >&2"), stdin=False)
    chunks = program.output()
    await anext(chunks)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asyncio.create_task(program.wait())), 0.3)
    rest = [raw async for _, raw in chunks]
    assert rest[-1] == b"end\n" or b"end\n" in rest
    await program.finish()


async def test_terminate_ends_the_group_and_the_output() -> None:
    program = await LocalTarget().start(("sh", "-c", "sleep 66 & echo $!; wait"))
    _, raw = await anext(program.output())
    program.terminate()
    assert [chunk async for chunk in program.output()] == []
    assert await program.wait() == -signal.SIGTERM
    await program.finish()
    await _until_dead(int(raw))


async def test_feeding_a_program_that_ended_is_harmless() -> None:
    program = await LocalTarget().start(("true",))
    await program.wait()
    for _ in range(20):
        await program.feed(b"x" * 100_000)
    assert await program.finish() == 0


async def test_a_spawned_program_outlives_and_can_be_signalled() -> None:
    target = _target()
    process_id = await target.spawn(Command(("sleep", "55")))
    assert _alive(process_id)
    await target.signal(process_id, "TERM")
    await _until_dead(process_id)
    await target.spawn(Command(("true",)))  # reaps the one before
    with pytest.raises(AssistError, match="no process"):
        await target.signal(process_id, "TERM")


@pytest.mark.parametrize("process_id", [0, 1, -1, os.getpid(), os.getppid()], ids=["0", "1", "-1", "self", "parent"])
async def test_the_agent_and_init_are_never_signalled(process_id: int) -> None:
    with pytest.raises(RefusedError):
        await _target().signal(process_id, "TERM")


async def test_only_three_signals_are_sent() -> None:
    with pytest.raises(UsageError, match="STOP"):
        await _target().signal(99999, "STOP")


async def test_files_are_read_listed_replaced_and_removed(tmp_path: Path) -> None:
    target = _target()
    path = str(tmp_path / "a.conf")
    await target.replace_file(path, b"0123456789", mode=0o640)
    assert (await target.status(path)).mode == 0o640
    assert await target.read(path, max_bytes=4) == b"0123"
    assert await target.read(path, max_bytes=4, tail=True) == b"6789"
    await target.replace_file(path, b"new", mode=0o644)
    assert [Path(one.path).name for one in await target.list(str(tmp_path), max_entries=10)] == ["a.conf"]
    await target.remove_file(path)
    with pytest.raises(AssistError, match="does not exist"):
        await target.status(path)


async def test_files_of_proc_are_read_though_they_have_no_size() -> None:
    assert b"MemTotal" in await _target().read("/proc/meminfo", max_bytes=1 << 16)


def test_the_platform_is_a_plain_word() -> None:
    assert _target().platform in {"linux", "macos"}

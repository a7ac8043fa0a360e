"""The queue of files: in order, paused and resumed, failed and tried again, never more than it may hold."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from remote_assist.core.requests import Done, Progress
from remote_assist.errors import RefusedError, UsageError
from remote_assist.technician import transfers as module
from remote_assist.technician.folder_fetch import FetchedFolder
from remote_assist.technician.remote_tree import LeftOut
from remote_assist.technician.transfers import OnProgress, State, Transfers


@dataclass
class Got:
    path: Path
    size: int


@dataclass
class Mover:
    """Moves files as soon as the test opens the gate; knows which exist already."""

    moved: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    there: set[bytes] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)

    async def get(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Got:
        if remote in self.there and not force:
            raise RefusedError("it is here already", reason="exists", advice="Use --force.")
        assert on_progress is not None
        on_progress(Progress(item="x", status="receiving", done=5, total=10))
        await self.gate.wait()
        self.moved.append(f"get {remote.decode()}")
        return Got(folder / "x", 10)

    async def get_folder(
        self, remote: bytes, folder: Path, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> FetchedFolder:
        assert on_progress is not None
        on_progress(Progress(item="1 files", status="receiving", done=5, total=10))
        await self.gate.wait()
        self.moved.append(f"get -r {remote.decode()}")
        left_out = [] if force else self.left_out
        return FetchedFolder(folder / "x", files=2, size=10, here_already=1, left_out=left_out)

    async def put(
        self, local: Path, folder: bytes, on_progress: OnProgress | None = None, *, force: bool = False
    ) -> Done:
        await self.gate.wait()
        self.moved.append(f"put {local.name}")
        return Done(action="a", status="done", size=3)


async def until(queue: Transfers, number: int, state: State) -> None:
    async with asyncio.timeout(60):
        while queue.items[number].state is not state:
            await asyncio.sleep(0)


async def test_files_move_in_order_and_the_run_ends_when_nothing_waits(tmp_path: Path) -> None:
    mover, news = Mover(), []
    mover.gate.set()
    queue = Transfers(mover, lambda: news.append(1))
    queue.get(b"/a", tmp_path)
    queue.put(tmp_path / "b", b"/srv")
    queue.get(b"/c", tmp_path)
    await queue.run()
    assert mover.moved == ["get /a", "put b", "get /c"]
    assert {item.state for item in queue.items} == {State.DONE} and not queue.waiting and news
    assert (queue.items[0].done, queue.items[0].total) == (10, 10)


async def test_a_paused_file_lets_the_next_one_go_and_is_resumed_later(tmp_path: Path) -> None:
    mover = Mover()
    queue = Transfers(mover, lambda: None)
    first, second = queue.get(b"/a", tmp_path), queue.get(b"/b", tmp_path)
    running = asyncio.create_task(queue.run())
    await until(queue, 0, State.RUNNING)
    await asyncio.sleep(0)
    queue.pause(first)
    await until(queue, 1, State.RUNNING)
    assert (first.state, first.done) == (State.PAUSED, 5)
    mover.gate.set()
    await running
    queue.resume(first)
    await queue.run()
    assert (first.state, second.state) == (State.DONE, State.DONE)
    assert mover.moved == ["get /b", "get /a"]


async def test_a_file_that_is_there_fails_with_words_and_is_replaced_on_demand(tmp_path: Path) -> None:
    mover = Mover(there={b"/a"})
    mover.gate.set()
    queue = Transfers(mover, lambda: None)
    item = queue.get(b"/a", tmp_path)
    await queue.run()
    assert (item.state, item.problem) == (State.FAILED, "it is here already Use --force.")
    queue.resume(item, force=True)
    await queue.run()
    assert item.state is State.DONE


async def test_a_stopped_run_leaves_its_file_paused(tmp_path: Path) -> None:
    queue = Transfers(Mover(), lambda: None)
    item = queue.get(b"/a", tmp_path)
    running = asyncio.create_task(queue.run())
    await until(queue, 0, State.RUNNING)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert item.state is State.PAUSED
    queue.drop(item)
    assert queue.items == []


def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRANSFERS", 2)
    queue = Transfers(Mover(), lambda: None)
    queue.get(b"/a", tmp_path)
    queue.get(b"/b", tmp_path)
    with pytest.raises(UsageError):
        queue.get(b"/c", tmp_path)


async def test_a_folder_moves_like_a_file_and_what_is_left_out_of_it_can_be_tried_again(tmp_path: Path) -> None:
    mover = Mover(left_out=[LeftOut(b"sock", "not-a-file", "no file", harmless=True), LeftOut(b"a", "exists", "there")])
    queue = Transfers(mover, lambda: None)
    folder = queue.get_folder(b"/var/log", tmp_path)
    running = asyncio.create_task(queue.run())
    await until(queue, 0, State.RUNNING)
    await asyncio.sleep(0)
    queue.pause(folder)
    assert (folder.state, folder.note, folder.done) == (State.PAUSED, "1 files", 5)
    mover.gate.set()
    await running
    queue.resume(folder)
    await queue.run()
    assert mover.moved == ["get -r /var/log"]
    assert (folder.state, folder.problem) == (State.FAILED, "1 left out; a: there")
    queue.resume(folder, force=True)
    await queue.run()
    assert (folder.state, folder.problem, folder.note) == (State.DONE, "", "2 files, 1 here already")


async def test_a_folder_of_which_only_links_are_left_out_is_done(tmp_path: Path) -> None:
    mover = Mover(left_out=[LeftOut(b"latest", "link", "a link", harmless=True)])
    mover.gate.set()
    queue = Transfers(mover, lambda: None)
    queue.get_folder(b"/srv", tmp_path)
    await queue.run()
    assert queue.items[0].state is State.DONE

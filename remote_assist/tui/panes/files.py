"""The files tab: the customer's folder and ours side by side, and the queue of what moves between them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widgets import Static

from remote_assist.core.counted import counted
from remote_assist.errors import UsageError
from remote_assist.technician.transfers import State, Transfers
from remote_assist.tui.focus import may_take_focus
from remote_assist.tui.job import Job
from remote_assist.tui.jobs import files as jobs
from remote_assist.tui.messages import ActionNoted, FilesMoved, FolderListed, JobCancelled, JobFailed
from remote_assist.tui.ports import SessionPort
from remote_assist.tui.theme import BAD
from remote_assist.tui.widgets.folder import FolderList
from remote_assist.tui.widgets.text import joined, shown
from remote_assist.tui.widgets.transfer_list import TransferList
from remote_assist.tui.work import Work

BYTES_SECONDS = 0.25
"""Between two drawings of how much has come: nobody reads more of it, and a key waits for each."""


class FilesPane(Container):
    """Files move while anything else is done; what is seen and moved is an entry in the log."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("w", "queue", "queue"),
    ]

    def __init__(self, work: Work, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._work = work
        self._session: SessionPort | None = None
        self._queue: Transfers | None = None
        self._moving = False
        self._stale = False
        self._states: tuple[tuple[int, State], ...] = ()
        self._told: set[int] = set()

    def compose(self) -> ComposeResult:
        with Horizontal(id="folders"):
            yield FolderList("customer", "/var/log", ("file", "folder"), id="remote")
            yield FolderList("here", str(self._work.downloads), ("file",), id="local")
        yield Static(id="files-fault", classes="fault")
        yield TransferList()

    def on_mount(self) -> None:
        self.query_one("#files-fault").display = False
        self.query_one(TransferList).display = False

    def use(self, session: SessionPort) -> None:
        """List and move over this connection from now on; what failed or was cut goes on where it stopped."""
        self._session = session
        if self._queue is None:
            self._queue = Transfers(session, self._changed)
            self._list_downloads(session)
        else:
            self._queue.use(session)
            self._move()

    def focus_list(self) -> None:
        self.query_one("#remote", FolderList).focus_list()

    def action_queue(self) -> None:
        if self.query_one(TransferList).display:
            self.query_one(TransferList).focus()

    # --- folders ------------------------------------------------------------------------------------

    @on(FolderList.Wanted)
    def list_folder(self, wanted: FolderList.Wanted) -> None:
        wanted.stop()
        if wanted.folder.id == "local":
            jobs.list_here(self._work, self, wanted.path)
        elif self._session is not None:
            jobs.list_remote(self._work, self, self._session, wanted.path)

    @on(FolderListed)
    def show_folder(self, listed: FolderListed) -> None:
        self.query_one("#files-fault").display = False
        side = self.query_one("#remote" if listed.remote else "#local", FolderList)
        side.show_folder(listed.path, listed.entries)
        if listed.remote:
            if may_take_focus(side) and not side.is_typed_in:
                side.focus_list()
            self._note(f"ls {os.fsdecode(listed.path)}", "done", counted(len(listed.entries), "entry", "entries"))

    @on(FolderList.Viewed)
    def view_file(self, viewed: FolderList.Viewed) -> None:
        viewed.stop()
        if viewed.folder.id == "local":
            jobs.view_here(self._work, self, viewed.path)
        elif self._session is not None:
            jobs.peek(self._work, self, self._session, viewed.path)

    # --- the queue ----------------------------------------------------------------------------------

    @on(FolderList.Copied)
    def queue_files(self, copied: FolderList.Copied) -> None:
        copied.stop()
        if self._queue is None:
            return
        here, there = self.query_one("#local", FolderList), self.query_one("#remote", FolderList)
        try:
            if copied.folder is there:
                self._queue_gets(self._queue, copied, Path(os.fsdecode(here.path)))
            elif there.path:
                for path in copied.files:
                    self._queue.put(Path(os.fsdecode(path)), there.path)
            else:
                self._complain("List the customer's folder first: that is where it goes.")
        except UsageError as error:
            self._complain(error.message)
        self._move()

    def _queue_gets(self, queue: Transfers, copied: FolderList.Copied, here: Path) -> None:
        for path in copied.files:
            queue.get(path, here)
        for path in copied.folders:
            queue.get_folder(path, here)

    @on(TransferList.Turned)
    def turn(self, turned: TransferList.Turned) -> None:
        self._with(turned.number, lambda queue, item: self._turn(queue, item, force=turned.force))

    @on(TransferList.Dropped)
    def drop(self, dropped: TransferList.Dropped) -> None:
        self._with(dropped.number, lambda queue, item: queue.drop(queue.items[item]))

    def _turn(self, queue: Transfers, at: int, *, force: bool) -> None:
        item = queue.items[at]
        if item.state in {State.PAUSED, State.FAILED}:
            queue.resume(item, force=force)
            self._move()
        elif not force:
            queue.pause(item)

    def _with(self, number: int, act: Callable[[Transfers, int], None]) -> None:
        if self._queue is not None:
            for at, item in enumerate(self._queue.items):
                if item.number == number:
                    act(self._queue, at)
                    return

    def _move(self) -> None:
        if self._queue is not None and self._queue.waiting and not self._moving:
            self._moving = True
            jobs.move(self._work, self, self._queue)

    def _changed(self) -> None:
        """Something moved. What begins or ends is drawn at once, how many bytes came a few times a second."""
        if self._queue is None:
            return
        states = tuple((item.number, item.state) for item in self._queue.items)
        if states != self._states:
            self._states = states
            self.call_later(self._show_queue)
        elif not self._stale:
            self._stale = True
            self.set_timer(BYTES_SECONDS, self._draw_queue)

    def on_show(self) -> None:
        """Seen again: as it is now."""
        self._draw_queue()

    def _show_queue(self) -> None:
        self._draw_queue()
        self._tell_over()

    def _draw_queue(self) -> None:
        self._stale = False
        shown_list = self.query_one(TransferList)
        if self._queue is not None and (self.is_on_screen or not shown_list.display):
            shown_list.display = bool(self._queue.items)
            shown_list.show(self._queue.items)

    def _tell_over(self) -> None:
        if self._queue is None:
            return
        for item in self._queue.items:
            if item.is_over and item.number not in self._told:
                self._told.add(item.number)
                verb = "get -r" if item.is_folder else "get"
                what = f"{verb} {os.fsdecode(item.remote)}" if item.is_get else f"put {item.local.name}"
                self._note(what, item.state.value, item.problem or item.note)
            elif not item.is_over:
                self._told.discard(item.number)

    @on(FilesMoved)
    def show_moved(self) -> None:
        self._moving = False
        self._move()
        self.query_one("#local", FolderList).reload()

    # --- what went wrong ----------------------------------------------------------------------------

    @on(JobFailed)
    def show_problem(self, failed: JobFailed) -> None:
        failed.stop()
        if failed.job is Job.MOVE:
            self._moving = False
        problem = failed.problem
        self._complain(problem.in_full)
        if failed.job is not Job.LIST_HERE:
            self._note(failed.job.value, "refused" if problem.reason else "failed", problem.sentence)

    @on(JobCancelled)
    def show_stopped(self, cancelled: JobCancelled) -> None:
        cancelled.stop()
        if cancelled.job is Job.MOVE:
            self._moving = False

    def _complain(self, sentence: str) -> None:
        fault = self.query_one("#files-fault", Static)
        fault.update(joined(("✖ ", BAD), shown(sentence, max_chars=600)))
        fault.display = True

    def _note(self, what: str, status: str, detail: str) -> None:
        self.post_message(ActionNoted(what, status, detail))

    def _list_downloads(self, session: SessionPort) -> None:
        jobs.list_downloads(self._work, self, self._work.downloads / session.id / "files")

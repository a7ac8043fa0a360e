"""Searching a text in a thread: hits come as they are found, at most one message waits at a time."""

import asyncio
import threading

from textual.message import Message
from textual.screen import Screen

from remote_assist.technician.log_file import LogFile
from remote_assist.tui.job import Job
from remote_assist.tui.messages import SearchEnded, SearchMoved
from remote_assist.tui.pending import HitBoard
from remote_assist.tui.work import Work, post


def search(work: Work, screen: Screen[None], log: LogFile, word: str) -> None:
    """Search `log` from its beginning; another search of this screen stops this one."""

    async def call() -> Message:
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        board = HitBoard(lambda waiting: post(screen, SearchMoved(word, waiting)))

        def run() -> None:
            for step in log.search(word, stop.is_set):
                loop.call_soon_threadsafe(board.report, step)

        try:
            await asyncio.to_thread(run)
        finally:
            stop.set()
        return SearchEnded(word)

    work.start(screen, Job.SEARCH, call, exclusive=True)

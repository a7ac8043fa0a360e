"""Searching a bundle's facts, in a thread."""

import asyncio
from collections.abc import Mapping

from textual.message import Message
from textual.widget import Widget

from remote_assist.technician.fact_search import search_facts
from remote_assist.tui.job import Job
from remote_assist.tui.messages import FactsFound
from remote_assist.tui.work import Work


def look_up(work: Work, pane: Widget, facts: Mapping[str, object], word: str) -> None:
    """Find `word` in names and values; another search of this pane stops this one."""

    async def call() -> Message:
        return FactsFound(word, await asyncio.to_thread(search_facts, facts, word))

    work.start(pane, Job.LOOK_UP, call, exclusive=True)

"""What is recorded of a session: list it, fetch one checked against the log."""

import asyncio
from pathlib import Path

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.errors import UsageError
from remote_assist.tui.job import Job
from remote_assist.tui.messages import RecordingFetched, RecordingsListed
from remote_assist.tui.ports import RecordingPort, RecordingsPort
from remote_assist.tui.work import Work


def list_of(work: Work, screen: DOMNode, session: str) -> None:
    """List what a session keeps."""

    async def call() -> Message:
        return RecordingsListed(session, await (await _recordings(work)).listed(session))

    work.start(screen, Job.RECORDINGS, call, exclusive=True)


def fetch(work: Work, screen: DOMNode, session: str, name: str, key: Path) -> None:
    """Fetch one recording and open it with a reviewers' key; one that does not even begin is let go again."""

    async def call() -> Message:
        recording = await (await _recordings(work)).fetched(session, name, key)
        try:
            await asyncio.to_thread(_begin, recording)
        except BaseException:
            recording.close()
            raise
        return RecordingFetched(recording)

    work.start(screen, Job.REPLAY, call, exclusive=True)


def _begin(recording: RecordingPort) -> None:
    """Read its header and first event. Raises ContentError."""
    _, events = recording.open()
    next(events, None)


async def _recordings(work: Work) -> RecordingsPort:
    if work.open_recordings is None:
        raise UsageError("recordings cannot be played here", advice="Use `remote-assist audit replay`.")
    return await asyncio.to_thread(work.open_recordings)

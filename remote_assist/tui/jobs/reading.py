"""What the reading screens ask for: the knowledge base, the bundles of this machine, what changed between two."""

import asyncio
from pathlib import Path

from textual.dom import DOMNode
from textual.message import Message

from remote_assist.technician.bundle_shelf import bundles_in
from remote_assist.tui.job import Job
from remote_assist.tui.messages import ArticlesRead, BundlesCompared, BundlesListed, TimelineRead
from remote_assist.tui.work import Work


def load_articles(work: Work, screen: DOMNode) -> None:
    """Read the catalog of this machine."""

    async def call() -> Message:
        return ArticlesRead(await (await work.desk()).articles())

    work.start(screen, Job.ARTICLES, call, exclusive=True)


def list_bundles(work: Work, screen: DOMNode) -> None:
    """List the bundles that were collected to this machine."""

    async def call() -> Message:
        return BundlesListed(await asyncio.to_thread(bundles_in, work.downloads))

    work.start(screen, Job.BUNDLES, call, exclusive=True)


def compare(work: Work, screen: DOMNode, older: Path, newer: Path) -> None:
    """Say what changed from one bundle to the other."""

    async def call() -> Message:
        compared = await (await work.desk()).compare(older, newer)
        return BundlesCompared(compared.changes, compared.notes)

    work.start(screen, Job.COMPARE, call, exclusive=True)


def read_timeline(work: Work, screen: DOMNode, session: str) -> None:
    """Read a session's records as lines."""

    async def call() -> Message:
        return TimelineRead(session, await (await work.desk()).timeline(session))

    work.start(screen, Job.LOG, call)

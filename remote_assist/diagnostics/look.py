"""How a collector looks at a machine: through a `Target`, with what a run has already learnt shared.

Rule 1: nothing here or in a collector touches this process's own machine; everything goes through the `Target`.
Rule 2: what is missing is `Unavailable` with a reason, an outcome like any other, never a crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from remote_assist.core.target import Command, Completed, FileStatus, Target
from remote_assist.diagnostics.log_time import lines_since
from remote_assist.errors import AssistError

T = TypeVar("T")
READ_BYTES = 256 << 10
ENVIRONMENT = {"LC_ALL": "C", "LANG": "C"}


class Unavailable(AssistError):
    """These facts do not exist here: no such tool, file or permission."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one collector brings: facts (JSON values), attached texts by name, and whether a limit cut them."""

    facts: object
    texts: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class Look:
    """One run's view of one machine. `services_folder` comes from the agent's own settings, never from a peer.

    `niceness`: how far its programs stand back for others. `since`: of logs, only what is newer.
    `trend`: what the samples of `watch` say, where it keeps some.
    """

    def __init__(
        self,
        target: Target,
        *,
        now: datetime,
        services_folder: str = "",
        niceness: int = 0,
        since: datetime | None = None,
        trend: dict[str, object] | None = None,
    ) -> None:
        self.target = target
        self.now = now
        self.niceness = niceness
        self.since = since
        self.trend = trend
        self.services_folder = services_folder
        self._shared: dict[str, asyncio.Future[object]] = {}

    async def text(self, path: str, *, max_bytes: int = READ_BYTES, tail: bool = False) -> str:
        """A file as text. Raises Unavailable."""
        try:
            raw = await self.target.read(path, max_bytes=max_bytes, tail=tail)
        except AssistError as error:
            raise Unavailable(error.message) from error
        return raw.decode("utf-8", "replace")

    async def text_or(self, path: str, default: str = "", *, max_bytes: int = READ_BYTES) -> str:
        """A file as text, or `default` where it cannot be read."""
        try:
            return await self.text(path, max_bytes=max_bytes)
        except Unavailable:
            return default

    async def linked(self, *paths: str, max_bytes: int = READ_BYTES) -> str:
        """Files that may be links (/proc/net, /etc/resolv.conf), one after the other; missing ones are skipped."""
        done = await self.completed("cat", "--", *paths, max_bytes=max_bytes)
        if not done.stdout and done.status != 0:
            raise Unavailable(f"{paths[0]} cannot be read")
        return done.stdout.decode("utf-8", "replace")

    async def folder(self, path: str, *, max_entries: int = 4096) -> list[FileStatus]:
        """Entries of a folder; none where it cannot be listed."""
        try:
            return await self.target.list(path, max_entries=max_entries)
        except AssistError:
            return []

    async def exists(self, path: str) -> bool:
        """Whether the path is there."""
        try:
            await self.target.status(path)
        except AssistError:
            return False
        return True

    async def link(self, path: str) -> str:
        """Where a link points to, as written. Raises Unavailable."""
        try:
            return await self.target.read_link(path)
        except AssistError as error:
            raise Unavailable(error.message) from error

    async def run(self, *argv: str, timeout_seconds: float = 5.0, max_bytes: int = 1 << 20) -> str:
        """Output of a program that ended with 0. Raises Unavailable otherwise."""
        done = await self.completed(*argv, timeout_seconds=timeout_seconds, max_bytes=max_bytes)
        if done.status != 0:
            raise Unavailable(f"{argv[0]}: {_first_line(done.stderr) or f'ended with status {done.status}'}")
        return done.stdout.decode("utf-8", "replace")

    def since_option(self) -> tuple[str, ...]:
        """What `journalctl` is told about time."""
        return () if self.since is None else (f"--since=@{int(self.since.timestamp())}",)

    async def log_lines(self, path: str, *, max_bytes: int) -> list[str]:
        """The last lines of a log file, as far as they are new enough. Raises Unavailable."""
        text = await self.text(path, max_bytes=max_bytes, tail=True)
        return list(lines_since(text.splitlines(), self.since, self.now))

    async def completed(self, *argv: str, timeout_seconds: float = 5.0, max_bytes: int = 1 << 20) -> Completed:
        """How a program ended. Raises Unavailable when it cannot be started or does not end in time."""
        command = Command(argv, environment=ENVIRONMENT, timeout_seconds=timeout_seconds, max_bytes=max_bytes)
        try:
            done = await self.target.run(replace(command, niceness=self.niceness))
        except AssistError as error:
            raise Unavailable(f"{argv[0]}: {error.message}") from error
        if done.timed_out:
            raise Unavailable(f"{argv[0]} did not end within {timeout_seconds:g} s")
        return done

    async def once(self, name: str, work: Callable[["Look"], Awaitable[T]]) -> T:
        """What several collectors need, done once a run; everybody gets the same result or the same error."""
        future = self._shared.get(name)
        if future is None:
            future = self._shared[name] = asyncio.ensure_future(_as_object(work(self)))
        return cast(T, await asyncio.shield(future))  # the name stands for one kind of result

    async def close(self) -> None:
        """End what is still shared and running."""
        for future in self._shared.values():
            future.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Results in order. The first error ends the others, and all have ended before it is raised."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


async def _as_object(work: Awaitable[T]) -> object:
    return await work


def _first_line(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip().partition("\n")[0][:200]

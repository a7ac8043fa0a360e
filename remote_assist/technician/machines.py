"""The same thing on many machines behind one customer's, a few at a time.

Rule: one machine that fails costs the others nothing; what failed says why in its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from remote_assist.core.requests import UseMachine
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import AssistError, ContentError, UsageError
from remote_assist.technician.session import Session

T = TypeVar("T")

MAX_MACHINES = 256
MAX_INVENTORY_BYTES = 1 << 20
DEFAULT_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What came of one machine; `error` is a sentence when nothing did. `seconds` of wall time."""

    place: str
    value: T | None
    error: str
    seconds: float


def read_inventory(path: Path) -> tuple[str, ...]:
    """Places of a file, one a line; `#` begins a comment. Raises ContentError naming the line."""
    try:
        raw = path.read_bytes()[: MAX_INVENTORY_BYTES + 1]
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > MAX_INVENTORY_BYTES:
        raise ContentError(f"{path} is longer than an inventory can be")
    places: list[str] = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        if text := line.partition("#")[0].strip():
            try:
                places.append(str(parse_hop(text)))
            except UsageError as error:
                raise ContentError(f"{path}:{number}: {error.message}", advice=error.advice) from error
    return checked(places, f"{path} names no machine")


def checked(places: Sequence[str], nothing: str = "no machine was named") -> tuple[str, ...]:
    """Each once, in order. Raises UsageError for none, or for more than can be held at once."""
    each = tuple(dict.fromkeys(places))
    if not each:
        raise UsageError(nothing, advice="Name machines with --on ssh://USER@HOST or --inventory FILE.")
    if len(each) > MAX_MACHINES:
        raise UsageError(f"{len(each)} machines are more than the {MAX_MACHINES} that one command takes")
    return each


async def on_each(
    session: Session,
    places: Sequence[str],
    work: Callable[[Session], Awaitable[T]],
    *,
    at_once: int = DEFAULT_AT_ONCE,
    done: Callable[[Result[T]], None] = lambda result: None,
) -> list[Result[T]]:
    """Do `work` on every machine, at most `at_once` at the same time; results in the order of `places`."""
    room = asyncio.Semaphore(at_once)

    async def one(place: str) -> Result[T]:
        async with room:
            began = asyncio.get_running_loop().time()
            value, error = None, ""
            try:
                value = await work(session.on(UseMachine(place=place)))
            except AssistError as fault:
                error = fault.message
            result = Result(place, value, error, asyncio.get_running_loop().time() - began)
            done(result)
            return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(place)) for place in places]
    return [task.result() for task in tasks]

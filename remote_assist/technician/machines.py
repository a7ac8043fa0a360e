"""The same thing on many machines behind one customer's, a few at a time, and one file that holds what came of it.

    many.tar   machines.json {version, session, bundle, machines: [{place, file, sha256, size, seconds, error}]}
               01-db.example.com.tar.zst … each a bundle like any other

Rule: one machine that fails costs the others nothing; what failed says why in its place.
"""

import asyncio
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

from remote_assist.core.requests import UseMachine
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import AssistError, ContentError, UsageError
from remote_assist.technician.session import Session

T = TypeVar("T")

INDEX = "machines.json"
VERSION = 1
MAX_MACHINES = 256
MAX_PART_BYTES = 256 << 20
MAX_INVENTORY_BYTES = 1 << 20
DEFAULT_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What came of one machine; `error` is a sentence when nothing did. `seconds` of wall time."""

    place: str
    value: T | None
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """One machine's entry in the index. `file` is empty when there is no bundle."""

    place: str
    file: str
    sha256: str
    size: int
    seconds: float
    error: str


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


def write_many(out: Path, session: str, bundle: str, results: Sequence[Result[Path]]) -> tuple[Part, ...]:
    """One file of all bundles, appearing whole. Raises ContentError when it cannot be written."""
    beside = out.with_name(f".{out.name}.new")
    try:
        with tarfile.open(beside, "w") as many:
            parts = tuple(_add(many, number, result) for number, result in enumerate(results, 1))
            index = {"version": VERSION, "session": session, "bundle": bundle, "machines": [asdict(p) for p in parts]}
            _add_bytes(many, INDEX, json.dumps(index, indent=1).encode())
        beside.chmod(0o600)
        beside.replace(out)
    except OSError as error:
        raise ContentError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
    return parts


def is_many(path: Path) -> bool:
    """Whether this is a file of many bundles."""
    return path.is_file() and tarfile.is_tarfile(path) and path.suffix == ".tar"


def read_many(path: Path, folder: Path) -> list[tuple[Part, Path | None]]:
    """Each machine's entry with its bundle, put into `folder` under names of ours. Raises ContentError."""
    try:
        with tarfile.open(path, "r:") as many:
            index = json.loads(_member(many, INDEX, MAX_INVENTORY_BYTES))
            parts = [Part(**entry) for entry in index["machines"][:MAX_MACHINES]]
            return [(part, _take_out(many, part, folder / f"{n}.tar.zst")) for n, part in enumerate(parts)]
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        raise ContentError(f"{path} is no file of many bundles: {error}") from error


def _add(many: tarfile.TarFile, number: int, result: Result[Path]) -> Part:
    if result.value is None:
        return Part(result.place, "", "", 0, round(result.seconds, 3), result.error)
    raw = result.value.read_bytes()
    host = re.sub(r"[^A-Za-z0-9.-]", "_", parse_hop(result.place).endpoint.host)
    name = f"{number:02d}-{host}.tar.zst"
    _add_bytes(many, name, raw)
    return Part(result.place, name, hashlib.sha256(raw).hexdigest(), len(raw), round(result.seconds, 3), "")


def _add_bytes(many: tarfile.TarFile, name: str, raw: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(raw), 0o600
    many.addfile(info, io.BytesIO(raw))


def _take_out(many: tarfile.TarFile, part: Part, path: Path) -> Path | None:
    if not part.file:
        return None
    raw = _member(many, part.file, MAX_PART_BYTES)
    if hashlib.sha256(raw).hexdigest() != part.sha256:
        raise ContentError(f"the bundle of {part.place[:200]} is not what the index says")
    path.write_bytes(raw)
    return path


def _member(many: tarfile.TarFile, name: str, max_bytes: int) -> bytes:
    found = many.getmember(name)
    source = many.extractfile(found) if found.isreg() and found.size <= max_bytes else None
    if source is None:
        raise ContentError(f"{name[:200]} is no plain file of a sensible size")
    return source.read(max_bytes)

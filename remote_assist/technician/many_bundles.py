"""One file that holds the bundles of many machines, and why some have none.

    many.tar   01-db.example.com.tar.zst … each a bundle like any other
               machines.json {version, session, bundle, machines: [{place, file, sha256, size, seconds, error}]} (last)

Rule: names inside are ours or the file is refused, and its bundles are put down under other names of ours.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from remote_assist.core.wishes import parse_hop
from remote_assist.diagnostics.tar_members import END, Limits, Member, content, members, packed
from remote_assist.errors import ContentError, RemoteProtocolError
from remote_assist.technician.machines import MAX_MACHINES, Result

INDEX = "machines.json"
VERSION = 1
MAX_PART_BYTES = 256 << 20
MAX_INDEX_BYTES = 1 << 20
MAX_HOST_CHARS = 80
NAME = re.compile(r"machines\.json|[0-9]{2,3}-[A-Za-z0-9._-]{1,80}\.tar\.zst")
LIMITS = Limits("the file of many bundles", NAME, MAX_MACHINES + 1, MAX_PART_BYTES)


@dataclass(frozen=True, slots=True)
class Part:
    """One machine's entry in the index. `file` is empty when there is no bundle."""

    place: str
    file: str
    sha256: str
    size: int
    seconds: float
    error: str


def write_many(out: Path, session: str, bundle: str, results: Sequence[Result[Path]]) -> tuple[Part, ...]:
    """One file of all bundles, appearing whole. Raises ContentError when it cannot be written."""
    beside = out.with_name(f".{out.name}.new")
    try:
        with beside.open("wb") as many:
            parts = tuple(_add(many, number, result) for number, result in enumerate(results, 1))
            index = {"version": VERSION, "session": session, "bundle": bundle, "machines": [asdict(p) for p in parts]}
            many.write(packed(INDEX, json.dumps(index, indent=1).encode()) + END)
        beside.chmod(0o600)
        beside.replace(out)
    except OSError as error:
        raise ContentError(f"{out} cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
    return parts


def read_many(path: Path, folder: Path) -> list[tuple[Part, Path | None]]:
    """Each machine's entry with its bundle, put into `folder` under names of ours. Raises ContentError."""
    try:
        with path.open("rb") as many:
            found = {member.name: member for member in members(many, LIMITS)}
            index = json.loads(_of(many, found, INDEX, MAX_INDEX_BYTES))
            parts = [Part(**entry) for entry in index["machines"][:MAX_MACHINES]]
            return [(part, _put_down(many, found, part, folder / f"{n}.tar.zst")) for n, part in enumerate(parts)]
    except (RemoteProtocolError, OSError, ValueError, KeyError, TypeError) as error:
        raise ContentError(f"{path} is no file of many bundles: {error}") from error


def _add(many: BinaryIO, number: int, result: Result[Path]) -> Part:
    if result.value is None:
        return Part(result.place, "", "", 0, round(result.seconds, 3), result.error)
    raw = result.value.read_bytes()
    host = re.sub(r"[^A-Za-z0-9.-]", "_", parse_hop(result.place).endpoint.host)[:MAX_HOST_CHARS]
    name = f"{number:02d}-{host}.tar.zst"
    many.write(packed(name, raw))
    return Part(result.place, name, hashlib.sha256(raw).hexdigest(), len(raw), round(result.seconds, 3), "")


def _put_down(many: BinaryIO, found: dict[str, Member], part: Part, path: Path) -> Path | None:
    if not part.file:
        return None
    raw = _of(many, found, part.file, MAX_PART_BYTES)
    if hashlib.sha256(raw).hexdigest() != part.sha256:
        raise ContentError(f"the bundle of {part.place[:200]} is not what the index says")
    path.write_bytes(raw)
    return path


def _of(many: BinaryIO, found: dict[str, Member], name: str, max_bytes: int) -> bytes:
    member = found.get(name)
    if member is None or member.size > max_bytes:
        raise ContentError(f"{name[:200]} is not in it, or longer than it can be")
    return content(many, member)

"""A tar file, member by member: plain files under names of ours, and nothing is ever unpacked onto a disk.

Rule: `tarfile.TarInfo` is used for headers only. What would follow links, names or devices onto a disk has no place
here; a member that is no plain file, or whose name does not belong, ends the reading.
Readable and writable by every stock `tar` (USTAR).
"""

import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from remote_assist.errors import RemoteProtocolError

BLOCK = 512
END = bytes(2 * BLOCK)
"""What ends the archive."""

MAX_NAME_CHARS = 99
"""The longest name one USTAR header holds without being split."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tar file may hold. `what` names it in sentences; `names` is the pattern of a whole name."""

    what: str
    names: re.Pattern[str]
    max_members: int
    max_member_bytes: int


@dataclass(frozen=True, slots=True)
class Member:
    """Where a plain file lies in the archive: `size` bytes from offset `start`."""

    name: str
    start: int
    size: int


def packed(name: str, raw: bytes, modified: int = 0) -> bytes:
    """A plain file as it stands in the archive. `modified` in Unix seconds. Raises ValueError for too long a name."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(raw), modified, 0o600
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict") + raw + bytes(-len(raw) % BLOCK)


def members(source: BinaryIO, limits: Limits) -> Iterator[Member]:
    """Each member in order, its content left unread. Raises RemoteProtocolError at the first that does not belong."""
    whole = source.seek(0, os.SEEK_END)
    position = 0
    seen: set[str] = set()
    while position + BLOCK <= whole:
        source.seek(position)
        header = source.read(BLOCK)
        if header == bytes(BLOCK):
            return
        info = _header(header, limits)
        member = Member(info.name, position + BLOCK, info.size)
        if len(seen) >= limits.max_members or info.size > limits.max_member_bytes or member.start + info.size > whole:
            raise RemoteProtocolError(f"{limits.what} has too many files, or one that is too long")
        if info.name in seen:
            raise RemoteProtocolError(f"{limits.what} holds {info.name!r} twice")
        seen.add(info.name)
        yield member
        position = member.start + info.size + -info.size % BLOCK


def content(source: BinaryIO, member: Member) -> bytes:
    """The bytes of a member, whose size was bounded when it was found."""
    source.seek(member.start)
    return source.read(member.size)


def _header(block: bytes, limits: Limits) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise RemoteProtocolError(f"{limits.what} is not a tar file") from error
    if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or not limits.names.fullmatch(info.name) or info.size < 0:
        raise RemoteProtocolError(f"{limits.what} holds {info.name[:100]!r}, which does not belong in one")
    return info

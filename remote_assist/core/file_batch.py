"""Many files in one answer: how much may be named at once, how one file follows the other, what is written down.

    head = length u32 big endian · JSON of FileHead       then `size` bytes of content, then the next head

Rule 1: one head for each name that was asked for, in that order; a file that does not come says why in its head.
Rule 2: a reader takes nothing that does not follow rule 1: RemoteProtocolError, never a guess.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from remote_assist.core.codec import decode, encode
from remote_assist.core.records import path_text
from remote_assist.errors import RemoteProtocolError

MAX_NAMED = 1000
"""Files one intent names (PROTOCOL 4)."""

MAX_NAMED_BYTES = 192 << 10
"""What those names may take in the intent's record, of its 512 KiB; the sealed digests name them once more."""

MAX_FILE_BYTES = 1 << 20
"""Longest file that comes with others; a longer one is an action of its own, which can be resumed in its middle."""

MAX_BATCH_BYTES = 32 << 20
"""What is asked for at once: so much is fetched again at most when a batch is cut."""

MAX_HEAD_BYTES = 8 << 10
TOO_LARGE = "too-large"
"""Reason of a head whose file must be asked for alone."""

_LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class FolderLimits:
    """The most that is fetched of a folder; `files` counts the folders in it too."""

    files: int = 100_000
    size_bytes: int = 10 << 30


class FileHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One file: the number of its name, then its size, time and SHA-256 (hex), or the `reason` it does not come.

    `reason` is a stable word, `sentence` is for people and hostile.
    """

    number: int
    size: int = 0
    modified: float = 0.0
    sha256: str = ""
    reason: str = ""
    sentence: str = ""


def named_bytes(path: bytes) -> int:
    """What a path takes in the record of an intent."""
    return len(msgspec.json.encode(path_text(path))) + 1


def head_line(head: FileHead) -> bytes:
    """A head as it stands before its content."""
    raw = encode(head, max_bytes=MAX_HEAD_BYTES)
    return _LENGTH.pack(len(raw)) + raw


def digest_lines(digests: Iterable[tuple[bytes, str]]) -> bytes:
    """(path, SHA-256) as `sha256sum` writes and checks them, names with a line break or backslash escaped."""
    return b"".join(_digest_line(path, sha256) for path, sha256 in digests)


def digest_of(digests: Iterable[tuple[bytes, str]]) -> str:
    """One SHA-256 (hex) over names and contents of all files: that of `digest_lines`."""
    return hashlib.sha256(digest_lines(digests)).hexdigest()


class BatchReader:
    """Cuts a stream of `count` files into heads and contents."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._next = 0
        self._held = bytearray()
        self._head: FileHead | None = None

    @property
    def complete(self) -> bool:
        """Whether every file has come and nothing is left over."""
        return self._next == self._count and self._head is None and not self._held

    def feed(self, raw: bytes) -> Iterator[tuple[FileHead, bytes]]:
        """The files that `raw` completes. Raises RemoteProtocolError."""
        self._held += raw
        at = 0
        while True:
            if self._head is None:
                self._head, at = self._take_head(at)
            head = self._head
            if head is None or len(self._held) - at < head.size:
                break
            content = bytes(self._held[at : at + head.size])
            self._head, at = None, at + head.size
            yield head, content
        del self._held[:at]

    def _take_head(self, at: int) -> tuple[FileHead | None, int]:
        begin = at + _LENGTH.size
        if len(self._held) < begin:
            return None, at
        (length,) = _LENGTH.unpack_from(self._held, at)
        if length > MAX_HEAD_BYTES or self._next == self._count:
            raise RemoteProtocolError("what comes is not the list of files that was asked for")
        if len(self._held) < begin + length:
            return None, at
        head = decode(bytes(self._held[begin : begin + length]), FileHead, max_bytes=MAX_HEAD_BYTES)
        if head.number != self._next or not 0 <= head.size <= (0 if head.reason else MAX_FILE_BYTES):
            raise RemoteProtocolError("a file out of turn, or longer than it may be")
        self._next += 1
        return head, begin + length


def _digest_line(path: bytes, sha256: str) -> bytes:
    if b"\n" not in path and b"\\" not in path:
        return b"%s  %s\n" % (sha256.encode(), path)
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    return b"\\%s  %s\n" % (sha256.encode(), escaped)

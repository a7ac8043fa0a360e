"""A bundle file: tar in zstd, facts and texts and a manifest; what it says and how it is read back.

    facts/NAME.json   texts/NAME.txt   …   manifest.json (last)

Rule 1: a bundle comes from a machine nobody controls: every size is bounded before it is allocated, names and
types outside the table above are refused, and nothing is ever unpacked onto a disk.
Rule 2: each file's SHA-256 is in the manifest; a file that does not match is a VerificationError.
Readable with stock tools as well: `tar --zstd -tf bundle.tar.zst`.
"""

import hashlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from remote_assist.core.sealed_stream import is_sealed, open_stream
from remote_assist.diagnostics.tar_members import Limits, content, members
from remote_assist.errors import ContentError, RemoteProtocolError, VerificationError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_FILE_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 64 << 20
MAX_MEMBER_BYTES = 16 << 20
MAX_MEMBERS = 512
MAX_DEPTH = 24
MAX_VALUES = 200_000
"""JSON values in one facts file: in memory each is many times as large as the comma before it."""

WINDOW_LOG_MAX = 24
MANIFEST = "manifest.json"
NAME = re.compile(r"manifest\.json|facts/[a-z0-9][a-z0-9_-]{0,63}\.json|texts/[a-z0-9][a-z0-9_.-]{0,95}\.txt")
LIMITS = Limits("the bundle", NAME, MAX_MEMBERS, MAX_MEMBER_BYTES)


class TextReport(msgspec.Struct, frozen=True, kw_only=True):
    """A text beside the facts."""

    file: str
    size: int
    sha256: str


class ItemReport(msgspec.Struct, frozen=True, kw_only=True):
    """One collector's line in the manifest. `status`: ok, cut, failed, timed-out, unavailable, declined or
    cancelled."""

    collector: str
    version: int
    digest: str
    status: str
    sensitivity: str
    seconds: float
    reason: str = ""
    file: str = ""
    size: int = 0
    sha256: str = ""
    redacted: dict[str, int] = {}
    texts: tuple[TextReport, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected. `status`: complete (every item was tried), partial or cancelled. Times RFC 3339 UTC."""

    format: int
    program: str
    platform: str
    bundle: str
    version: int
    digest: str
    status: str
    started: str
    ended: str
    seconds: float
    profile: str
    redacted: dict[str, int]
    items: tuple[ItemReport, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory: facts by collector, texts by file name."""

    manifest: Manifest
    facts: dict[str, object]
    texts: dict[str, str]

    @property
    def statuses(self) -> dict[str, str]:
        """Collector → status."""
        return {item.collector: item.status for item in self.manifest.items}

    @property
    def digests(self) -> dict[str, str]:
        """Collector → SHA-256 of its facts file."""
        return {item.collector: item.sha256 for item in self.manifest.items}


def read_bundle(source: Path | str | bytes, *, key: bytes = b"") -> Bundle:
    """A whole bundle from a file or from its bytes; `key` (32 bytes of X25519) opens a sealed one.

    Raises ContentError (no such file, sealed and no key), RemoteProtocolError (not a bundle, too large, truncated, a
    name or type that does not belong) and VerificationError (not what the manifest says, or not what was sealed to
    the key).
    """
    raw_bundle = source if isinstance(source, bytes) else _file(Path(source))
    contents = _contents(io.BytesIO(_unpacked(_opened(raw_bundle, key))))
    raw = contents.pop(MANIFEST, None)
    if raw is None:
        raise RemoteProtocolError("the bundle ends before its manifest", advice="Collect it again.")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"the bundle's manifest is not one: {error}") from error
    _check(manifest, contents)
    facts = {item.collector: _json(contents[item.file], item.file) for item in manifest.items if item.file}
    texts = {name: each.decode("utf-8", "replace") for name, each in contents.items() if name.startswith("texts/")}
    return Bundle(manifest, facts, texts)


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ContentError(f"{path}: {error.strerror}") from error
    return raw


def _opened(raw: bytes, key: bytes) -> bytes:
    if not is_sealed(raw):
        return raw
    if not key:
        raise ContentError("the bundle is sealed", advice="Give the private key it is sealed to with --key.")
    return open_stream(raw, key)


def _unpacked(raw: bytes) -> bytes:
    if len(raw) > MAX_FILE_BYTES:
        raise RemoteProtocolError(f"the bundle is longer than {MAX_FILE_BYTES} bytes")
    options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG_MAX}
    try:
        decompressor = zstd.ZstdDecompressor(options=options)
        unpacked = decompressor.decompress(raw, max_length=MAX_UNPACKED_BYTES + 1)
    except (zstd.ZstdError, ValueError) as error:
        raise RemoteProtocolError("the bundle is not zstd") from error
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise RemoteProtocolError(f"the bundle holds more than {MAX_UNPACKED_BYTES} bytes")
    if decompressor.eof and decompressor.unused_data:
        raise RemoteProtocolError("the bundle has bytes after its end")
    return unpacked


def _contents(tar: BinaryIO) -> dict[str, bytes]:
    return {member.name: content(tar, member) for member in members(tar, LIMITS)}


def _check(manifest: Manifest, contents: dict[str, bytes]) -> None:
    listed = {item.file: item.sha256 for item in manifest.items if item.file}
    for item in manifest.items:
        if item.file not in {"", f"facts/{item.collector}.json"}:
            raise RemoteProtocolError(f"the manifest gives {item.collector[:100]!r} a file of another name")
    listed |= {text.file: text.sha256 for item in manifest.items for text in item.texts}
    for name, raw in contents.items():
        if name not in listed:
            raise RemoteProtocolError(f"the bundle holds {name}, which its manifest does not name")
        if hashlib.sha256(raw).hexdigest() != listed[name]:
            raise VerificationError(f"{name} is not what the manifest says", where=name)
    missing = sorted(set(listed) - set(contents))
    if missing:
        raise RemoteProtocolError(f"the bundle lacks {missing[0]}, which its manifest names")


def _json(raw: bytes, name: str) -> object:
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MAX_VALUES:
        raise RemoteProtocolError(f"{name} holds more than {MAX_VALUES} values")
    depth = deepest = 0
    for bracket in re.findall(rb'"(?:[^"\\]|\\.)*"|([\[\]{}])', raw):
        depth += (bracket in (b"[", b"{")) - (bracket in (b"]", b"}"))
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise RemoteProtocolError(f"{name} is nested more than {MAX_DEPTH} levels deep")
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"{name} is not JSON") from error
    return value

"""Packs: an organisation's own catalog files in one signed file.

    file  = {"body": base64, "signature": SSHSIG pack@remote-assist by a key on the CA-signed packs' list}
    body  = {"id": "acme", "version": 3, "issued": RFC 3339 UTC, "files": {"disks.yaml": text, …}}

Rule 1: a pack counts because of a signature by a key on the packs' list and because its digest is not revoked there;
never because of who handed it over. Rule 2: items of a pack carry its name: `acme.…`, collectors `acme_…`.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from remote_assist.core import codec
from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.errors import AssistError, RefusedError, UsageError, VerificationError

MAX_PACK_BYTES = 2 << 20
"""Longest pack file."""

MAX_FILES = 100
MAX_VERSION = 1 << 31

_ID = re.compile(r"[a-z][a-z0-9]{1,30}")
_FILE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,60}\.yaml")
_RESERVED = frozenset(("linux", "macos", "windows", "own"))


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Catalog files of one organisation. `files`: name → YAML text."""

    id: str
    version: int
    issued: str
    files: dict[str, str]


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    body: bytes
    signature: str = ""


@dataclass(frozen=True, slots=True)
class PackTrust:
    """Who may sign packs, and which packs (digests) count no more."""

    keys: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


NOBODY = PackTrust()
"""Where no list is known: no pack counts."""


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A pack whose form holds. `digest` is the SHA-256 of its body, which names exactly this pack."""

    pack: Pack
    digest: str
    body: bytes
    signature: str

    def check(self, trust: PackTrust) -> str:
        """The fingerprint of the key that signed it. Raises VerificationError unless it is one that may."""
        if self.digest in trust.revoked:
            raise _refused(self.pack.id, "it was revoked", "Install a newer version of it.")
        for line in trust.keys:
            try:
                sshsig.verify(self.signature, line, "pack", self.body)
            except VerificationError:
                continue
            return keys.fingerprint(line)
        raise _refused(self.pack.id, "no key of the organisation's packs' list signed it")


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The one version of a pack that counts on a machine."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class InstalledPack:
    """A pack as it lies on a machine. `raw` is None where it cannot be read; `fault` says why."""

    id: str
    pin: Pin
    raw: bytes | None
    fault: str = ""

    def opened(self) -> OpenedPack:
        """The pack, if it is the one that was installed. Raises VerificationError."""
        if self.raw is None:
            raise _refused(self.id, self.fault)
        opened = open_pack(self.raw)
        if (opened.pack.id, opened.pack.version, opened.digest) != (self.id, self.pin.version, self.pin.digest):
            raise _refused(self.id, "it is not the one that was installed")
        return opened


def check_newer(opened: OpenedPack, before: Pin | None) -> None:
    """Raise RefusedError for a version older than, or another pack of the same version as, what was there before."""
    if before is None or opened.pack.version > before.version or opened.digest == before.digest:
        return
    same = "another pack of the same" if opened.pack.version == before.version else "the newer"
    fault = f"{same} version {before.version} was installed here before"
    raise RefusedError(f"the pack {opened.pack.id} {opened.pack.version} is refused: {fault}", reason="older-pack")


def build_pack(pack: Pack) -> bytes:
    """The file of a pack that nobody signed yet. Raises UsageError for what `open_pack` would refuse."""
    if fault := _fault(pack):
        raise UsageError(f"this is no pack: {fault}")
    raw = _encode(_Signed(body=msgspec.json.encode(pack, order="sorted")))
    if len(raw) > MAX_PACK_BYTES:
        raise UsageError(f"a pack is at most {MAX_PACK_BYTES} bytes")
    return raw


def sign_pack(raw: bytes, key: PrivateKey) -> bytes:
    """The same pack, signed."""
    opened = open_pack(raw)
    return _encode(_Signed(body=opened.body, signature=sshsig.sign(key, "pack", opened.body)))


def open_pack(raw: bytes) -> OpenedPack:
    """A pack file read, its form checked, its signature not. Raises VerificationError."""
    try:
        signed = codec.decode(raw, _Signed, max_bytes=MAX_PACK_BYTES + 1)
        pack = codec.decode(signed.body, Pack, max_bytes=MAX_PACK_BYTES)
    except AssistError as error:
        raise VerificationError(f"this is no pack: {error.message}", where="pack") from error
    if fault := _fault(pack):
        raise VerificationError(f"this is no pack: {fault}", where="pack")
    return OpenedPack(pack, hashlib.sha256(signed.body).hexdigest(), signed.body, signed.signature)


def foreign_items(pack_id: str, names: Mapping[str, list[str]]) -> list[str]:
    """Ids (by kind of item) that do not carry the pack's name."""
    return [
        name
        for kind, found in names.items()
        for name in found
        if not name.startswith(f"{pack_id}_" if kind == "Collector" else f"{pack_id}.")
    ]


def _encode(signed: _Signed) -> bytes:
    return msgspec.json.encode(signed) + b"\n"


def _fault(pack: Pack) -> str:
    if not _ID.fullmatch(pack.id) or pack.id in _RESERVED:
        return "its id is 2 to 31 small letters and digits, and no system's name"
    if not 1 <= pack.version < MAX_VERSION:
        return "its version is a whole number from 1"
    if not 1 <= len(pack.files) <= MAX_FILES:
        return f"it holds 1 to {MAX_FILES} files"
    wrong = next((name for name in pack.files if not _FILE.fullmatch(name)), "")
    return f"its file {wrong[:60]!r} is not named NAME.yaml" if wrong else ""


def _refused(name: str, fault: str, advice: str = "") -> VerificationError:
    return VerificationError(f"the pack {name} is refused: {fault}", where=f"pack/{name}", advice=advice)

"""ML-DSA-44 cosignatures of checkpoints (C2SP tlog-cosignature): a second signature, safe from quantum computers.

    — ORIGIN/ml-dsa-44 BASE64 LF     key id (4) ‖ seconds since the epoch (8, big-endian) ‖ signature (2,420 bytes)
    key id  = SHA-256(name LF 0x06 public key)[:4]
    covered = "subtree/v1" LF NUL ‖ len name ‖ seconds ‖ len origin ‖ 0 (8) ‖ size (8) ‖ root (32)
    vkey    = name + key id (hex) + base64(0x06 ‖ public key), as C2SP signed-note writes verifier keys

Rule 1: the name begins with the log's origin, so a cosigner's key belongs to one log.
Rule 2: whoever knows the key accepts a note without the line (older notes have none), but none whose line does not
hold; who wants the line to be there asks for it (`--strict`).
Rule 3: a `cryptography` without ML-DSA passes the line over; what it cannot check, it does not claim.
Source: https://c2sp.org/tlog-cosignature, FIPS 204.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from remote_assist.core.signing.signed_note import to_base64
from remote_assist.core.tree import TreeHead
from remote_assist.errors import ContentError, VerificationError

SEED_BYTES = 32
NAME_END = "/ml-dsa-44"

_ML_DSA_44 = b"\x06"
_PUBLIC_BYTES, _SIGNATURE_BYTES = 1312, 2420
_LABEL = b"subtree/v1\n\0"
_VKEY = re.compile(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_MAX_SECONDS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A cosigner's public key and the name it signs under."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name it in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ML_DSA_44 + self.public).digest()[:4]

    @property
    def line(self) -> str:
        """Its vkey."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(_ML_DSA_44 + self.public)}"

    def is_of(self, origin: str) -> bool:
        """Whether it cosigns the log of this origin."""
        return self.name == origin + NAME_END


def is_available() -> bool:
    """Whether the installed `cryptography` knows ML-DSA."""
    try:
        import cryptography.hazmat.primitives.asymmetric.mldsa  # noqa: F401  # looked for, not used here
    except ImportError:
        return False
    return True


def is_cosigner_line(line: str) -> bool:
    """Whether a line has the form of a vkey; all else is an OpenSSH key line, or nothing."""
    return _VKEY.fullmatch(line) is not None


def read_cosigner(line: str) -> CosignerKey:
    """The key in a vkey line. Raises ContentError."""
    found = _VKEY.fullmatch(line)
    fault = ContentError("this is no ML-DSA-44 cosigner's key (NAME+ID+KEY)")
    if found is None:
        raise fault
    try:
        raw = base64.b64decode(found[3], validate=True)
    except binascii.Error as error:
        raise fault from error
    key = CosignerKey(found[1], raw[1:])
    if raw[:1] != _ML_DSA_44 or len(key.public) != _PUBLIC_BYTES or key.line != line:
        raise fault
    return key


def cosigner_key(seed: bytes, origin: str) -> CosignerKey:
    """The public key of a seed of 32 bytes. Raises ContentError when the library has no ML-DSA."""
    return CosignerKey(origin + NAME_END, _signing(seed)[1])


def cosign(seed: bytes, origin: str, head: TreeHead, seconds: int) -> str:
    """The signature line over a checkpoint, made at `seconds` since the epoch. Raises ContentError."""
    sign, public = _signing(seed)
    key = CosignerKey(origin + NAME_END, public)
    blob = key.key_id + seconds.to_bytes(8, "big") + sign(_covered(key.name, origin, head, seconds))
    return f"\N{EM DASH} {key.name} {to_base64(blob)}\n"


def held_cosignatures(
    origin: str, head: TreeHead, signatures: Sequence[tuple[str, bytes]], keys: Collection[str], *, where: str
) -> tuple[str, ...]:
    """The names of those cosigners among `keys` who signed. Raises VerificationError for a line that does not hold.

    `signatures`: names and bytes of a note's signature lines; `keys`: key lines of which vkeys of this log count.
    """
    if not is_available():
        return ()
    known = [read_cosigner(line) for line in keys if is_cosigner_line(line)]
    held = []
    for key in known:
        if not key.is_of(origin):
            continue
        for blob in (blob for name, blob in signatures if name == key.name and blob[:4] == key.key_id):
            _check(key, origin, head, blob[4:], where)
            held.append(key.name)
    return tuple(dict.fromkeys(held))


def check_cosigned(origin: str, cosigners: Collection[str], keys: Collection[str], *, where: str) -> None:
    """Raise VerificationError when a cosigner of this log among `keys` is not among those whose signature held."""
    for line in keys:
        if not is_cosigner_line(line):
            continue
        key = read_cosigner(line)
        if key.is_of(origin) and key.name not in cosigners:
            advice = "" if is_available() else "The installed `cryptography` has no ML-DSA; install a newer one."
            raise VerificationError(f"{where}: {key.name} has not cosigned it", where=where, advice=advice)


def _check(key: CosignerKey, origin: str, head: TreeHead, blob: bytes, where: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    seconds = int.from_bytes(blob[:8], "big")
    try:
        if len(blob) != 8 + _SIGNATURE_BYTES or seconds > _MAX_SECONDS:
            raise InvalidSignature
        public = MLDSA44PublicKey.from_public_bytes(key.public)
        public.verify(blob[8:], _covered(key.name, origin, head, seconds))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise VerificationError(f"{where}: the cosignature of {key.name} does not hold", where=where) from error


def _covered(name: str, origin: str, head: TreeHead, seconds: int) -> bytes:
    def sized(text: str) -> bytes:
        raw = text.encode()
        return len(raw).to_bytes(1, "big") + raw

    time, start, end = (number.to_bytes(8, "big") for number in (seconds, 0, head.size))
    return _LABEL + sized(name) + time + sized(origin) + start + end + head.root


def _signing(seed: bytes) -> tuple[Callable[[bytes], bytes], bytes]:
    """How a seed signs, and its public key."""
    if not is_available():
        raise ContentError(
            "the installed `cryptography` has no ML-DSA, so checkpoints cannot be cosigned",
            advice="Install a newer one (50 has it), or remove cosign_key from the data folder.",
        )
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    if len(seed) != SEED_BYTES:
        raise ContentError(f"a cosigner's secret is {SEED_BYTES} bytes")
    private = MLDSA44PrivateKey.from_seed_bytes(seed)
    return private.sign, private.public_key().public_bytes_raw()

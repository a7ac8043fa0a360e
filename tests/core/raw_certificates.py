"""Certificates with any field wrong, signed all the same: what an attacker, or a careless CA, can write."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey
from remote_assist.core.signing.sshsig import _sign_raw
from remote_assist.core.signing.sshwire import string
from tests.core.pairs import ALICE_LINE, CA, NOW

BEGIN = int(NOW.timestamp()) - 300
END = int(NOW.timestamp()) + 12 * 3600


@dataclass(frozen=True)
class RawCertificate:
    """Every field of an OpenSSH certificate, in order; `line()` signs it as it is."""

    ca: PrivateKey = CA
    key_line: str = ALICE_LINE
    serial: int = 7
    kind: int = 1
    name: bytes = b"Alice Example"
    principals: Sequence[bytes] = (b"technician",)
    after: int = BEGIN
    before: int = END
    critical: Sequence[tuple[bytes, bytes]] = ()
    extensions: Sequence[tuple[bytes, bytes]] = ((b"permit-pty", b""),)
    signer: bytes | None = None
    signature: bytes | None = None
    sha1: bool = False
    tail: bytes = b""

    def but(self, **changes: object) -> "RawCertificate":
        return replace(self, **changes)  # type: ignore[arg-type]  # tests put wrong values in on purpose

    def line(self) -> str:
        plain = keys.blob_of(self.key_line)
        kind = self.key_line.split()[0].encode()
        suffixed = kind + b"-cert-v01@openssh.com"
        body = (
            string(suffixed)
            + string(b"n" * 32)
            + plain[4 + len(kind) :]
            + self.serial.to_bytes(8, "big")
            + self.kind.to_bytes(4, "big")
            + string(self.name)
            + string(b"".join(string(one) for one in self.principals))
            + self.after.to_bytes(8, "big")
            + self.before.to_bytes(8, "big")
            + string(_options(self.critical))
            + string(_options(self.extensions))
            + string(b"")
            + string(self.signer or keys.blob_of(keys.public_line(self.ca)))
        )
        signature = self.signature or self._sign(body)
        return f"{suffixed.decode()} {base64.b64encode(body + string(signature) + self.tail).decode()}"

    def _sign(self, body: bytes) -> bytes:
        if self.sha1:
            assert isinstance(self.ca, RSAPrivateKey)
            return string(b"ssh-rsa") + string(self.ca.sign(body, padding.PKCS1v15(), hashes.SHA1()))
        return _sign_raw(self.ca, body)


def _options(options: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join(string(name) + string(string(value) if value else b"") for name, value in options)

"""SSHSIG: ours and OpenSSH's are the same thing, and every other thing is refused."""

import base64
import subprocess
import textwrap
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.signing import keys, sshsig
from remote_assist.core.signing.sshwire import string
from remote_assist.errors import LocalProtocolError, VerificationError
from tests.core.pairs import ALICE, ALICE_LINE, CA_LINE, certificate

KEYS: dict[str, sshsig.PrivateKey] = {
    "ed25519": ALICE,
    "nistp256": ec.generate_private_key(ec.SECP256R1()),
    "nistp384": ec.generate_private_key(ec.SECP384R1()),
    "nistp521": ec.generate_private_key(ec.SECP521R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
MESSAGE = b"what is signed\n"
SIGNED = sshsig.sign(ALICE, "pair", MESSAGE)
EMPTY_BLOB = b"SSHSIG" + (1).to_bytes(4, "big")


def armored(blob: bytes) -> str:
    text = "\n".join(textwrap.wrap(base64.b64encode(blob).decode(), 70))
    return f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"


def blob_of(signature: str) -> bytes:
    return base64.b64decode("".join(signature.split("\n")[1:-2]))


def refused(signature: str, sentence: str = ".", line: str = ALICE_LINE, purpose: str = "pair") -> None:
    with pytest.raises(VerificationError, match=sentence):
        sshsig.verify(signature, line, purpose, MESSAGE)


@pytest.mark.parametrize("kind", KEYS)
def test_stock_ssh_keygen_verifies_what_we_sign(tmp_path: Path, kind: str) -> None:
    key = KEYS[kind]
    (tmp_path / "message.sig").write_text(sshsig.sign(key, "head", MESSAGE))
    (tmp_path / "signers").write_text(f'alice namespaces="head@remote-assist" {keys.public_line(key)}\n')
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(tmp_path / "signers"), "-I", "alice"]
    argv += ["-s", str(tmp_path / "message.sig"), "-n"]
    assert subprocess.run([*argv, "head@remote-assist"], input=MESSAGE, capture_output=True).returncode == 0
    assert subprocess.run([*argv, "pair@remote-assist"], input=MESSAGE, capture_output=True).returncode != 0


@pytest.mark.parametrize("kind", KEYS)
def test_we_verify_what_stock_ssh_keygen_signs(tmp_path: Path, kind: str) -> None:
    key, line = KEYS[kind], keys.public_line(KEYS[kind])
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_bytes(keys.private_bytes(key))
    argv = ["ssh-keygen", "-Y", "sign", "-f", str(tmp_path / "key"), "-n", "pair@remote-assist"]
    signature = subprocess.run(argv, input=MESSAGE, check=True, capture_output=True).stdout.decode()
    sshsig.verify(signature, line, "pair", MESSAGE)
    refused(signature, "another purpose", line, purpose="login")
    with pytest.raises(VerificationError, match="does not fit"):
        sshsig.verify(signature, line, "pair", MESSAGE + b"x")


def test_ed25519_signatures_are_the_very_same_bytes_as_ssh_keygens(tmp_path: Path) -> None:
    (tmp_path / "key").touch(0o600)
    (tmp_path / "key").write_bytes(keys.private_bytes(ALICE))
    argv = ["ssh-keygen", "-Y", "sign", "-f", str(tmp_path / "key"), "-n", "pair@remote-assist"]
    assert subprocess.run(argv, input=MESSAGE, check=True, capture_output=True).stdout.decode() == SIGNED


@pytest.mark.parametrize("purpose", sshsig.NAMESPACES)
def test_a_signature_serves_its_own_purpose_only(purpose: str) -> None:
    signature = sshsig.sign(ALICE, purpose, MESSAGE)
    for other in sshsig.NAMESPACES:
        if other == purpose:
            sshsig.verify(signature, ALICE_LINE, other, MESSAGE)
        else:
            refused(signature, "another purpose", purpose=other)


def test_an_unknown_purpose_is_a_bug_of_ours() -> None:
    for call in (lambda: sshsig.sign(ALICE, "file", b""), lambda: sshsig.verify(SIGNED, ALICE_LINE, "file", b"")):
        with pytest.raises(LocalProtocolError):
            call()


def test_another_key_is_named_as_the_fault() -> None:
    refused(SIGNED, "by another key", CA_LINE)
    refused(SIGNED, "cannot be used", "no key")
    refused(SIGNED, "cannot be used", certificate())


def _fields(*, key: bytes, reserved: bytes = b"", name: bytes = b"sha512", signature: bytes = b"") -> bytes:
    return string(key) + string(b"pair@remote-assist") + string(reserved) + string(name) + string(signature)


PLAIN_KEY = keys.blob_of(ALICE_LINE)
ED_SIGNATURE = string(b"ssh-ed25519") + string(bytes(64))
ONE_LINE = f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(blob_of(SIGNED)).decode()}\n-----END SSH SIGNATURE-----\n"
MALFORMED = {
    "empty": ("", "not armored"),
    "no armor": (base64.b64encode(blob_of(SIGNED)).decode(), "not armored"),
    "only the first line": ("-----BEGIN SSH SIGNATURE-----", "not armored"),
    "text before": ("x\n" + SIGNED, "not armored"),
    "text after": (SIGNED + "x\n", "not armored"),
    "carriage returns": (SIGNED.replace("\n", "\r\n"), "not armored"),
    "one long line": (ONE_LINE, "not the one way"),
    "no base64": (SIGNED.replace("U1NI", "!!!!"), "malformed"),
    "not ASCII": (SIGNED.replace("U1NI", "ÄÖÜß"), "malformed"),
    "endless": (SIGNED + "A" * sshsig.MAX_SIGNATURE_CHARS, "exceed the limit"),
    "other magic": (armored(b"SSHSIX" + blob_of(SIGNED)[6:]), "not SSHSIG version 1"),
    "version 2": (armored(b"SSHSIG\0\0\0\x02" + blob_of(SIGNED)[10:]), "not SSHSIG version 1"),
    "cut short": (armored(blob_of(SIGNED)[:-1]), "longer than the data"),
    "bytes after": (armored(blob_of(SIGNED) + b"x"), "after the last field"),
    "sha256": (armored(EMPTY_BLOB + _fields(key=PLAIN_KEY, name=b"sha256", signature=ED_SIGNATURE)), "does not allow"),
    "reserved field": (
        armored(EMPTY_BLOB + _fields(key=PLAIN_KEY, reserved=b"x", signature=ED_SIGNATURE)),
        "not allow",
    ),
    "empty signature": (armored(EMPTY_BLOB + _fields(key=PLAIN_KEY)), "longer than the data"),
    "zero signature": (armored(EMPTY_BLOB + _fields(key=PLAIN_KEY, signature=ED_SIGNATURE)), "does not fit"),
    "other algorithm": (
        armored(EMPTY_BLOB + _fields(key=PLAIN_KEY, signature=string(b"ssh-rsa") + string(bytes(64)))),
        "algorithm ssh-rsa, not ssh-ed25519",
    ),
    "signature too short": (
        armored(EMPTY_BLOB + _fields(key=PLAIN_KEY, signature=string(b"ssh-ed25519") + string(bytes(63)))),
        "does not fit",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_signature_is_refused_by_name(case: str) -> None:
    signature, sentence = MALFORMED[case]
    refused(signature, sentence)


def test_rsa_with_sha1_or_sha256_is_refused() -> None:
    key = KEYS["rsa"]
    assert isinstance(key, RSAPrivateKey)
    line = keys.public_line(key)
    for algorithm in (b"ssh-rsa", b"rsa-sha2-256"):
        body = _fields(key=keys.blob_of(line), signature=string(algorithm) + string(bytes(256)))
        refused(armored(EMPTY_BLOB + body), "not rsa-sha2-512", line)


@pytest.mark.parametrize("numbers", [b"", string(b"\0") * 2, string(b"\xff") * 2, string(b"\x01")], ids=bytes.hex)
def test_ecdsa_numbers_must_be_two_and_positive(numbers: bytes) -> None:
    line = keys.public_line(KEYS["nistp256"])
    inner = string(b"ecdsa-sha2-nistp256") + string(numbers)
    refused(armored(EMPTY_BLOB + _fields(key=keys.blob_of(line), signature=inner)), "malformed", line)


@given(st.text(max_size=400))
def test_any_text_is_refused_as_a_signature(text: str) -> None:
    refused(text)
    refused(f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n")


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_refused_as_a_signature(raw: bytes, begins_right: bool) -> None:
    refused(armored(EMPTY_BLOB + raw if begins_right else raw))


SIGNED_BLOBS = {kind: blob_of(sshsig.sign(key, "pair", MESSAGE)) for kind, key in KEYS.items()}


@pytest.mark.parametrize("kind", KEYS)
@given(data=st.data())
def test_a_signature_with_any_byte_changed_is_refused(kind: str, data: st.DataObject) -> None:
    blob = bytearray(SIGNED_BLOBS[kind])
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
    refused(armored(bytes(blob)), line=keys.public_line(KEYS[kind]))


@given(st.binary(max_size=2000), st.sampled_from(sorted(sshsig.NAMESPACES)))
def test_what_was_signed_verifies(message: bytes, purpose: str) -> None:
    sshsig.verify(sshsig.sign(ALICE, purpose, message), ALICE_LINE, purpose, message)

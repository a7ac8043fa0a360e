"""Keys as lines and files: what is accepted, in one form, and what is refused with a sentence."""

import base64
import importlib.util
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import derived_secret, load_private, new_key, private_bytes
from remote_assist.core.signing.sshwire import WireReader, mpint, string
from remote_assist.errors import ContentError, LocalProtocolError
from tests.core.pairs import ALICE, ALICE_LINE, certificate

KINDS = {
    "ed25519": ("ssh-keygen", "-t", "ed25519"),
    "nistp256": ("ssh-keygen", "-t", "ecdsa", "-b", "256"),
    "nistp384": ("ssh-keygen", "-t", "ecdsa", "-b", "384"),
    "nistp521": ("ssh-keygen", "-t", "ecdsa", "-b", "521"),
    "rsa": ("ssh-keygen", "-t", "rsa", "-b", "2048"),
}


def pem(key: object) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined,no-any-return]  # every private key has it


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_ssh_keygen_makes_are_read_and_have_its_fingerprint(tmp_path: Path, kind: str) -> None:
    subprocess.run([*KINDS[kind], "-q", "-N", "", "-C", "a comment", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    key = keys.load_private((tmp_path / "key").read_bytes())
    assert keys.public_line(key) == keys.load_public(public) == public.rsplit(" ", 2)[0]
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True)
    assert keys.fingerprint(public) == shown.stdout.split()[1]
    assert keys.public_line(keys.load_private(keys.private_bytes(key))) == keys.public_line(key)
    assert keys.line_of_blob(keys.blob_of(keys.load_public(public))) == keys.load_public(public)


def test_a_key_is_made_of_the_callers_32_bytes() -> None:
    assert keys.public_line(keys.new_key(b"\x04" * 32)) == ALICE_LINE
    with pytest.raises(LocalProtocolError):
        keys.new_key(b"\x04" * 31)


REFUSED_LINES = {
    "empty": ("", "exactly one line"),
    "one word": ("ssh-ed25519", "a type and a base64 text"),
    "two lines": (f"{ALICE_LINE}\n{ALICE_LINE}", "exactly one line"),
    "endless": (ALICE_LINE + " " * keys.MAX_LINE_CHARS, "exceeds the limit"),
    "not base64": ("ssh-ed25519 ????", "damaged"),
    "not ASCII": ("ssh-ed25519 ÄÖÜß", "damaged"),
    "other type inside": (ALICE_LINE.replace("ssh-ed25519 ", "ssh-rsa "), "its type and its content differ"),
    "too short": (f"ssh-ed25519 {base64.b64encode(string(b'ssh-ed25519')).decode()}", "cannot be used"),
    "bytes after it": (
        f"ssh-ed25519 {base64.b64encode(keys.blob_of(ALICE_LINE) + b'x').decode()}",
        "cannot be used",
    ),
    "unknown type": (f"ssh-new {base64.b64encode(string(b'ssh-new')).decode()}", "kind ssh-new is not accepted"),
    "options in front": (f'command="true" {ALICE_LINE}', "damaged"),
    "certificate": (certificate(), "this is a certificate"),
    "private key": (keys.private_bytes(ALICE).decode(), "this is a private key"),
    "hardware key": (
        "sk-ssh-ed25519@openssh.com "
        + base64.b64encode(string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"ssh:")).decode(),
        "kind sk-ssh-ed25519@openssh.com is not accepted",
    ),
    "compressed point": (
        "ecdsa-sha2-nistp256 "
        + base64.b64encode(
            string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\x02" + b"\x01" * 32)
        ).decode(),
        "cannot be used",
    ),
    "dsa": (
        "ssh-dss " + base64.b64encode(string(b"ssh-dss") + mpint(23) + mpint(11) + mpint(4) + mpint(8)).decode(),
        "kind ssh-dss is not accepted",
    ),
}


@pytest.mark.parametrize("case", REFUSED_LINES)
def test_a_line_that_is_no_plain_strong_key_is_refused(case: str) -> None:
    line, sentence = REFUSED_LINES[case]
    with pytest.raises(ContentError, match=sentence):
        keys.load_public(line)


@pytest.mark.parametrize("bits", [1024, 2047])
def test_a_short_rsa_key_is_refused_as_line_and_as_file(bits: int) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    with pytest.raises(ContentError, match=f"{bits} bits is not accepted"):
        keys.load_public(keys.line_of(key.public_key()))
    with pytest.raises(ContentError, match=f"{bits} bits is not accepted"):
        keys.load_private(keys.private_bytes(key))


REFUSED_FILES = {
    "public key": (ALICE_LINE.encode(), "this is a public key"),
    "nonsense": (b"nonsense", "not a private key file"),
    "endless": (bytes(keys.MAX_PRIVATE_BYTES + 1), "exceeds the limit"),
    "cut short": (keys.private_bytes(ALICE)[:200], "not a private key file"),
    "other kind": (pem(ed448.Ed448PrivateKey.generate()), "kind Ed448 is not accepted"),
    "dsa": (pem(dsa.generate_private_key(2048)), "kind DSA is not accepted"),
    "other curve": (pem(ec.generate_private_key(ec.SECP256K1())), "the curve secp256k1 is not accepted"),
}


@pytest.mark.parametrize("case", REFUSED_FILES)
def test_a_file_that_holds_no_strong_key_is_refused(case: str) -> None:
    raw, sentence = REFUSED_FILES[case]
    with pytest.raises(ContentError, match=sentence):
        keys.load_private(raw)


def test_a_passphrase_is_asked_for_and_a_needless_or_wrong_one_is_refused(tmp_path: Path) -> None:
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "plain"], check=True)
    argv = ["openssl", "pkey", "-aes256", "-passout", "pass:correct", "-in", str(tmp_path / "plain")]
    locked = subprocess.run(argv, check=True, capture_output=True).stdout
    assert keys.load_private(locked, b"correct")
    with pytest.raises(ContentError, match="protected by a passphrase"):
        keys.load_private(locked)
    with pytest.raises(ContentError, match="wrong passphrase"):
        keys.load_private(locked, b"wrong")
    with pytest.raises(ContentError, match="wrong passphrase"):
        keys.load_private(keys.private_bytes(ALICE), b"needless")


def test_a_key_locked_by_ssh_keygen_opens_or_names_the_package_that_is_missing(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "key"], check=True)
    raw = (tmp_path / "key").read_bytes()
    with pytest.raises(ContentError, match="passphrase") as caught:
        keys.load_private(raw)
    assert caught.value.advice
    if importlib.util.find_spec("bcrypt"):
        assert keys.load_private(raw, b"secret")
        return
    with pytest.raises(ContentError, match="needs the Python package bcrypt"):
        keys.load_private(raw, b"secret")


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_a_content_error(text: str) -> None:
    with pytest.raises(ContentError):
        keys.load_public(text)


@given(st.data())
def test_a_line_with_any_byte_changed_is_another_key_or_refused(data: st.DataObject) -> None:
    blob = bytearray(keys.blob_of(ALICE_LINE))
    position = data.draw(st.integers(0, len(blob) - 1))
    blob[position] ^= data.draw(st.integers(1, 255))
    try:
        assert keys.line_of_blob(bytes(blob)) != ALICE_LINE
    except ContentError:
        assert position < len(blob)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_key_or_a_content_error(raw: bytes) -> None:
    with pytest.raises(ContentError):
        keys.line_of_blob(raw)


@given(st.binary(max_size=300))
def test_any_file_is_a_key_or_a_content_error(raw: bytes) -> None:
    with pytest.raises(ContentError):
        keys.load_private(raw)


@given(st.integers(1, 1 << 600))
def test_numbers_are_written_in_their_shortest_form_and_read_back(value: int) -> None:
    assert WireReader(mpint(value)).positive_mpint() == value


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0\x01", b"\x80", b"\xff\xff"], ids=bytes.hex)
def test_numbers_in_any_other_form_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not positive or not in its shortest form"):
        WireReader(string(raw)).positive_mpint()


def test_a_reader_refuses_fields_that_do_not_fit() -> None:
    for raw in (b"", b"\0\0\0", b"\0\0\0\x02a"):
        with pytest.raises(ValueError, match="longer than the data"):
            WireReader(raw).string()
    with pytest.raises(ValueError, match="exceeds the limit of 3"):
        WireReader(string(b"abcd")).string(max_bytes=3)
    reader = WireReader(string(b"a") + (7).to_bytes(8, "big") + b"rest")
    assert (reader.string(), reader.u64(), reader.position) == (b"a", 7, 13)
    with pytest.raises(ValueError, match="after the last field"):
        reader.end()


def test_a_derived_secret_is_the_keys_own_and_another_for_every_purpose() -> None:
    key, other = new_key(bytes(32)), new_key(bytes(31) + b"x")
    assert derived_secret(key, "login-nonce") == derived_secret(load_private(private_bytes(key)), "login-nonce")
    assert len({derived_secret(key, "a"), derived_secret(key, "b"), derived_secret(other, "a")}) == 3

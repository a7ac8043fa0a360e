"""ML-DSA-44 cosignatures: bytes as C2SP tlog-cosignature says, a vector for ever, and every way one may not hold."""

import base64
import hashlib
import json
import struct
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from remote_assist.core.checkpoint import open_checkpoint, sign_checkpoint
from remote_assist.core.signing.cosignature import (
    check_cosigned,
    cosign,
    cosigner_key,
    is_cosigner_line,
    read_cosigner,
)
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.core.tree import TreeHead
from remote_assist.errors import ContentError, VerificationError

KEY = new_key(bytes(range(32)))
LINE = public_line(KEY)
ORIGIN = log_origin(LINE)
SEED = bytes(range(32, 64))
HEAD = TreeHead(20852163, hashlib.sha256(b"root").digest())
SECONDS = 1767225600
COSIGNER = cosigner_key(SEED, ORIGIN)
NOTE = sign_checkpoint(KEY, HEAD)
COSIGNED = NOTE + cosign(SEED, ORIGIN, HEAD, SECONDS)
VECTORS = Path(__file__).parent.parent / "vectors" / "cosignatures"


def blob_of(note: str) -> bytes:
    return base64.b64decode(note.splitlines()[-1].split(" ")[2])


def with_blob(blob: bytes, name: str = COSIGNER.name) -> str:
    return f"{NOTE}\N{EM DASH} {name} {base64.b64encode(blob).decode()}\n"


def test_the_line_is_what_the_specification_says() -> None:
    name, public = COSIGNER.name.encode(), COSIGNER.public
    blob = blob_of(COSIGNED)
    assert COSIGNED.splitlines()[-1].startswith(f"\N{EM DASH} {ORIGIN}/ml-dsa-44 ")
    assert (len(public), len(blob)) == (1312, 4 + 8 + 2420)
    assert blob[:4] == hashlib.sha256(name + b"\n\x06" + public).digest()[:4]
    assert struct.unpack(">Q", blob[4:12]) == (SECONDS,)
    origin = ORIGIN.encode()
    covered = (
        b"subtree/v1\n\0" + struct.pack(">B", len(name)) + name + struct.pack(">QB", SECONDS, len(origin)) + origin
    )
    covered += struct.pack(">QQ", 0, HEAD.size) + HEAD.root
    MLDSA44PublicKey.from_public_bytes(public).verify(blob[12:], covered)


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_a_vector_is_read_the_same_for_ever(path: Path) -> None:
    vector = json.loads(path.read_text())
    keys = (vector["log_key"], vector["cosigner"])
    if vector["fault"]:
        with pytest.raises(VerificationError, match=vector["fault"]):
            open_checkpoint(vector["note"], keys)
    else:
        found = open_checkpoint(vector["note"], keys)
        assert list(found.cosigners) == vector["cosigners"]
        assert (found.size, found.head.root.hex()) == (vector["size"], vector["root"])
    assert open_checkpoint(vector["note"], keys[:1]).cosigners == ()


def test_notes_with_and_without_the_line_are_accepted_and_strictness_asks_for_it() -> None:
    keys = (LINE, COSIGNER.line)
    with_line, without = open_checkpoint(COSIGNED, keys), open_checkpoint(NOTE, keys)
    assert (with_line.cosigners, without.cosigners) == ((COSIGNER.name,), ())
    assert open_checkpoint(COSIGNED, (LINE,)).cosigners == ()
    check_cosigned(ORIGIN, with_line.cosigners, keys, where="checkpoint")
    check_cosigned(ORIGIN, (), (LINE,), where="checkpoint")
    with pytest.raises(VerificationError, match="has not cosigned it"):
        check_cosigned(ORIGIN, without.cosigners, keys, where="checkpoint")


@pytest.mark.parametrize("place", [4, 11, 12, 1000, 2431])
def test_a_changed_byte_of_the_line_refuses_the_note(place: int) -> None:
    blob = bytearray(blob_of(COSIGNED))
    blob[place] ^= 1
    with pytest.raises(VerificationError, match="does not hold"):
        open_checkpoint(with_blob(bytes(blob)), (LINE, COSIGNER.line))


def test_a_line_over_another_tree_or_of_another_length_refuses_the_note() -> None:
    for other in (TreeHead(HEAD.size + 1, HEAD.root), TreeHead(HEAD.size, bytes(32))):
        with pytest.raises(VerificationError, match="does not hold"):
            open_checkpoint(NOTE + cosign(SEED, ORIGIN, other, SECONDS), (LINE, COSIGNER.line))
    for blob in (blob_of(COSIGNED)[:-1], blob_of(COSIGNED) + b"\0", COSIGNER.key_id):
        with pytest.raises(VerificationError, match="does not hold"):
            open_checkpoint(with_blob(blob), (LINE, COSIGNER.line))


def test_lines_of_keys_nobody_knows_are_passed_over() -> None:
    unknown = bytes([blob_of(COSIGNED)[0] ^ 1]) + blob_of(COSIGNED)[1:]
    assert open_checkpoint(with_blob(unknown), (LINE, COSIGNER.line)).cosigners == ()
    other_log = cosigner_key(SEED, "remote-assist/log/" + "0" * 32)
    assert open_checkpoint(COSIGNED, (LINE, other_log.line)).cosigners == ()


def test_a_vkey_is_read_back_and_nothing_else_is() -> None:
    assert is_cosigner_line(COSIGNER.line) and not is_cosigner_line(LINE)
    assert read_cosigner(COSIGNER.line) == COSIGNER
    name, key_id, public = COSIGNER.line.split("+", 2)
    raw = base64.b64decode(public)
    wrong = {
        "no id": f"{name}+{public}",
        "another id": f"{name}+00000000+{public}",
        "another algorithm": f"{name}+{key_id}+{base64.b64encode(bytes([1]) + raw[1:]).decode()}",
        "short": f"{name}+{key_id}+{base64.b64encode(raw[:-1]).decode()}",
        "no base64": f"{name}+{key_id}+AAAAA",
        "an OpenSSH key": LINE,
    }
    for line in wrong.values():
        with pytest.raises(ContentError, match="no ML-DSA-44 cosigner's key"):
            read_cosigner(line)


def test_a_library_without_ml_dsa_claims_nothing_and_says_so_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = (LINE, COSIGNER.line)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    found = open_checkpoint(COSIGNED, keys)
    assert found.cosigners == ()
    with pytest.raises(VerificationError) as caught:
        check_cosigned(ORIGIN, found.cosigners, keys, where="checkpoint")
    assert "has no ML-DSA" in caught.value.advice
    with pytest.raises(ContentError, match="has no ML-DSA"):
        cosign(SEED, ORIGIN, HEAD, SECONDS)


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(ContentError, match="32 bytes"):
        cosigner_key(b"short", ORIGIN)

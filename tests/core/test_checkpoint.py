"""Signed notes: a known note of others, our own for ever the same, and every way one may not be."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.checkpoint import open_checkpoint, open_rollback, sign_checkpoint, sign_rollback
from remote_assist.core.log.tlog_proof import LogProof, proof_text, read_proof, verify_proof
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.signing.signed_note import key_id, log_origin
from remote_assist.core.tree import EMPTY, Frontier, TreeHead, inclusion_ranges, leaf_of, proof_of, subtree_root
from remote_assist.errors import ContentError, LocalProtocolError, VerificationError

KEY = new_key(bytes(range(32)))
OTHER = new_key(bytes(32))
LINE = public_line(KEY)
ORIGIN = log_origin(LINE)
HEAD = TreeHead(5, hashlib.sha256(b"root").digest())
NOTE = sign_checkpoint(KEY, HEAD)
PINNED = "5328ed9beab3fd87ac82d86a47f3a387"
"""SHA-256 of the note, first half: Ed25519 signs the same way for ever, so a change of form shows."""


def test_the_key_id_and_signature_of_a_note_known_from_elsewhere_hold() -> None:
    """The example of Go's note package, which signed-note describes."""
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    blob = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert key_id("PeterNeumann", public).hex() == "c74f20a3"
    assert blob[:4] == key_id("PeterNeumann", public)
    Ed25519PublicKey.from_public_bytes(public).verify(blob[4:], text.encode())


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == [ORIGIN, "5", base64.b64encode(HEAD.root).decode(), ""]
    assert lines[4].startswith(f"\N{EM DASH} {ORIGIN} ")
    assert lines[5:] == [""]
    assert hashlib.sha256(NOTE.encode()).hexdigest()[:32] == PINNED
    opened = open_checkpoint(NOTE, [public_line(OTHER), LINE])
    assert (opened.head, opened.origin, opened.note, opened.size) == (HEAD, ORIGIN, NOTE, 5)
    assert open_checkpoint(sign_checkpoint(KEY, EMPTY), [LINE]).head == EMPTY


def test_a_line_of_a_witness_is_passed_over() -> None:
    blob = base64.b64encode(b"abcd" + bytes(3000)).decode()
    assert open_checkpoint(NOTE + f"\N{EM DASH} witness.example {blob}\n", [LINE]).head == HEAD


def _signed(text: str) -> str:
    blob = key_id(ORIGIN, KEY.public_key().public_bytes_raw()) + KEY.sign(text.encode())
    return f"{text}\n\N{EM DASH} {ORIGIN} {base64.b64encode(blob).decode()}\n"


ROOT = base64.b64encode(HEAD.root).decode()
OUR_ID = key_id(ORIGIN, KEY.public_key().public_bytes_raw())


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE + "x",
        NOTE.replace("\n5\n", "\n6\n"),
        NOTE.replace("\N{EM DASH}", "-"),
        NOTE.replace(ORIGIN, "another/log"),
        NOTE + NOTE.split("\n\n")[1].replace(" remote-assist/log/", "  remote-assist/log/"),
        sign_checkpoint(OTHER, HEAD),
        _signed(f"{ORIGIN}\n05\n{ROOT}\n"),
        _signed(f"{ORIGIN}\n-5\n{ROOT}\n"),
        _signed(f"{ORIGIN}\n٥\n{ROOT}\n"),
        _signed(f"{ORIGIN}\n9007199254740992\n{ROOT}\n"),
        _signed(f"{ORIGIN}\n5\n{ROOT}\nextension\n"),
        _signed(f"{ORIGIN}\n5\n{ROOT[:-4]}\n"),
        _signed(f"{ORIGIN}\n5\n{ROOT}=\n"),
        _signed(f"{ORIGIN}\n5\n{ROOT[:-2]}B=\n"),
        _signed(f"{ORIGIN}\n5\t\n{ROOT}\n"),
        _signed(f"{ORIGIN}\n5\n"),
        _signed(f"elsewhere\n5\n{ROOT}\n"),
        NOTE + f"\N{EM DASH} {ORIGIN} {base64.b64encode(OUR_ID).decode()}\n",
        NOTE + "x" * 70_000,
        NOTE.replace("5", "\ud800"),
    ],
)  # fmt: skip
def test_whatever_is_no_checkpoint_of_this_log_is_refused(note: str) -> None:
    with pytest.raises(VerificationError):
        open_checkpoint(note, [LINE])


def test_without_a_log_key_nothing_is_believed() -> None:
    for keys in ([], [public_line(OTHER)], [public_line(generate_private_key(SECP256R1()))]):
        with pytest.raises(VerificationError, match="another log"):
            open_checkpoint(NOTE, keys)


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_no_character_of_a_checkpoint_can_be_changed(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        with pytest.raises(VerificationError):
            open_checkpoint(changed, [LINE])


def test_only_an_ed25519_key_keeps_a_log() -> None:
    key = generate_private_key(SECP256R1())
    with pytest.raises(LocalProtocolError):
        sign_checkpoint(key, HEAD)
    with pytest.raises(ContentError):
        log_origin(public_line(key))
    with pytest.raises(LocalProtocolError):
        sign_checkpoint(KEY, TreeHead(5, b"short"))


def test_a_rollback_note_is_no_checkpoint_and_says_what_was_lost() -> None:
    note = sign_rollback(KEY, time="2026-03-01T09:30:00.000000Z", lost=HEAD, found=EMPTY)
    origin, time, promised, found = open_rollback(note, [LINE])
    assert (origin, time) == (ORIGIN, "2026-03-01T09:30:00.000000Z")
    assert promised == f"promised 5 {ROOT}"
    assert found.startswith("found 0 ")
    for wrong in (note.replace("promised 5", "promised 4"), NOTE):
        with pytest.raises(VerificationError):
            open_rollback(wrong, [LINE])
    with pytest.raises(VerificationError):
        open_checkpoint(note, [LINE])


ENTRIES = [f"{number:059d}".encode() for number in range(11)]
LEAVES = [leaf_of(entry) for entry in ENTRIES]


def _proof(index: int) -> LogProof:
    frontier = Frontier()
    for leaf in LEAVES:
        frontier.add(leaf)
    hashes = proof_of(inclusion_ranges(index, 11), lambda n: subtree_root(LEAVES[n[1] << n[0] : (n[1] + 1) << n[0]]))
    return LogProof(ENTRIES[index], index, hashes, sign_checkpoint(KEY, frontier.head))


@pytest.mark.parametrize("index", range(11))
def test_a_proof_file_says_what_it_proves(index: int) -> None:
    proof = _proof(index)
    text = proof_text(proof)
    assert text.splitlines()[0] == "c2sp.org/tlog-proof@v1"
    assert text.splitlines()[2] == f"index {index}"
    assert read_proof(text) == proof
    assert verify_proof(read_proof(text), [LINE]).size == 11


@given(st.integers(0, 900), st.characters(min_codepoint=10, max_codepoint=126))
def test_no_character_of_a_proof_file_can_be_changed(place: int, character: str) -> None:
    text = proof_text(_proof(6))
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    if changed != text:
        with pytest.raises(VerificationError):
            verify_proof(read_proof(changed), [LINE])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda text: text.replace("@v1", "@v2"),
        lambda text: "\n".join(text.split("\n")[:2]),
        lambda text: text.replace("index 6", "index 06"),
        lambda text: text.replace("extra ", "extra  "),
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text + "y" * 100_000,
    ],
)
def test_a_file_of_another_form_is_refused(wrong: object) -> None:
    with pytest.raises(VerificationError):
        verify_proof(read_proof(wrong(proof_text(_proof(6)))), [LINE])  # type: ignore[operator]

"""Reviewers' key files: openssl's and ours are the same."""

import subprocess
from pathlib import Path

import pytest

from remote_assist.core.signing import keys
from remote_assist.core.signing.reviewer_keys import (
    MAX_KEY_BYTES,
    load_reviewer_key,
    load_reviewer_public,
    reviewer_key_file,
    reviewer_public,
    reviewer_public_file,
)
from remote_assist.errors import ContentError
from tests.core.pairs import ALICE

PRIVATE = b"\x11" * 32


def test_a_private_key_and_its_public_half_survive_their_files() -> None:
    assert load_reviewer_key(reviewer_key_file(PRIVATE)) == PRIVATE
    assert load_reviewer_public(reviewer_public_file(reviewer_public(PRIVATE))) == reviewer_public(PRIVATE)


def test_what_openssl_makes_is_read(tmp_path: Path) -> None:
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", tmp_path / "key"], check=True)
    argv = ["openssl", "pkey", "-in", str(tmp_path / "key"), "-pubout"]
    public = subprocess.run(argv, check=True, capture_output=True).stdout
    private = load_reviewer_key((tmp_path / "key").read_bytes())
    assert load_reviewer_public(public) == reviewer_public(private)
    assert reviewer_public_file(reviewer_public(private)) == public


def test_other_keys_and_other_bytes_are_refused() -> None:
    ssh = keys.private_bytes(ALICE)
    for raw in (b"", b"nonsense", ssh, reviewer_public_file(reviewer_public(PRIVATE)), bytes(MAX_KEY_BYTES + 1)):
        with pytest.raises(ContentError):
            load_reviewer_key(raw)
    for raw in (b"", b"nonsense", keys.public_line(ALICE).encode(), reviewer_key_file(PRIVATE)):
        with pytest.raises(ContentError):
            load_reviewer_public(raw)


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "key"], check=True)
    argv = ["openssl", "pkey", "-in", str(tmp_path / "key"), "-pubout"]
    public = subprocess.run(argv, check=True, capture_output=True).stdout
    with pytest.raises(ContentError, match="not of kind X25519"):
        load_reviewer_key((tmp_path / "key").read_bytes())
    with pytest.raises(ContentError, match="not of kind X25519"):
        load_reviewer_public(public)

"""Records: every byte that is hashed or signed, pinned by vectors that never change."""

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from remote_assist.core.messages import Acknowledgement
from remote_assist.core.records import (
    MAX_RECORD_BYTES,
    Actor,
    Outcome,
    Record,
    acknowledgement_bytes,
    decode_record,
    encode_record,
    format_time,
    head_bytes,
    join_bytes,
    leaf_hash,
    login_bytes,
    parse_time,
    path_text,
    record_hash,
    verify_acknowledgement,
)
from remote_assist.core.signing import sshsig
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, VerificationError

VECTORS = Path(__file__).parent.parent / "vectors"
GOOD = sorted((VECTORS / "records").glob("*.json"))
REFUSED = sorted((VECTORS / "records-refused").glob("*.json"))
LOOSE = sorted((VECTORS / "records-loose").glob("*.json"))

RECORD = Record(
    session="s-abcdefghijklmnop",
    seq=3,
    prev="1" * 64,
    time="2026-03-01T09:30:00.000000Z",
    code="RA1400I",
    actor=Actor(kind="technician"),
)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_vectors_of_records_hold(path: Path) -> None:
    vector = json.loads(path.read_text())
    raw = vector["record"].encode()
    record = decode_record(raw, strict=True)
    assert encode_record(record) == raw
    assert record_hash(raw) == vector["hash"]
    head = head_bytes(record.session, record.seq, vector["hash"])
    told = acknowledgement_bytes(record.session, record.seq, vector["hash"], vector["time"], vector["index"])
    assert (head.decode(), told.decode()) == (vector["head_bytes"], vector["acknowledgement_bytes"])
    assert leaf_hash(vector["time"], vector["hash"]).hex() == vector["leaf"]
    sshsig.verify(vector["head"], vector["host_key"], "head", head)
    sshsig.verify(vector["acknowledgement"], vector["log_key"], "ack", told)


def test_every_field_of_a_record_is_in_a_vector() -> None:
    whole = json.loads(json.loads((VECTORS / "records" / "every-field.json").read_text())["record"])
    first = json.loads(json.loads((VECTORS / "records" / "opening.json").read_text())["record"])
    own = json.loads(json.loads((VECTORS / "records" / "of-no-session.json").read_text())["record"])
    second = json.loads(json.loads((VECTORS / "records" / "second.json").read_text())["record"])
    chunk = json.loads(json.loads((VECTORS / "records" / "chunk-of-a-recording.json").read_text())["record"])
    assert set(whole) | set(first) | set(own) | set(second) | set(chunk) == set(Record.__struct_fields__)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_vectors_of_what_is_no_record_are_refused(path: Path) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_record(path.read_bytes())


@pytest.mark.parametrize("path", LOOSE, ids=lambda path: path.stem)
def test_vectors_of_records_not_in_canonical_form_pass_only_without_strict(path: Path) -> None:
    decode_record(path.read_bytes())
    with pytest.raises(RemoteProtocolError, match="canonical"):
        decode_record(path.read_bytes(), strict=True)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_a_head_signature_verifies_with_ssh_keygen(tmp_path: Path) -> None:
    vector = json.loads((VECTORS / "records" / "outcome.json").read_text())
    (tmp_path / "signers").write_text(f'host namespaces="head@remote-assist" {vector["host_key"]}\n')
    (tmp_path / "head.sig").write_text(vector["head"])
    command = ["ssh-keygen", "-Y", "verify", "-n", "head@remote-assist", "-I", "host"]
    command += ["-f", str(tmp_path / "signers"), "-s", str(tmp_path / "head.sig")]
    ran = subprocess.run(command, input=vector["head_bytes"].encode(), capture_output=True, timeout=20)
    assert ran.returncode == 0, ran.stderr


def test_a_field_at_its_default_is_absent() -> None:
    names = set(json.loads(encode_record(RECORD)))
    assert names == {"v", "session", "seq", "prev", "time", "code", "actor"}


def test_sizes_of_nothing_are_kept() -> None:
    assert b'"sizes":{"bytes":0}' in encode_record(replace(RECORD, sizes={"bytes": 0}))


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="surrogate"):
        encode_record(replace(RECORD, program="\ud800"))


def test_integers_beyond_every_json_reader_are_refused() -> None:
    with pytest.raises(LocalProtocolError, match="too large"):
        encode_record(replace(RECORD, outcome=Outcome(status="done", size=1 << 53)))
    raw = encode_record(RECORD).replace(b'"seq":3', b'"seq":9007199254740992')
    with pytest.raises(RemoteProtocolError, match="canonical"):
        decode_record(raw, strict=True)


def test_a_record_too_long_is_refused_both_ways() -> None:
    with pytest.raises(LocalProtocolError, match="limit"):
        encode_record(replace(RECORD, program="x" * MAX_RECORD_BYTES))
    with pytest.raises(RemoteProtocolError, match="limit"):
        decode_record(b" " * (MAX_RECORD_BYTES + 1))


@pytest.mark.parametrize(
    "change",
    [{"sizes": {"Bytes": 1}}, {"sizes": {"bytes": -1}}, {"code": "RA1"}, {"v": 2}, {"time": "now"}, {"prev": "x"}],
    ids=str,
)
def test_we_never_write_what_we_would_not_read(change: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError, match="cannot be written"):
        encode_record(replace(RECORD, **change))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_a_named_error(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_record(raw)


def test_signed_lines_take_no_line_breaks() -> None:
    assert join_bytes("https://r:443", "s-a", b"\x01").endswith(b"\ns-a\n01\n")
    with pytest.raises(LocalProtocolError, match="line break"):
        join_bytes("https://r:443\nx", "s-a", b"")
    with pytest.raises(LocalProtocolError, match="line break"):
        login_bytes("https://r:443", b"", "now\n", "technician")
    with pytest.raises(LocalProtocolError, match="line break"):
        head_bytes("s-a\n", 0, "")


def test_no_two_purposes_sign_the_same_bytes() -> None:
    said = [
        head_bytes("s", 1, "h"),
        acknowledgement_bytes("s", 1, "h", "t", 1),
        join_bytes("s", "1", b"h"),
        login_bytes("s", b"1", "h", "t"),
    ]
    assert len({one.split(b"\n")[0] for one in said}) == 4


def test_a_leaf_is_of_whole_times_and_hashes_only() -> None:
    for time, digest in (("2026-03-01T09:30:00Z", "a" * 64), (RECORD.time, "A" * 64), (RECORD.time, "")):
        with pytest.raises(LocalProtocolError):
            leaf_hash(time, digest)


def test_times_are_utc_with_microseconds() -> None:
    eastern = datetime(2026, 3, 1, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(eastern) == "2026-03-01T09:30:00.000000Z"
    assert parse_time("2026-03-01T09:30:00.000001Z") == datetime(2026, 3, 1, 9, 30, 0, 1, tzinfo=UTC)


def test_an_acknowledgement_needs_a_vouched_for_key_and_a_sound_form() -> None:
    vector = json.loads((VECTORS / "records" / "outcome.json").read_text())
    good = Acknowledgement(
        session="s-abcdefghijklmnop",
        seq=3,
        hash=vector["hash"],
        time=vector["time"],
        index=vector["index"],
        signature=vector["acknowledgement"],
    )
    verify_acknowledgement(good, ["ssh-ed25519 AAAA", vector["log_key"]])
    with pytest.raises(VerificationError, match="no log key is vouched for"):
        verify_acknowledgement(good, [])
    for change in ({"session": "s\n"}, {"hash": "h"}, {"time": "2026-02-30T09:30:00.000000Z"}):
        with pytest.raises(VerificationError, match="malformed"):
            verify_acknowledgement(replace(good, **change), [vector["log_key"]])
    with pytest.raises(VerificationError, match="not signed by"):
        verify_acknowledgement(good, [vector["host_key"]])


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_two_absolute_paths_never_read_the_same(first: bytes, second: bytes) -> None:
    one, other = b"/" + first, b"/" + second
    assert (path_text(one) == path_text(other)) == (one == other)

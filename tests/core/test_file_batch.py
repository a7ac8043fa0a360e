"""Many files in one stream: cut anywhere it reads the same, and nothing out of order is taken."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from remote_assist.core.file_batch import (
    MAX_FILE_BYTES,
    BatchReader,
    FileHead,
    digest_lines,
    digest_of,
    head_line,
    named_bytes,
)
from remote_assist.errors import RemoteProtocolError

FILES = (
    (FileHead(number=0, size=3, modified=1.5, sha256="a" * 64), b"abc"),
    (FileHead(number=1, reason="link", sentence="it is a link"), b""),
    (FileHead(number=2, sha256="b" * 64), b""),
    (FileHead(number=3, size=5), b"12345"),
)
STREAM = b"".join(head_line(head) + content for head, content in FILES)


@pytest.mark.parametrize("step", [1, 7, len(STREAM)])
def test_a_stream_reads_the_same_wherever_it_was_cut(step: int) -> None:
    reader = BatchReader(len(FILES))
    found = [one for at in range(0, len(STREAM), step) for one in reader.feed(STREAM[at : at + step])]
    assert found == list(FILES)
    assert reader.complete


def test_a_stream_that_stops_early_is_not_complete() -> None:
    reader = BatchReader(len(FILES))
    assert len(list(reader.feed(STREAM[:-1]))) == 3
    assert not reader.complete


@pytest.mark.parametrize(
    "raw",
    [
        head_line(FileHead(number=1)),
        head_line(FileHead(number=0, size=-1)),
        head_line(FileHead(number=0, size=MAX_FILE_BYTES + 1)),
        head_line(FileHead(number=0, size=1, reason="link")),
        b"\0\0\xff\xff",
        b"\0\0\0\2[]",
        head_line(FileHead(number=0)) + head_line(FileHead(number=1)),
    ],
    ids=["out-of-turn", "negative", "too-long", "absent-with-content", "long-head", "no-head", "one-too-many"],
)
def test_what_was_not_asked_for_is_not_taken(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        list(BatchReader(1).feed(raw))


def test_a_name_counts_as_the_record_writes_it() -> None:
    assert named_bytes(b"/a") == len('"/a",')
    assert named_bytes(b"/\x01") == len('"/\\u0001",')
    assert named_bytes(b"/\xff") == len('"raw:/\\\\xff",')


def test_the_digests_are_what_sha256sum_checks(tmp_path: Path) -> None:
    names = [b"plain", b"two words", b"back\\slash", b"line\nbreak"]
    digests = []
    for name in names:
        path = tmp_path / name.decode()
        path.write_bytes(name)
        digests.append((bytes(path), hashlib.sha256(name).hexdigest()))
    listed = digest_lines(digests)
    done = subprocess.run(["sha256sum", "--check"], input=listed, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b": OK")) == (0, len(names))
    assert digest_of(digests) == hashlib.sha256(listed).hexdigest()

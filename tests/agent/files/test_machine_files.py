"""Files wherever the machine is: going on after what is held, and machines whose files are only looked at."""

import hashlib
import os
from pathlib import Path

import pytest

from remote_assist.agent.files.chosen import files_of
from remote_assist.agent.files.machine_files import PIECE_BYTES
from remote_assist.agent.files.there import FilesThere
from remote_assist.agent.machine import Machine
from remote_assist.core.requests import ReadFile, WriteFile
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import RefusedError
from remote_assist.transport.hops.winrm import WinrmHop
from remote_assist.transport.local_target import LocalTarget
from remote_assist.transport.outward import Pinned

RAW = os.urandom(PIECE_BYTES + 1000)


async def read_from(path: Path, offset: int, prefix: bytes) -> tuple[int, bytes, str]:
    """Where reading began, what came, and the digest of the whole."""
    request = ReadFile(path=os.fsencode(path), offset=offset, prefix_sha256=hashlib.sha256(prefix).hexdigest())
    source = await files_of(Machine(LocalTarget(), "s-0")).source(request)
    try:
        came = b""
        while piece := await source.read():
            came += piece
        return source.offset, came, source.sha256
    finally:
        await source.close()


@pytest.mark.parametrize(
    ("offset", "prefix", "began"),
    [
        (0, b"", 0),
        (1, RAW[:1], 1),
        (PIECE_BYTES + 7, RAW[: PIECE_BYTES + 7], PIECE_BYTES + 7),
        (len(RAW), RAW, len(RAW)),
        (10, b"other", 0),
        (len(RAW) + 1, RAW + b"x", 0),
    ],
    ids=["anew", "after a byte", "after a piece", "at the end", "other bytes", "beyond the end"],
)
async def test_a_read_goes_on_after_what_is_held_and_the_digest_is_the_whole_files(
    tmp_path: Path, offset: int, prefix: bytes, began: int
) -> None:
    (tmp_path / "file").write_bytes(RAW)
    assert await read_from(tmp_path / "file", offset, prefix) == (began, RAW[began:], hashlib.sha256(RAW).hexdigest())


async def test_a_file_of_the_kernels_has_no_size_and_is_read_whole() -> None:
    began, came, _ = await read_from(Path(f"/proc/{os.getpid()}/status"), 0, b"")
    assert began == 0
    assert came.startswith(b"Name:")


async def test_files_of_a_windows_machine_are_looked_at_and_not_moved() -> None:
    pytest.importorskip("winrm")
    place = parse_hop("winrm://admin@win.example.com")
    hop = WinrmHop(place, Pinned(place.endpoint, ("192.0.2.7",)), "a pass word")
    try:
        files = files_of(Machine(hop, "s-0"))
        assert isinstance(files, FilesThere)
        with pytest.raises(RefusedError, match="only looked at, not moved"):
            await files.source(ReadFile(path=b"/x"))
        incoming = WriteFile(folder=b"/", name=b"x", size=0, sha256="0" * 64, mode=0o600, overwrite=False)
        with pytest.raises(RefusedError, match="only looked at, not moved"):
            await files.incoming(incoming, b"/x")
    finally:
        hop.close()

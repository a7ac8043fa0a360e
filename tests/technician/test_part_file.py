"""Incoming files: whole and checked, or not there; resumed; never through a link."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from remote_assist.errors import AssistError, RefusedError, VerificationError
from remote_assist.technician.part_file import BATCH_BYTES, PartFile


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


async def receive(part: PartFile, raw: bytes, *, step: int = 100_000) -> None:
    for start in range(0, len(raw), step):
        await part.write(raw[start : start + step])


async def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    raw = os.urandom(3 * BATCH_BYTES + 17)
    part = PartFile(tmp_path / "big.bin", force=False)
    await part.open()
    await receive(part, raw)
    assert not (tmp_path / "big.bin").exists()
    assert await part.finish(sha256=digest(raw), size=len(raw)) == tmp_path / "big.bin"
    await part.close()
    assert (tmp_path / "big.bin").read_bytes() == raw
    assert stat.S_IMODE((tmp_path / "big.bin").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["big.bin"]


async def test_what_came_before_the_break_is_kept_and_taken_up(tmp_path: Path) -> None:
    raw = os.urandom(2 * BATCH_BYTES)
    first = PartFile(tmp_path / "x", force=False)
    await first.open()
    await receive(first, raw[:1_500_000])
    await first.close()
    second = PartFile(tmp_path / "x", force=False)
    await second.open()
    assert (second.held, second.prefix) == (1_500_000, digest(raw[:1_500_000]))
    await second.start_at(1_500_000)
    await receive(second, raw[1_500_000:])
    await second.finish(sha256=digest(raw), size=len(raw))
    await second.close()
    assert (tmp_path / "x").read_bytes() == raw


async def test_a_sender_that_starts_anew_makes_the_part_file_start_anew(tmp_path: Path) -> None:
    (tmp_path / ".x.part").write_bytes(b"of another file")
    part = PartFile(tmp_path / "x", force=False)
    await part.open()
    await part.start_at(0)
    await part.write(b"new")
    await part.finish(sha256=digest(b"new"), size=3)
    await part.close()
    assert (tmp_path / "x").read_bytes() == b"new"


async def test_a_sender_may_not_start_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / ".x.part").write_bytes(b"12345")
    part = PartFile(tmp_path / "x", force=False)
    await part.open()
    with pytest.raises(VerificationError):
        await part.start_at(3)
    await part.close()


async def test_other_bytes_than_were_sent_are_removed(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "x", force=False)
    await part.open()
    await part.write(b"changed on the way")
    with pytest.raises(VerificationError, match="did not arrive as it was sent"):
        await part.finish(sha256=digest(b"as it was sent"), size=14)
    await part.close()
    assert list(tmp_path.iterdir()) == []


async def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="there already"):
        await PartFile(tmp_path / "x", force=False).open()
    part = PartFile(tmp_path / "x", force=True)
    await part.open()
    await part.write(b"new")
    await part.finish(sha256=digest(b"new"), size=3)
    await part.close()
    assert (tmp_path / "x").read_bytes() == b"new"


async def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "x", force=False)
    await part.open()
    await part.write(b"new")
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="appeared meanwhile"):
        await part.finish(sha256=digest(b"new"), size=3)
    await part.close()
    assert (tmp_path / "x").read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo", "folder"])
async def test_a_part_file_that_is_something_else_is_not_written(tmp_path: Path, kind: str) -> None:
    victim, trap = tmp_path / "victim", tmp_path / ".x.part"
    victim.write_bytes(b"precious")
    if kind == "symlink":
        trap.symlink_to(victim)
    elif kind == "hardlink":
        os.link(victim, trap)
    elif kind == "fifo":
        os.mkfifo(trap)
    else:
        trap.mkdir()
    part = PartFile(tmp_path / "x", force=False)
    with pytest.raises(AssistError):
        await part.open()
    await part.close()
    assert victim.read_bytes() == b"precious"


async def test_a_link_as_the_target_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "x").symlink_to(victim)
    part = PartFile(tmp_path / "x", force=True)
    await part.open()
    await part.write(b"new")
    await part.finish(sha256=digest(b"new"), size=3)
    await part.close()
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "x").is_symlink()


async def test_an_empty_try_leaves_nothing_behind(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "x", force=False)
    await part.open()
    await part.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "nowhere" / "x", force=False)
    with pytest.raises(AssistError, match="cannot be written"):
        await part.open()
    await part.close()

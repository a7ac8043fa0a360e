"""Changes and open files on a real disk: no link is followed, what is off limits stays, digests say what passed."""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.file_wishes import Attributes, Opening
from remote_assist.transport.posix import changes as posix_changes
from remote_assist.transport.posix.files import PosixFiles
from remote_assist.transport.posix.open_file import digest_of, open_file

ROUNDS = 10_000
READ, WRITE = Opening(), Opening(read=False, write=True, create=True, truncate=True)


def _path(path: Path) -> bytes:
    return os.fsencode(path)


@pytest.fixture
def files(tmp_path: Path) -> PosixFiles:
    (tmp_path / "own" / "state").mkdir(parents=True)
    return PosixFiles([_path(tmp_path / "own" / "state")])


CHANGES: dict[str, Callable[[PosixFiles, bytes], object]] = {
    "open to write": lambda files, path: open_file(files, path, WRITE).close(),
    "open to read": lambda files, path: open_file(files, path, READ).close(),
    "mode": lambda files, path: posix_changes.change(files, path, Attributes(mode=0o600)),
    "size": lambda files, path: posix_changes.change(files, path, Attributes(size=0)),
    "times": lambda files, path: posix_changes.change(files, path, Attributes(times=(1.0, 2.0))),
    "second name": lambda files, path: posix_changes.make_second_name(files, path, path + b"-2"),
    "list": lambda files, path: posix_changes.look_into(files, path, max_entries=10),
    "status": lambda files, path: posix_changes.look(files, path, follow=True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_link_is_refused_by_what_it_points_to_and_its_aim_is_untouched(
    name: str, files: PosixFiles, tmp_path: Path
) -> None:
    aim = tmp_path / "aim"
    aim.write_text("content")
    before = aim.stat()
    (tmp_path / "link").symlink_to(aim)
    with pytest.raises(RefusedError, match=r"is a link to .*/aim"):
        CHANGES[name](files, _path(tmp_path / "link"))
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(RefusedError, match="is a link"):
        CHANGES[name](files, _path(tmp_path / "folder" / "aim"))
    after = aim.stat()
    assert (after.st_mode, after.st_size, after.st_mtime_ns, after.st_nlink) == (
        before.st_mode,
        before.st_size,
        before.st_mtime_ns,
        1,
    )


def test_removing_and_renaming_a_link_is_about_the_link(files: PosixFiles, tmp_path: Path) -> None:
    (tmp_path / "aim").write_text("content")
    posix_changes.make_link(files, _path(tmp_path / "link"), b"aim")
    assert posix_changes.read_link(files, _path(tmp_path / "link")) == b"aim"
    posix_changes.move(files, _path(tmp_path / "link"), _path(tmp_path / "other"), replace=False)
    posix_changes.remove(files, _path(tmp_path / "other"))
    assert sorted(os.listdir(tmp_path)) == ["aim", "own"]


@pytest.mark.parametrize("replace", [False, True])
def test_a_rename_replaces_only_when_that_was_said(replace: bool, files: PosixFiles, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    if replace:
        posix_changes.move(files, _path(tmp_path / "a"), _path(tmp_path / "b"), replace=True)
        assert (tmp_path / "b").read_text() == "a"
    else:
        with pytest.raises(RefusedError, match="is there already"):
            posix_changes.move(files, _path(tmp_path / "a"), _path(tmp_path / "b"), replace=False)
        assert (tmp_path / "b").read_text() == "b"


def test_neither_the_agents_folder_nor_one_above_it_is_moved_changed_or_entered(
    files: PosixFiles, tmp_path: Path
) -> None:
    state = tmp_path / "own" / "state"
    (state / "journal").write_text("j")
    for path in (state, state / "journal"):
        for name, change in CHANGES.items():
            with pytest.raises(RefusedError, match=r"off limits|neither|is a folder"):
                change(files, _path(path))
            assert (state / "journal").read_text() == "j", name
        with pytest.raises(RefusedError):
            posix_changes.move(files, _path(path), _path(tmp_path / "away"), replace=True)
        with pytest.raises(RefusedError):
            posix_changes.remove(files, _path(path))
    for above in (tmp_path / "own", tmp_path):
        with pytest.raises(RefusedError, match="holds what belongs to the agent"):
            posix_changes.move(files, _path(above), _path(tmp_path.parent / "away"), replace=False)
    (tmp_path / "file").write_text("x")
    with pytest.raises(RefusedError, match="off limits"):
        posix_changes.move(files, _path(tmp_path / "file"), _path(state), replace=True)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777])
def test_setuid_setgid_and_sticky_are_not_set(mode: int, files: PosixFiles, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(UsageError):
        posix_changes.change(files, _path(tmp_path / "a"), Attributes(mode=mode))
    open_file(files, _path(tmp_path / "b"), Opening(read=False, write=True, create=True, mode=mode)).close()
    assert (tmp_path / "b").stat().st_mode & 0o7000 == 0


def test_a_pipe_is_neither_opened_nor_waited_for(files: PosixFiles, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for how in (READ, WRITE):
        with pytest.raises(RefusedError, match="neither a file nor a folder"):
            open_file(files, _path(tmp_path / "pipe"), how)


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20, (1 << 20) + 5, (3 << 20) + 77])
@pytest.mark.parametrize("step", [32 << 10, 255 << 10, 2 << 20])
def test_what_is_read_in_order_is_whole_and_its_digest_right(
    size: int, step: int, files: PosixFiles, tmp_path: Path
) -> None:
    raw = os.urandom(size)
    (tmp_path / "a").write_bytes(raw)
    file = open_file(files, _path(tmp_path / "a"), READ)
    got = bytearray()
    while piece := file.waiting(len(got), step) or file.read(len(got), step):
        got += piece
    file.close()
    assert bytes(got) == raw
    assert (file.read_bytes, file.digest()) == (size, hashlib.sha256(raw).hexdigest())


def test_what_is_read_out_of_order_is_right_and_has_no_digest(files: PosixFiles, tmp_path: Path) -> None:
    raw = os.urandom(100_000)
    (tmp_path / "a").write_bytes(raw)
    file = open_file(files, _path(tmp_path / "a"), READ)
    for offset, size in ((0, 10), (50_000, 100), (10, 10), (99_990, 100), (0, 100_000)):
        assert (file.waiting(offset, size) or file.read(offset, size)) == raw[offset : offset + size]
    file.close()
    assert file.digest() == ""


def test_what_is_written_has_the_digest_of_the_file(files: PosixFiles, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(500))
    file = open_file(files, _path(path), Opening(read=False, write=True))
    file.write(0, b"abc")
    found = file.status()
    file.close()
    assert not file.digest_is_whole(found)  # 497 older bytes stand behind
    whole = hashlib.sha256(b"abc" + bytes(497)).hexdigest()
    assert digest_of(files, _path(path), like=found, max_bytes=1000) == whole
    assert digest_of(files, _path(path), like=found, max_bytes=10) == ""
    path.unlink()
    path.write_bytes(b"another")
    assert digest_of(files, _path(path), like=found, max_bytes=1000) in {"", hashlib.sha256(b"another").hexdigest()}


def test_a_folder_swapped_for_a_link_ten_thousand_times_leads_nowhere_outside(
    files: PosixFiles, tmp_path: Path
) -> None:
    """Opening to write, while somebody swaps the folder for a link to another one: never a byte outside."""
    inside, outside, link = tmp_path / "in" / "folder", tmp_path / "outside", tmp_path / "in" / "link"
    inside.mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("untouched")
    link.symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        spare = tmp_path / "in" / "spare"
        while not over.is_set():
            os.rename(inside, spare)
            os.rename(link, inside)
            os.rename(inside, link)
            os.rename(spare, inside)

    swapper = threading.Thread(target=swap)
    swapper.start()
    refused = done = 0
    try:
        for _ in range(ROUNDS):
            try:
                file = open_file(files, _path(inside / "file"), WRITE)
                file.write(0, b"inside")
                file.close()
                done += 1
            except AssistError:
                refused += 1
    finally:
        over.set()
        swapper.join()
    assert (outside / "file").read_text() == "untouched"
    assert refused > 0
    assert done > 0

"""Private files: born 0600, whole or not at all, refused when others could read them."""

import os
from pathlib import Path

import pytest

from remote_assist.errors import ContentError
from remote_assist.transport.private_files import append_durably, make_private_folder, read_private, write_private


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def _generous_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"secret")
    assert _mode(tmp_path / "key") == 0o600
    assert read_private(tmp_path / "key") == b"secret"
    write_private(tmp_path / "key", b"newer")
    assert read_private(tmp_path / "key") == b"newer"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_file_that_must_be_new_leaves_the_old_one(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"old", replace=False)
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "key", b"new", replace=False)
    assert read_private(tmp_path / "key") == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o660])
def test_what_others_could_read_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    write_private(tmp_path / "key", b"x")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ContentError, match="can be read by others") as refused:
        read_private(tmp_path / "key")
    assert "chmod 600" in refused.value.advice


def test_links_pipes_and_long_files_are_refused(tmp_path: Path) -> None:
    write_private(tmp_path / "key", b"12345")
    (tmp_path / "link").symlink_to("key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "."):
        with pytest.raises(ContentError):
            read_private(tmp_path / name)
    with pytest.raises(ContentError, match="longer than 4"):
        read_private(tmp_path / "key", 4)
    assert read_private(tmp_path / "key", 5) == b"12345"
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "absent")


def test_a_folder_is_made_private_with_its_parents(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "a" / "b")
    assert (_mode(folder), _mode(folder.parent)) == (0o700, 0o700)
    folder.chmod(0o755)
    assert _mode(make_private_folder(folder)) == 0o700


def test_a_link_or_a_file_is_no_private_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").touch()
    for name in ("link", "file"):
        with pytest.raises(ContentError, match="not a folder"):
            make_private_folder(tmp_path / name)


def test_appending_answers_the_new_length(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert append_durably(path, b"one\n") == 4
    assert append_durably(path, b"two\n") == 8
    assert _mode(path) == 0o600
    assert path.read_bytes() == b"one\ntwo\n"


def test_what_could_not_be_appended_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes a part, then says that the disk is full (the third-party border is `os.write`)."""
    path, write = tmp_path / "journal", os.write
    append_durably(path, b"one\n")
    answers = iter([3])

    def fill_up(descriptor: int, raw: memoryview) -> int:
        if next(answers, 0):
            return write(descriptor, raw[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OSError, match="No space"):
        append_durably(path, b"second\n")
    assert path.read_bytes() == b"one\n"


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private(tmp_path / "key", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "key", b"new")
    assert (tmp_path / "key").read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]

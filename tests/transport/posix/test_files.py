"""Files read, listed and written whole."""

import os
from pathlib import Path

import pytest

from remote_assist.errors import AssistError, RefusedError, UsageError
from remote_assist.transport.posix.files import PosixFiles
from remote_assist.transport.posix.new_file import NewFile, open_new_file, replace_file


def _new(folder: Path, name: bytes = b"new", tag: str = "0a") -> NewFile:
    return open_new_file(PosixFiles(), os.fsencode(folder), name, tag=tag)


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    new = _new(tmp_path)
    new.write(b"first ")
    assert not (tmp_path / "new").exists()
    assert (tmp_path / ".remote-assist-0a.part").stat().st_mode & 0o777 == 0o600
    new.write(memoryview(b"second"))
    new.commit(mode=0o644, overwrite=False)
    assert (tmp_path / "new").read_bytes() == b"first second"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644
    assert _names(tmp_path) == ["new"]


def test_a_part_is_taken_up_where_it_stopped(tmp_path: Path) -> None:
    first = _new(tmp_path)
    first.write(b"12345")
    first.keep_part()
    second = _new(tmp_path)
    assert second.size == 5
    assert second.read(100) == b"12345"
    second.write(b"678")
    second.commit(mode=0o600, overwrite=False)
    assert (tmp_path / "new").read_bytes() == b"12345678"


def test_a_part_can_be_forgotten(tmp_path: Path) -> None:
    first = _new(tmp_path)
    first.write(b"wrong")
    first.keep_part()
    second = _new(tmp_path)
    second.read(100)
    second.start_again()
    second.write(b"right")
    second.commit(mode=0o600, overwrite=False)
    assert (tmp_path / "new").read_bytes() == b"right"


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    new = _new(tmp_path)
    new.write(b"x")
    new.discard()
    new.discard()
    assert _names(tmp_path) == []


def test_an_existing_file_stays_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"old")
    new = _new(tmp_path)
    new.write(b"fresh")
    with pytest.raises(RefusedError, match="is there already"):
        new.commit(mode=0o600, overwrite=False)
    assert (tmp_path / "new").read_bytes() == b"old"
    new.commit(mode=0o600, overwrite=True)
    assert (tmp_path / "new").read_bytes() == b"fresh"


def test_a_folder_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(RefusedError, match="is a folder"):
        replace_file(PosixFiles(), os.fsencode(tmp_path / "new"), b"x", mode=0o600, tag="0a")
    assert _names(tmp_path) == ["new"]


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777])
def test_special_bits_are_not_given(tmp_path: Path, mode: int) -> None:
    new = _new(tmp_path)
    with pytest.raises(UsageError):
        new.commit(mode=mode, overwrite=False)
    new.discard()


@pytest.mark.parametrize("tag", ["", "a/b", "../x", "a" * 65])
def test_a_tag_is_letters_and_digits(tmp_path: Path, tag: str) -> None:
    with pytest.raises(UsageError):
        _new(tmp_path, tag=tag)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AssistError, match="does not exist"):
        _new(tmp_path / "absent")


def test_a_listing_is_in_name_order_bounded_and_takes_any_bytes(tmp_path: Path) -> None:
    for name in (b"b", b"\xff\xfe", b"a", b"c"):
        (tmp_path / os.fsdecode(name)).touch()
    entries, cut = PosixFiles().list_folder(os.fsencode(tmp_path), max_entries=3)
    assert [os.fsencode(Path(one.path).name) for one in entries] == [b"a", b"b", b"c"]
    assert cut
    entries, cut = PosixFiles().list_folder(os.fsencode(tmp_path), max_entries=4)
    assert os.fsencode(Path(entries[-1].path).name) == b"\xff\xfe"
    assert not cut


def test_a_file_is_listed_as_itself(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"123")
    entries, cut = PosixFiles().list_folder(os.fsencode(tmp_path / "one"), max_entries=3)
    assert [(one.kind, one.size_bytes) for one in entries] == [("file", 3)]
    assert not cut


def test_the_root_can_be_listed_and_asked_about() -> None:
    assert PosixFiles().stat_path(b"/").kind == "folder"
    entries, _ = PosixFiles().list_folder(b"/", max_entries=500)
    assert "/etc" in [one.path for one in entries]


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    entries, _ = PosixFiles().list_folder(os.fsencode(tmp_path), max_entries=9)
    assert [one.kind for one in entries] == ["folder", "link", "other"]


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    files, before = PosixFiles(), len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        for path in (tmp_path / "link", tmp_path / "absent" / "x", tmp_path):
            with pytest.raises(AssistError):
                files.open_regular(os.fsencode(path))
        replace_file(files, os.fsencode(tmp_path / "file"), b"x", mode=0o600, tag="0a")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_removed_file_is_gone_and_only_a_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    PosixFiles().remove_file(os.fsencode(tmp_path / "file"))
    assert _names(tmp_path) == []
    with pytest.raises(RefusedError):
        PosixFiles().remove_file(os.fsencode(tmp_path))

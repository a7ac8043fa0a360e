"""A folder that files arrive in: whole, never through a link, never over another file unless asked."""

import os
from pathlib import Path

import pytest

from remote_assist.errors import AssistError, RefusedError
from remote_assist.technician.local_tree import ABSENT, OTHER, SAME, LocalTree
from remote_assist.technician.remote_tree import PART, Wanted

WANTED = Wanted(b"deep/a", 3, 1_700_000_000.123456)


@pytest.fixture(params=[True, False], ids=["by-descriptor", "by-path"])
def by_descriptor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on POSIX, and as where folders cannot be opened (Windows)."""
    monkeypatch.setattr("remote_assist.technician.local_tree._BY_DESCRIPTOR", request.param)


def tree(folder: Path, *, force: bool = False) -> LocalTree:
    return LocalTree(folder, b"/var/from/", force=force)


@pytest.mark.usefixtures("by_descriptor")
def test_a_file_that_was_placed_is_known_again(tmp_path: Path) -> None:
    local = tree(tmp_path)
    assert local.found(WANTED) == ABSENT
    local.place(WANTED.path, b"abc", WANTED.modified)
    assert local.found(WANTED) == SAME
    assert local.found(Wanted(WANTED.path, 4, WANTED.modified)) == OTHER
    assert local.found(Wanted(WANTED.path, 3, WANTED.modified + 1)) == OTHER
    placed = tmp_path / "from" / "deep" / "a"
    assert placed.read_bytes() == b"abc"
    assert (placed.stat().st_mode & 0o777, placed.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    os.utime(placed, (1_700_000_000, 1_700_000_000))
    assert local.found(WANTED) == SAME, "as a file system with whole seconds keeps it"
    local.close()


@pytest.mark.usefixtures("by_descriptor")
def test_another_file_is_replaced_only_when_asked_and_a_link_never_written_through(tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.write_bytes(b"mine")
    local = tree(tmp_path)
    (local.make_folder(b"") / "a").symlink_to(aim)
    with pytest.raises(RefusedError, match="there already"):
        local.place(b"a", b"theirs", 0.0)
    local.close()
    forced = tree(tmp_path, force=True)
    forced.place(b"a", b"theirs", 1e300)
    assert aim.read_bytes() == b"mine"
    assert [(one.name, one.is_symlink()) for one in (tmp_path / "from").iterdir()] == [("a", False)]
    forced.close()


@pytest.mark.usefixtures("by_descriptor")
def test_no_component_may_be_a_link_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "from" / "file").write_bytes(b"")
    for name in (b"link", b"file"):
        local = tree(tmp_path)
        with pytest.raises(RefusedError, match="no folder"):
            local.place(name + b"/a", b"", 0.0)
        local.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_one_fetch_has_a_folder_at_a_time_and_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    first, second = tree(tmp_path), tree(tmp_path)
    first.hold()
    with pytest.raises(RefusedError, match="another program"):
        second.hold()
    first.close()
    (tmp_path / "from" / PART).write_bytes(b"half a f")
    second.hold()
    assert list((tmp_path / "from").iterdir()) == []
    second.close()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    local = tree(tmp_path / "gone")
    with pytest.raises(AssistError, match="cannot be used"):
        local.make_folder(b"x")

"""The technician's own folders: folders first, whatever lies there, and a sentence when they cannot be read."""

import os
from pathlib import Path

import pytest

from remote_assist.errors import UsageError
from remote_assist.technician.local_folder import list_local


def test_folders_come_first_and_what_has_no_target_is_shown_as_other(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b").write_bytes(b"12")
    (tmp_path / "a").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).touch()
    found = [(entry.name, entry.kind, entry.size) for entry in list_local(tmp_path)]
    assert found == [(b"sub", "folder", found[0][2]), (b"a", "other", 0), (b"b", "file", 2), (b"\xff", "file", 0)]


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be listed"):
        list_local(tmp_path / "none")

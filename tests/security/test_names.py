"""T19: a name a peer supplies never leaves the chosen folder (wormhole CVE-2026-42448: a basename() went missing)."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from remote_assist.errors import RefusedError
from remote_assist.technician.names import MAX_NAME_BYTES, local_name, place_in
from remote_assist.technician.part_file import PartFile

FOLDER = Path("/chosen/folder")

NAMES = some.one_of(
    some.text(max_size=300),
    some.text(alphabet="./\\\0\n\x1b:~ -a", max_size=20),
    some.lists(some.sampled_from(["..", ".", "", "etc", "passwd", "C:", "\\", "~"]), max_size=6).map("/".join),
    some.binary(max_size=300).map(os.fsdecode),
)


@given(NAMES)
@example("../../etc/passwd")
@example("/etc/passwd")
@example("..")
@example("a/..")
@example("..\\..\\boot.ini")
@example("file\0.txt")
@example("x\u202etxt.exe")
@example("")
@example("/")
def test_the_written_path_is_directly_in_the_chosen_folder_or_refused(name: str) -> None:
    try:
        path = place_in(FOLDER, name)
    except RefusedError:
        return
    assert path.parent == FOLDER
    assert os.path.normpath(path) == str(path)
    assert not any(ord(sign) < 32 or sign in "/\\" for sign in path.name)
    part = PartFile(path, force=False).path
    assert part.parent == FOLDER
    assert len(os.fsencode(part.name)) <= 255


@given(some.binary(max_size=200))
def test_names_as_bytes_obey_the_same_rule(name: bytes) -> None:
    try:
        path = place_in(FOLDER, name)
    except RefusedError:
        return
    assert path.parent == FOLDER
    assert os.fsencode(path.name) == name.rpartition(b"/")[2]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/", "a/.", "a/..", "/", "a\\b", "a\0b", "a\nb", "a\x1b[2Jb", "a\u2028b"]
)
def test_what_is_no_plain_name_is_refused_and_not_mended(name: str) -> None:
    with pytest.raises(RefusedError):
        local_name(name)


def test_an_ordinary_path_gives_its_last_component() -> None:
    assert local_name(b"/var/log/dpkg.log") == "dpkg.log"
    assert local_name("Bericht März.txt") == "Bericht März.txt"
    assert local_name(b"/home/x/.bashrc") == ".bashrc"


def test_a_refusal_shows_the_name_without_its_control_characters() -> None:
    with pytest.raises(RefusedError) as refusal:
        local_name("evil\x1b]0;owned\x07")
    assert "\x1b" not in refusal.value.message
    assert "\\x1b" in refusal.value.message


def test_a_name_too_long_for_its_part_file_is_refused() -> None:
    assert local_name("a" * MAX_NAME_BYTES)
    with pytest.raises(RefusedError, match="longer"):
        local_name("a" * (MAX_NAME_BYTES + 1))


@pytest.mark.parametrize("name", ["CON", "nul.txt", "com1", "a:b", "a ", "a.", "what?", 'say "x"', "LPT9.log"])
def test_windows_gets_no_name_it_would_read_as_something_else(name: str) -> None:
    with pytest.raises(RefusedError):
        local_name(name, windows=True)
    assert local_name("report.txt", windows=True) == "report.txt"

"""Many machines: inventories as people write them, and files of many bundles as attackers would."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from remote_assist.errors import ContentError, UsageError
from remote_assist.technician.machines import INDEX, Result, checked, read_inventory, read_many, write_many

HERE, THERE = "ssh://root@a.example.com", "ssh://root@b.example.com"


def test_an_inventory_is_places_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "inventory"
    path.write_text(f"# all\n\n{HERE}:22 # the first\n{THERE}\n{HERE}\n")
    assert read_inventory(path) == (HERE, THERE)


@pytest.mark.parametrize(
    ("text", "sentence"), [("", "names no machine"), ("ssh://x\n", ":1: "), ("#\n\nroot@a\n", ":3: ")]
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "inventory"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_inventory(path)


def test_there_is_a_bound() -> None:
    with pytest.raises(UsageError, match="more than the 256"):
        checked([f"ssh://root@{number}.example.com" for number in range(300)])


def test_a_file_of_many_holds_what_came_and_why_the_rest_did_not(tmp_path: Path) -> None:
    bundle, out, folder = tmp_path / "one", tmp_path / "many.tar", tmp_path / "out"
    bundle.write_bytes(b"a bundle")
    folder.mkdir()
    write_many(out, "s-x", "first-look", [Result(HERE, bundle, "", 1.0), Result(THERE, None, "no answer", 2.0)])
    (here, path), (there, nothing) = read_many(out, folder)
    assert (here.place, path and path.read_bytes()) == (HERE, b"a bundle")
    assert (there.error, nothing) == ("no answer", None)


def _hostile(path: Path, members: dict[str, bytes], *, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w") as many:
        for name, raw in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(raw), kind if name != INDEX else tarfile.REGTYPE, "/etc/passwd"
            many.addfile(info, io.BytesIO(raw))


def _index(file: str) -> bytes:
    part = {"place": HERE, "file": file, "sha256": "0" * 64, "size": 1, "seconds": 0, "error": ""}
    return json.dumps({"machines": [part]}).encode()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {INDEX: b"{"},
        {INDEX: b"[]"},
        {INDEX: _index("missing")},
        {INDEX: _index("../../evil"), "../../evil": b"x"},
        {INDEX: json.dumps({"machines": [{"surprise": 1}]}).encode()},
    ],
    ids=["empty", "no JSON", "a list", "a missing part", "another digest", "unknown keys"],
)
def test_a_hostile_file_is_refused_and_writes_nothing_outside(tmp_path: Path, members: dict[str, bytes]) -> None:
    path, folder = tmp_path / "many.tar", tmp_path / "inside" / "out"
    folder.mkdir(parents=True)
    _hostile(path, members)
    with pytest.raises(ContentError):
        read_many(path, folder)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_a_link_in_the_file_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    _hostile(path, {INDEX: _index("link"), "link": b""}, kind=tarfile.SYMTYPE)
    with pytest.raises(ContentError, match="no plain file"):
        read_many(path, tmp_path)

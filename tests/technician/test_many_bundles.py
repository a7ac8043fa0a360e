"""A file of many bundles: what it holds, and what attackers would put there."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from remote_assist.errors import ContentError
from remote_assist.technician.machines import Result
from remote_assist.technician.many_bundles import INDEX, read_many, write_many

HERE, THERE = "ssh://root@a.example.com", "ssh://root@b.example.com"


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
        {INDEX: _index("01-missing.tar.zst")},
        {INDEX: _index("01-other.tar.zst"), "01-other.tar.zst": b"x"},
        {INDEX: _index("../../evil"), "../../evil": b"x"},
        {INDEX: json.dumps({"machines": [{"surprise": 1}]}).encode()},
    ],
    ids=["empty", "no JSON", "a list", "a missing part", "another digest", "another name", "unknown keys"],
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
    _hostile(path, {INDEX: _index("01-link.tar.zst"), "01-link.tar.zst": b""}, kind=tarfile.SYMTYPE)
    with pytest.raises(ContentError, match="does not belong"):
        read_many(path, tmp_path)


def test_stock_tar_reads_a_file_of_many(tmp_path: Path) -> None:
    bundle, out = tmp_path / "one", tmp_path / "many.tar"
    bundle.write_bytes(b"a bundle" * 1000)
    long = "ssh://root@" + ".".join(["a" * 60] * 4)
    write_many(out, "s-x", "first-look", [Result(HERE, bundle, "", 1.0), Result(long, bundle, "", 1.0)])
    listed = subprocess.run(["tar", "-tf", out], capture_output=True, text=True, timeout=60, check=True).stdout
    assert listed.split() == ["01-a.example.com.tar.zst", f"02-{long[11:91]}.tar.zst", INDEX]
    subprocess.run(["tar", "-xf", out, "-C", tmp_path], timeout=60, check=True)
    assert (tmp_path / "01-a.example.com.tar.zst").read_bytes() == bundle.read_bytes()

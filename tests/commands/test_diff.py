"""`diff` of two bundle files, as a technician runs it."""

import json
from pathlib import Path

import pytest

from remote_assist.cli import main
from tests.diagnostics.packing import bundle_file


def test_what_changed_is_printed_with_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    disk = {"mount": "/", "type": "ext4", "size_bytes": 1 << 40, "available_bytes": 1 << 39, "read_only": False}
    inodes = {"inodes": 100, "inodes_used_pct": 1.0}
    before = bundle_file(
        tmp_path / "a",
        packages=[{"name": "nginx", "version": "1.22"}],
        filesystems=[{**disk, **inodes, "used_bytes": 1, "used_pct": 10.0}],
    )
    after = bundle_file(
        tmp_path / "b",
        packages=[{"name": "nginx", "version": "1.24"}],
        filesystems=[{**disk, **inodes, "used_bytes": 9, "used_pct": 99.5, "available_bytes": 0}],
    )
    assert main(["diff", str(before), str(after)]) == 0
    said = capsys.readouterr().out
    assert "~ package       nginx   1.22 → 1.24" in said
    assert "+ finding" in said
    assert main(["diff", str(before), str(after), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"kind": "package", "name": "nginx", "change": "changed", "before": "1.22", "after": "1.24"} in lines


def test_the_same_bundle_twice_is_nothing_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundle_file(tmp_path / "a", packages=[{"name": "nginx", "version": "1.22"}])
    assert main(["diff", str(file), str(file)]) == 0
    assert capsys.readouterr().out == "nothing changed\n"


def test_a_file_that_is_no_bundle_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bundle_file(tmp_path / "a", packages=[])
    (tmp_path / "b").write_bytes(b"not one")
    assert main(["diff", str(file), str(tmp_path / "b")]) == 1
    assert "not zstd" in capsys.readouterr().err
    assert main(["diff", str(file), str(tmp_path / "none")]) == 2

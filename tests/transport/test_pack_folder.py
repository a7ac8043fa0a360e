"""Packs on the disk: put there by hand, pinned, read back, never older."""

from pathlib import Path

import pytest

from remote_assist.core.catalog.packs import Pack, build_pack, open_pack
from remote_assist.errors import ContentError, RefusedError
from remote_assist.transport.pack_folder import PackFolder


def raw(version: int) -> bytes:
    return build_pack(Pack(id="acme", version=version, issued="", files={"a.yaml": ""}))


def put(folder: PackFolder, version: int) -> None:
    folder.put(open_pack(raw(version)), raw(version))


def test_a_pack_is_pinned_and_an_older_one_never_comes_back(tmp_path: Path) -> None:
    folder = PackFolder(tmp_path / "home")
    assert folder.installed() == []
    put(folder, 2)
    (found,) = folder.installed()
    assert (found.id, found.pin.version, found.raw) == ("acme", 2, raw(2))
    with pytest.raises(RefusedError, match="newer version 2"):
        put(folder, 1)
    folder.remove("acme")
    assert folder.installed() == []
    with pytest.raises(RefusedError, match="newer version 2"):
        put(folder, 1)
    put(folder, 3)
    assert folder.installed()[0].pin.version == 3


def test_packs_are_private_and_one_others_could_have_written_is_named(tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    put(folder, 1)
    file = tmp_path / "packs" / "acme.pack"
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o666)
    (found,) = folder.installed()
    assert found.raw is None
    assert "can be read by others" in found.fault


def test_a_damaged_list_of_pins_is_an_error_and_an_unknown_pack_too(tmp_path: Path) -> None:
    folder = PackFolder(tmp_path)
    with pytest.raises(RefusedError, match="no pack 'acme'"):
        folder.remove("acme")
    put(folder, 1)
    (tmp_path / "packs" / "pins.json").write_text("{")
    with pytest.raises(ContentError, match="damaged"):
        folder.installed()

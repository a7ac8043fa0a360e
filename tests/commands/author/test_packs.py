"""`kb pack` as an author and an operator run it."""

import json
import subprocess
from pathlib import Path

import pytest

from remote_assist.cli import main
from tests.agent.test_packs import FILES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    source = tmp_path / "acme"
    source.mkdir()
    for name, text in FILES.items():
        (source / name).write_text(text)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    return tmp_path


def run(*words: object) -> int:
    return main(["kb", "pack", *map(str, words)])


def test_a_pack_is_built_signed_installed_listed_and_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "acme.pack"
    assert run("build", folder / "acme", "--id", "acme", "--version", 1, "-o", file) == 0
    assert run("sign", file, "--key", folder / "key") == 0
    assert run("install", file) == 0
    assert "checked against the organisation's list at every session" in capsys.readouterr().out
    assert run("list", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["version"]) == ("acme", 1)
    assert "no key of the organisation's packs' list" in told["why_not"], "nobody has logged in here"
    assert run("remove", "acme") == 0
    assert run("list") == 0
    assert "no pack is installed here" in capsys.readouterr().out
    assert run("remove", "acme") == 3


def test_an_older_pack_a_bad_name_and_no_pack_are_refused_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "acme.pack"
    assert run("build", folder / "acme", "--id", "acme", "--version", 2, "-o", file) == 0
    assert run("install", file) == 0
    assert run("build", folder / "acme", "--id", "acme", "--version", 1, "-o", file) == 0
    assert run("install", file) == 3
    assert "newer version 2" in capsys.readouterr().err
    assert run("build", folder / "acme", "--id", "other", "--version", 1, "-o", file) == 2
    assert "does not carry the pack's name" in capsys.readouterr().err
    assert run("build", folder, "--id", "other", "--version", 1, "-o", file) == 2
    assert run("install", folder / "key") == 5
    assert run("install", folder / "none") == 2

"""`self-check` as a customer and as a script runs it, with services that really fail."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from remote_assist.cli import main
from remote_assist.core.signing.reviewer_keys import reviewer_key_file, reviewer_public, reviewer_public_file
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.errors import ContentError
from tests.diagnostics.conftest import Services, connects

FIX = "linux.service.free-port"
SECRET = bytes(range(1, 33))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Services]:
    """web-a holds the port that web-b wants."""
    folder = tmp_path / "services"
    folder.mkdir()
    services = Services(folder)
    services.write("web-a")
    services.write("web-b")
    services.start("web-a")
    assert services.start("web-b").wait() != 0
    yield services
    services.stop_all()


@pytest.mark.slow
def test_what_was_found_is_mended_by_the_customer_through_the_gate(
    home: Path, taken: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["self-check", "--services", str(taken.folder), "--json"]
    assert main([*words, "--fix", FIX]) == 2
    assert "nobody can be asked" in capsys.readouterr().err
    assert main([*words, "--fix", FIX, "--yes"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(line.get("fix") == FIX and line.get("subject") == "web-b" for line in lines)
    assert lines[-1]["status"] == "resolved"
    codes = [
        json.loads(line)["code"]
        for log in sorted((home / "self-checks").glob("2*.jsonl"))
        for line in log.read_text().splitlines()
    ]
    assert codes[-6:] == ["RA1100I", "RA1100O", "RA1300I", "RA1300O", "RA1301I", "RA1301O"]


def test_a_fix_nothing_asks_for_is_a_usage_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["self-check", "--fix", "linux.nothing", "--yes"]) == 2
    assert "nothing that was found" in capsys.readouterr().err


@pytest.mark.slow
def test_a_saved_bundle_is_redacted_private_and_never_over_another_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "look.tar.zst"
    assert main(["self-check", "--save", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["file"], told["sealed"], told["size"]) == (str(file), False, file.stat().st_size)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    bundle = read_bundle(file)
    assert bundle.facts["host"]["hostname"].startswith("<")  # type: ignore[index]  # a mapping
    assert (home / "redaction" / "tokens.json").is_file()
    assert main(["self-check", "--save", str(file)]) == 2
    assert "already there" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bundle_sealed_to_a_key_opens_with_it_only_and_a_bad_key_saves_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public, private, file = tmp_path / "k.pub", tmp_path / "k", tmp_path / "look.sealed"
    public.write_bytes(reviewer_public_file(reviewer_public(SECRET)))
    private.write_bytes(reviewer_key_file(SECRET))
    assert main(["self-check", "--save", str(file), "--seal-to", str(private)]) == 2
    assert not file.exists()
    assert main(["self-check", "--save", str(file), "--seal-to", str(public)]) == 0
    with pytest.raises(ContentError, match="sealed"):
        read_bundle(file)
    assert main(["findings", str(file)]) == 2
    assert "--key" in capsys.readouterr().err
    assert main(["findings", str(file), "--key", str(private), "--json"]) == 0
    capsys.readouterr()
    assert main(["findings", str(file), "--key", str(private), "--all", "--json"]) == 0
    assert capsys.readouterr().out.count("\n") > 30
    private.write_bytes(reviewer_key_file(X25519PrivateKey.generate().private_bytes_raw()))
    assert main(["findings", str(file), "--key", str(private)]) == 5


@pytest.mark.slow
def test_a_fix_that_was_stopped_midway_is_asked_about_first(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "self-checks"
    folder.mkdir(parents=True, mode=0o700)
    left = folder / "undo-20261129T100000000000.jsonl"
    left.write_text('{"step":"stop web-a","undo":{"verb":"wait"}}\n')
    left.chmod(0o600)
    assert main(["self-check"]) == 0
    assert "--settle undo or --settle leave" in capsys.readouterr().err
    assert main(["self-check", "--settle", "leave", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["status"] == "left"
    assert main(["self-check"]) == 0
    assert "stopped midway" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_self_check_killed_in_the_middle_of_a_fix_is_undone_by_the_next(
    home: Path, taken: Services, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = tmp_path / "begun"
    never_listens = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(600)"
    taken.write("web-b", [sys.executable, "-c", never_listens])
    words = ["self-check", "--services", str(taken.folder), "--fix", FIX, "--yes"]
    mending = subprocess.Popen([sys.executable, "-m", "remote_assist", *words], stdout=subprocess.DEVNULL)
    for _ in range(6000):
        if begun.exists():
            break
        assert mending.poll() is None, "it ended before the second step began"
        time.sleep(0.01)
    mending.kill()
    mending.wait()
    assert not connects(taken.port), "web-a was stopped by the first step"
    assert main(["self-check", "--services", str(taken.folder), "--settle", "undo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["status"] == "rolled-back"
    assert connects(taken.port), "web-a runs again"
    assert main(["self-check", "--services", str(taken.folder)]) == 0
    assert "stopped midway" not in capsys.readouterr().err


@pytest.mark.slow
def test_a_self_check_finds_what_is_wrong_here_and_sends_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "REMOTE_ASSIST_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "remote_assist", "self-check"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing left this computer" in done.stdout
    (log,) = (tmp_path / "home" / "self-checks").iterdir()
    assert [line.split('"code":"')[1][:7] for line in log.read_text().splitlines()] == ["RA1100I", "RA1100O"]

"""`watch` as a person and as a timer runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from remote_assist.cli import main

WATCH = [sys.executable, "-m", "remote_assist", "watch"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_one_look_prints_alarms_and_a_summary(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dates = home.parent / "dates"
    dates.write_text("# day name\n2020-01-01 Old contract\n\n2090-01-01 Far away\n")
    assert main(["watch", "--once", "--json", "--dates", str(dates)]) == 0
    *alarms, looked = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(each["alarm"]["subject"] == "Old contract" for each in alarms)
    assert looked["looked"]["hours"] == 0.0
    assert any(each["subject"] == "Old contract" for each in looked["looked"]["findings"])
    assert main(["watch", "--once"]) == 0
    assert "coming or here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--interval", "5s"], "between 1m and 1h"),
        (["--notify", "http://example.com/x"], "https addresses only"),
        (["--notify", "mail"], "whole path"),
        (["--dates", "/nonexistent"], "cannot be read"),
    ],
)
def test_bad_options_are_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["watch", "--once", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_line_that_is_no_date_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dates = home.parent / "dates"
    dates.write_text("2027-01-01 ok\nnext week scanner\n")
    assert main(["watch", "--once", "--dates", str(dates)]) == 2
    assert f"{dates}:2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_service_manager_stops_it_between_two_looks_and_a_second_one_is_refused(home: Path) -> None:
    with subprocess.Popen([*WATCH, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        for line in watching.stdout:
            if "looked" in line:
                break
        second = subprocess.run([*WATCH, "--once"], capture_output=True, text=True, timeout=60)
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(60) == 0
    assert second.returncode == 3
    assert "another `watch`" in second.stderr

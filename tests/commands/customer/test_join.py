"""The customer's command: what it refuses before it connects, and which exit code says so."""

import io
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from remote_assist.cli import build_parser, main
from remote_assist.commands.customer.join import agent_settings, home_folder
from remote_assist.core.signing.keys import new_key, public_line

NOWHERE = "http://127.0.0.1:1"
CODE = "417203-tulip-rocket-amber\n"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REMOTE_ASSIST_RELAY", raising=False)


def join(monkeypatch: pytest.MonkeyPatch, *words: str, typed: str = CODE) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return main(["join", *words])


@pytest.mark.parametrize(
    ("words", "exit_code", "sentence"),
    [
        (["417203-tulip-rocket-amber"], 2, "does not go on the command line"),
        (["--code", "417203-tulip-rocket-amber"], 2, "does not go on the command line"),
        (["--code", "-", "--accept", "diagnose"], 2, "no relay was named"),
        (["--code", "-", "--relay", NOWHERE], 3, "there is no terminal to ask at"),
        (["--relay", NOWHERE], 3, "there is no terminal to ask at"),
        (["--relay", NOWHERE, "--accept", "diagnose"], 2, "there is no support code"),
        (["--code", "-", "--relay", NOWHERE, "--accept", "everything"], 2, "there is no scope 'everything'"),
        (["--code", "-", "--relay", NOWHERE, "--accept", "fix", "--until", "soon"], 2, "not a length of time"),
        (["--code", "-", "--relay", NOWHERE, "--accept", "fix", "--services", "/nowhere"], 2, "is not a folder"),
        (["--code", "-", "--relay", NOWHERE, "--accept", "fix", "--ca", "/nowhere"], 2, "cannot be read"),
        (["--code", "-", "--relay", "nonsense", "--accept", "fix"], 2, "a relay's address is"),
        (["--code", "-", "--relay", NOWHERE, "--accept", "fix"], 4, "cannot be reached"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value)[:20],
)
def test_a_join_that_cannot_be_says_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    exit_code: int,
    sentence: str,
) -> None:
    assert join(monkeypatch, *words) == exit_code
    said = capsys.readouterr().err
    assert sentence in said
    assert "tulip" not in said


@pytest.mark.parametrize("typed", ["", "417203", "417203-tulip-rocket-ambre", "x" * 5000])
def test_what_is_no_code_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    assert join(monkeypatch, "--code", "-", "--relay", NOWHERE, "--accept", "fix", typed=typed) == 2


def test_the_relay_and_the_folder_come_from_options_or_environment(tmp_path: Path) -> None:
    rest = {"ca": None, "ca_file": None, "keep": "bundles", "winrm_certificate": None}
    arguments = Namespace(relay=None, **rest)
    environment = {"REMOTE_ASSIST_RELAY": "https://relay.example.com", "REMOTE_ASSIST_HOME": str(tmp_path)}
    settings = agent_settings(arguments, environment)
    assert (settings.relay_url, settings.home) == ("https://relay.example.com:443", tmp_path)
    named = agent_settings(Namespace(relay=["http://127.0.0.1:8470"], **rest), environment)
    assert named.relay_url == "http://127.0.0.1:8470"
    several = environment | {"REMOTE_ASSIST_RELAY": "https://a.example.com, https://b.example.com:8470"}
    settings = agent_settings(arguments, several)
    assert (settings.relay_url, settings.other_relay_urls) == (
        "https://a.example.com:443",
        ("https://b.example.com:8470",),
    )
    assert home_folder({"XDG_DATA_HOME": str(tmp_path)}) == tmp_path / "remote-assist-agent"


def test_a_ca_file_that_is_no_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "ca.pub").write_text("not a key")
    words = ["--code", "-", "--relay", NOWHERE, "--accept", "fix", "--ca", str(tmp_path / "ca.pub")]
    assert join(monkeypatch, *words) == 2
    (tmp_path / "ca.pub").write_text(public_line(new_key(bytes(32))))
    capsys.readouterr()
    assert join(monkeypatch, *words) == 4


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [
        ("", 0o600, "does not hold a certificate and its private key"),
        ("-----BEGIN CERTIFICATE-----", 0o600, "does not hold a certificate and its private key"),
        ("-----BEGIN CERTIFICATE----- -----BEGIN PRIVATE KEY-----", 0o644, "own.pem"),
        (None, 0, "No such file"),
    ],
)
def test_a_client_certificate_that_is_none_or_that_others_read_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str | None,
    mode: int,
    sentence: str,
) -> None:
    file = tmp_path / "own.pem"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    words = ["--code", "-", "--relay", NOWHERE, "--accept", "hop", "--winrm-certificate", str(file)]
    assert join(monkeypatch, *words) == 2
    assert sentence in capsys.readouterr().err


def test_the_help_names_every_option_and_hides_the_trap() -> None:
    text = build_parser("join").parse_args(["join"])
    assert text.words == []
    help_text = subprocess.run(
        [sys.executable, "-m", "remote_assist", "join", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for option in ("--code", "--relay", "--ca", "--ca-file", "--accept", "--until", "--ask-each", "--services"):
        assert option in help_text
    assert "words" not in help_text

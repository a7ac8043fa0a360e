"""The data folder and the command: init, adopt, serve, check, and the permissions of secrets (incident T3)."""

import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay.__main__ import main
from relay.storage.data_folder import ADDRESS, COSIGN_KEY, LOG_KEY
from remote_assist.core.identity.lists import open_adopt_request
from remote_assist.core.signing.cosignature import read_cosigner
from remote_assist.core.signing.signed_note import log_origin
from tests.relay.world import Organisation, TurnableClock


@pytest.fixture(autouse=True)
def logging_of_its_own() -> Iterator[None]:
    """`serve` sets up logging for its process; the next test starts without it."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation(tmp_path, TurnableClock())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Exit code and everything the command printed."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_init_makes_private_files_whatever_the_umask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = os.umask(0)
    try:
        code, _ = run(capsys, "init", "--data", tmp_path / "data", "--organisation", "Example Support")
    finally:
        os.umask(before)
    assert code == 0
    data = tmp_path / "data"
    assert mode(data) == 0o700
    assert {path.name: mode(path) for path in data.iterdir()} == {
        "relay.db": 0o600,
        "log_key": 0o600,
        "adopt-request": 0o644,
    }
    assert open_adopt_request((data / "adopt-request").read_bytes()).organisation == "Example Support"


def test_init_refuses_a_folder_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "init", "--data", tmp_path, "--organisation", "Example Support")
    assert code == 2 and "is there already" in said


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 200])
def test_init_refuses_a_name_no_list_could_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(capsys, "init", "--data", tmp_path / "data", "--organisation", name)[0] == 2
    assert not (tmp_path / "data").exists()


def test_serve_before_adopt_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "init", "--data", tmp_path / "data", "--organisation", "Example Support")
    code, said = run(capsys, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0")
    assert code == 2 and "not adopted" in said and "ca adopt" in said


def test_serve_without_a_data_folder_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "serve", "--data", tmp_path)
    assert code == 2 and "no relay's data folder" in said


@pytest.mark.parametrize("name", [".", "log_key", "relay.db"])
def test_serve_refuses_secrets_that_others_can_read(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    organisation.found()
    path = organisation.data / name
    path.chmod(0o755 if name == "." else 0o640)
    code, said = run(capsys, "serve", "--data", organisation.data, "--listen", "127.0.0.1:0")
    assert code == 2 and "open to others" in said and "chmod" in said


def test_serve_refuses_a_linked_log_key(organisation: Organisation, capsys: pytest.CaptureFixture[str]) -> None:
    organisation.found()
    key = organisation.data / LOG_KEY
    key.rename(organisation.folder / "elsewhere")
    key.symlink_to(organisation.folder / "elsewhere")
    code, said = run(capsys, "serve", "--data", organisation.data, "--listen", "127.0.0.1:0")
    assert code == 2 and "not a regular file" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "relay.example.com"])
def test_plain_http_is_served_on_loopback_only(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    organisation.found()
    code, said = run(capsys, "serve", "--data", organisation.data, "--listen", f"{host}:0")
    assert code == 2 and "plain HTTP" in said


@pytest.mark.parametrize("listen", ["", "8470", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_a_usage_error(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], listen: str
) -> None:
    assert run(capsys, "serve", "--data", organisation.data, "--listen", listen)[0] == 2


def test_adopt_takes_newer_lists_and_refuses_older_ones(
    organisation: Organisation, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation.found()
    out = organisation.folder / "next"
    organisation.write_lists(out, number=3)
    code, said = run(capsys, "adopt", out, "--data", organisation.data)
    assert code == 0 and "revocations 3" in said
    organisation.write_lists(out, number=2)
    code, said = run(capsys, "adopt", out, "--data", organisation.data)
    assert code == 5 and "older" in said


def test_adopt_refuses_another_ca_and_another_relays_lists(
    organisation: Organisation, capsys: pytest.CaptureFixture[str]
) -> None:
    organisation.found()
    other = Organisation(organisation.folder / "other", organisation.clock)
    out = organisation.folder / "next"
    other.write_lists(out, number=9, log_key=organisation.log_key)
    assert run(capsys, "adopt", out, "--data", organisation.data)[0] == 5
    (organisation.folder / "other").mkdir()
    other.found()
    organisation.write_lists(out, number=9, log_key=other.log_key)
    code, said = run(capsys, "adopt", out, "--data", organisation.data)
    assert code == 5 and "log key" in said


def test_adopt_of_a_folder_without_lists_says_so(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    organisation.found()
    assert run(capsys, "adopt", tmp_path / "nothing", "--data", organisation.data)[0] == 2


def test_check_says_what_is_wrong_and_exits_4(organisation: Organisation, capsys: pytest.CaptureFixture[str]) -> None:
    organisation.found()
    code, said = run(capsys, "check", "--data", organisation.data, "--wait", "0")
    assert code == 4 and "not served" in said
    (organisation.data / ADDRESS).write_text("http://127.0.0.1:1\n")
    code, said = run(capsys, "check", "--data", organisation.data, "--wait", "0.2")
    assert code == 4 and "does not answer" in said


@pytest.fixture
def served(organisation: Organisation) -> Iterator["subprocess.Popen[str]"]:
    """A relay as a process of its own."""
    organisation.found()
    argv = [sys.executable, "-m", "relay", "serve", "--data", str(organisation.data), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_served_relay_answers_check_and_ends_cleanly_at_sigterm(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], served: "subprocess.Popen[str]"
) -> None:
    assert served.stdout is not None
    address = served.stdout.readline().split()[-1]
    code, said = run(capsys, "check", "--data", organisation.data, "--wait", "10")
    assert code == 0 and address in said
    assert (organisation.data / ADDRESS).read_text().strip() == address
    served.send_signal(signal.SIGTERM)
    _, log = served.communicate(timeout=15)
    assert served.returncode == 0, log
    assert all(line.startswith("{") for line in log.splitlines())


@pytest.mark.slow
def test_a_log_nobody_reads_any_more_does_not_stop_the_relay(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], served: "subprocess.Popen[str]"
) -> None:
    assert served.stdout is not None and served.stderr is not None
    address = served.stdout.readline().split()[-1]
    served.stderr.close()
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}/v1/tickets", timeout=10)
    assert run(capsys, "check", "--data", organisation.data)[0] == 0
    served.send_signal(signal.SIGTERM)
    assert served.wait(15) == 0


@pytest.mark.slow
def test_a_second_relay_on_the_folder_or_the_port_says_so(
    organisation: Organisation, capsys: pytest.CaptureFixture[str], served: "subprocess.Popen[str]"
) -> None:
    assert served.stdout is not None
    listen = served.stdout.readline().split()[-1].removeprefix("http://")
    code, said = run(capsys, "serve", "--data", organisation.data, "--listen", listen)
    assert code == 2 and "another relay serves" in said
    other = Organisation(organisation.folder / "other", organisation.clock)
    other.folder.mkdir()
    other.found()
    code, said = run(capsys, "serve", "--data", other.data, "--listen", listen)
    assert code == 4 and "cannot listen" in said


def test_a_cosigner_is_made_once_and_asked_for_beside_the_log_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    run(capsys, "init", "--data", data, "--organisation", "Example Support")
    asked = open_adopt_request((data / "adopt-request").read_bytes())
    assert asked.cosigner == ""
    code, said = run(capsys, "cosigner", "--data", data)
    line = said.splitlines()[0]
    assert code == 0 and read_cosigner(line).is_of(log_origin(asked.log_key))
    assert mode(data / COSIGN_KEY) == 0o600
    now = open_adopt_request((data / "adopt-request").read_bytes())
    assert (now.organisation, now.log_key) == (asked.organisation, asked.log_key)
    assert now.cosigner == line
    assert run(capsys, "cosigner", "--data", data) == (code, said)
    (data / COSIGN_KEY).write_text("what is this\n")
    code, said = run(capsys, "cosigner", "--data", data)
    assert code != 0 and "not what this relay wrote" in said


def test_a_cosigner_made_while_a_log_key_waits_is_asked_for_with_that_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    run(capsys, "init", "--data", data, "--organisation", "Example Support")
    present = open_adopt_request((data / "adopt-request").read_bytes()).log_key
    assert run(capsys, "rotate-log-key", "--data", data)[0] == 0
    waiting = open_adopt_request((data / "adopt-request").read_bytes()).log_key
    code, said = run(capsys, "cosigner", "--data", data)
    now = open_adopt_request((data / "adopt-request").read_bytes())
    assert code == 0 and now.log_key == waiting != present
    assert now.cosigner == said.splitlines()[0] and read_cosigner(now.cosigner).is_of(log_origin(waiting))
